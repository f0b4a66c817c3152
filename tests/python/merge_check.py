"""Checks what one feed was made of two sources that gave the same recorded day.

usage: merge_check.py LAKE DAY GONE BACK

Of each security, times and volumes only grow, so nothing is there twice, and every quote is one of the
day. With times of day, `first` gave nothing between GONE and BACK: it serves before and some time after,
`second` between, and only some seconds after GONE may lack quotes. With `-` for both, who serves and what is
passed over is up to chance, but the last volume of each security is there. Prints how many quotes there are.
"""

from pathlib import Path

import pandas

import recorded
import script

SECOND = pandas.Timedelta(seconds=1)
# stale_after and two quotes
GAP = 15 * SECOND
# hold, and the first quote of a security since
HOLD = 180 * SECOND


def read_day(day: str) -> pandas.DataFrame:
    frame = pandas.DataFrame(recorded.quotes(day), columns=recorded.Quote._fields)
    frame["time"] = pandas.to_datetime(frame["time"], format="ISO8601").astype("datetime64[us]")
    return frame[["symbol", "time", "volume", "close"]].drop_duplicates(["symbol", "time", "volume"])


def read_lake(lake: str) -> pandas.DataFrame:
    columns = ["symbol", "time", "volume", "close", "source"]
    files = sorted(Path(lake).rglob("*.parquet"))
    frame = pandas.concat([pandas.read_parquet(file, columns=columns) for file in files])
    frame["symbol"] = frame["symbol"].astype(str)
    frame["volume"] = frame["volume"].astype("int64")
    if frame["time"].dt.tz is not None:
        frame["time"] = frame["time"].dt.tz_convert("Asia/Shanghai").dt.tz_localize(None)
    frame["time"] = frame["time"].astype("datetime64[us]")
    return frame.reset_index(drop=True)


def main(lake: str, day: str, gone: str, back: str) -> None:
    expected, found = read_day(day), read_lake(lake)
    for symbol, quotes in found.groupby("symbol", sort=False):
        keys = list(zip(quotes["time"], quotes["volume"]))
        for before, after in zip(keys, keys[1:]):
            assert before < after, f"{symbol}: {after} after {before}"

    both = expected.merge(
        found, on=["symbol", "time", "volume"], how="outer", suffixes=("", "_found"), indicator=True
    )
    strange = both[both["_merge"] == "right_only"]
    assert strange.empty, f"none of the day's:\n{strange.head()}"
    there = both[both["_merge"] == "both"]
    assert (there["close"] == there["close_found"]).all(), "prices differ"
    last = expected.groupby("symbol")["volume"].max()
    assert last.equals(found.groupby("symbol")["volume"].max().astype(last.dtype)), "the last ones"

    if gone != "-":
        date = expected["time"].iloc[0].normalize()
        gone_at, back_at = date + pandas.Timedelta(gone), date + pandas.Timedelta(back)
        missing = both[both["_merge"] == "left_only"]["time"]
        outside = missing[(missing <= gone_at) | (missing > gone_at + GAP)]
        assert outside.empty, f"{len(outside)} are missing, the first at {outside.min()}"
        serves = found.set_index("time")["source"]
        for start, end, source in [
            (date, gone_at, "first"),
            (gone_at + SECOND, back_at - SECOND, "second"),
            (back_at, back_at + 29 * SECOND, "second"),
            (back_at + HOLD, date + pandas.Timedelta("24h"), "first"),
        ]:
            of = serves[(serves.index >= start) & (serves.index <= end)]
            assert len(of) > 100, f"{len(of)} quotes from {start} to {end}"
            others = of[of != source]
            assert others.empty, f"{len(others)} from {start} to {end} are not of {source}:\n{others.head()}"
    print(f"{len(found)} quotes")


if __name__ == "__main__":
    script.run(main)
