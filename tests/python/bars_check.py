"""Computes the bars of a recorded day with pandas and compares them with those in a lake.

usage: bars_check.py LAKE RECORDED_DAY CHANGES [PERIOD...]

CHANGES is `changes` when the lake also holds bars that were not complete yet, of which the last row
of each counts; with `complete` every bar must be there once. Without PERIOD all that there are are
expected. Prints how many bars there are.

The computation shares nothing with the project but the rules of Hikyuu's client: it cuts whole
columns into groups, where the project goes from quote to quote.
"""

from pathlib import Path

import pandas
import pyarrow
import pyarrow.parquet as parquet

import recorded
import script

MINUTES = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "60m": 60,
    "2h": 120, "4h": 240, "6h": 360, "12h": 720,
}  # fmt: skip
LAST_DAY = {
    "day": lambda day: day,
    "week": lambda day: day + pandas.Timedelta(days=4 - day.day_of_week),
    "month": lambda day: day + pandas.offsets.MonthEnd(0),
    "quarter": lambda day: day + pandas.offsets.QuarterEnd(0, startingMonth=3),
    "halfyear": lambda day: pandas.Timestamp(day.year, 6 if day.month <= 6 else 12, 30 if day.month <= 6 else 31),
    "year": lambda day: pandas.Timestamp(day.year, 12, 31),
}
VALUES = ["open", "high", "low", "close", "amount", "volume"]


def at(text: str) -> pandas.Timedelta:
    return pandas.Timedelta(text)


def session_quotes(day: str):
    """Quotes of the sessions, in the file's order, and the time of the last quote of all."""
    frame = pandas.DataFrame(recorded.quotes(day), columns=recorded.Quote._fields)
    frame["time"] = pandas.to_datetime(frame["time"], format="ISO8601")
    frame["of_day"] = frame["time"] - frame["time"].dt.normalize()
    morning = frame["of_day"].between(at("09:30:00"), at("11:30:30"))
    afternoon = frame["of_day"].between(at("13:00:00"), at("15:00:30"))
    return frame[morning | afternoon], frame["time"].max()


def within_day(quotes: pandas.DataFrame, minutes: int) -> pandas.DataFrame:
    """Bars made of last prices; what was traded is the difference of two totals."""
    quotes = quotes[quotes["close"] > 0].copy()
    end = quotes["of_day"].dt.floor(f"{minutes}min") + pandas.Timedelta(minutes=minutes)
    end = end.where(end <= at("15:00:00"), at("15:00:00"))
    into_lunch = (end > at("11:30:00")) & (end < at("13:00:00"))
    quotes["end"] = quotes["time"].dt.normalize() + end.where(~into_lunch, at("11:30:00"))
    groups = quotes.groupby(["symbol", "end"], sort=True)
    bars = groups.agg(
        open=("close", "first"), high=("close", "max"), low=("close", "min"), close=("close", "last"),
        amount=("amount", "last"), volume=("volume", "last"),
    )  # fmt: skip
    for total in ("amount", "volume"):
        before = bars.groupby("symbol")[total].shift(fill_value=0)
        assert (bars[total] >= before).all(), "the recorded totals never fall"
        bars[total] = bars[total] - before
    return bars


def of_days(quotes: pandas.DataFrame, last_day) -> pandas.DataFrame:
    """Bars made of the day's own prices and totals."""
    prices = quotes[["open", "close"]]
    valid = (quotes["low"] > 0) & (prices.min(axis=1) >= quotes["low"]) & (prices.max(axis=1) <= quotes["high"])
    quotes = quotes[valid].copy()
    quotes["end"] = quotes["time"].dt.normalize().map(last_day)
    assert quotes["time"].dt.normalize().nunique() <= 1, "one day"
    return quotes.groupby(["symbol", "end"], sort=True).agg(
        open=("open", "first"), high=("high", "max"), low=("low", "min"), close=("close", "last"),
        amount=("amount", "last"), volume=("volume", "last"),
    )  # fmt: skip


def lake_rows(lake: str) -> pandas.DataFrame:
    files = sorted(Path(lake).rglob("*.parquet"))
    table = pyarrow.concat_tables(parquet.ParquetFile(file).read() for file in files)
    frame = table.to_pandas()
    frame["end"] = frame["time"].dt.tz_convert("Asia/Shanghai").dt.tz_localize(None)
    return frame


def main(lake: str, day: str, changes: str, *periods: str) -> None:
    quotes, newest = session_quotes(day)
    found = lake_rows(lake)
    sources = set(found["source"])
    assert len(sources) == 1 and all(sources), f"of one source, named: {sources}"
    keys = ["symbol", "period", "end"]
    if changes == "complete":
        doubled = found[found.duplicated(keys)]
        assert doubled.empty, f"told twice:\n{doubled}"
    found = found.drop_duplicates(keys, keep="last")
    bars = 0
    for period in periods or [*MINUTES, *LAST_DAY]:
        is_within_day = period in MINUTES
        expected = within_day(quotes, MINUTES[period]) if is_within_day else of_days(quotes, LAST_DAY[period])
        of_period = found[found["period"] == period].set_index(["symbol", "end"]).sort_index()
        assert list(of_period.index) == list(expected.index), (
            f"{period}: {of_period.index.symmetric_difference(expected.index)}"
        )
        for name in VALUES:
            differs = of_period[name].astype(float) != expected[name].astype(float)
            assert not differs.any(), (
                f"{period} {name}:\n{of_period[differs].head()}\nshould be\n{expected[differs].head()}"
            )
        trading_ended = [end + (at("0s") if is_within_day else at("15:00:00")) for _, end in expected.index]
        complete = [moment <= newest for moment in trading_ended]
        assert list(of_period["closed"]) == complete, f"{period}: closed"
        bars += len(expected)
    assert bars == len(found), f"{len(found) - bars} bars of other periods"
    print(f"{bars} bars")


if __name__ == "__main__":
    script.run(main)
