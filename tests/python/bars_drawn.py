"""Computes bars of a recorded day with pandas as terminals draw them, and compares them with lakes.

usage: bars_drawn.py RECORDED_DAY LAKE:LABEL:EMPTY_MINUTES:AUCTION:AFTER_HOURS...

The words are the values of the transform's options. Every lake holds the complete bars of four
periods, each once. Prints how many bars each lake has.

As bars_check.py, this shares nothing with the project but the rules: it cuts whole columns into
groups and lays them on the grid of the day's minutes.
"""

from itertools import product

import pandas

import bars_check
import recorded
import script
from bars_check import VALUES, at

MINUTES = {"1m": 1, "5m": 5, "60m": 60}
SESSIONS = [("09:30:00", "11:30:00"), ("13:00:00", "15:00:00")]
BOARDS = ("688", "689", "300", "301")


def quotes_of(day: str) -> pandas.DataFrame:
    """All quotes, with the part of the day in which each counts."""
    frame = pandas.DataFrame(recorded.quotes(day), columns=recorded.Quote._fields)
    frame["time"] = pandas.to_datetime(frame["time"], format="ISO8601")
    frame["of_day"] = frame["time"] - frame["time"].dt.normalize()
    frame["board"] = frame["symbol"].str.startswith(BOARDS)
    frame["part"] = ""
    for start, end in SESSIONS:
        frame.loc[frame["of_day"].between(at(start), at(end) + at("30s")), "part"] = "session"
    auction = frame["of_day"].between(at("09:25:00"), at("09:30:00"), inclusive="left")
    frame.loc[auction & (frame["volume"] > 0) & (frame["close"] > 0), "part"] = "auction"
    late = frame["of_day"].between(at("15:05:00"), at("15:30:30")) & frame["board"]
    counted = frame["volume"].where(frame["part"] == "session", 0)
    known = counted.where(~late, frame["volume"]).groupby(frame["symbol"]).cummax()
    before = known.groupby(frame["symbol"]).shift(fill_value=0)
    frame.loc[late & (frame["volume"] > before), "part"] = "late"
    return frame


def grid(minutes: int) -> list:
    """Ends of the bars of a day's sessions, from its midnight."""
    ends = set()
    for start, end in SESSIONS:
        for minute in pandas.timedelta_range(at(start), at(end), freq="1min", closed="left"):
            ends.add(min(minute.floor(f"{minutes}min") + pandas.Timedelta(minutes=minutes), at(end)))
    return sorted(ends)


def ends_of(quotes: pandas.DataFrame, minutes: int, after_hours: str) -> pandas.Series:
    """The end of the bar that each quote belongs to."""
    length = pandas.Timedelta(minutes=minutes)
    moment = quotes["of_day"].where(quotes["part"] != "auction", at("09:30:00"))
    end = moment.dt.floor(f"{minutes}min") + length
    is_late = quotes["part"] == "late"
    morning = (quotes["of_day"] < at("12:00:00")) & (end > at("11:30:00"))
    end = end.where(~morning, at("11:30:00"))
    end = end.where(is_late | (end <= at("15:00:00")), at("15:00:00"))
    if after_hours == "own":
        end = end.where(~is_late | (end <= at("15:30:00")), at("15:30:00"))
    else:
        end = end.where(~is_late, at("15:00:00"))
    if minutes == 1:
        end = end.where(quotes["part"] != "auction", at("09:30:00"))
    return end


def within_day(quotes, minutes: int, empty: str, auction: str, after_hours: str) -> pandas.DataFrame:
    """Bars of one period; what was traded is the difference of two totals."""
    newest, midnight = quotes["time"].max(), quotes["time"].dt.normalize().iloc[0]
    parts = {"session"} | ({"auction"} if auction == "own_bar" else set()) | ({"late"} if after_hours != "drop" else set())
    counted = quotes[quotes["part"].isin(parts) & (quotes["close"] > 0)].copy()
    counted["end"] = midnight + ends_of(counted, minutes, after_hours)
    bars = counted.groupby(["symbol", "end"], sort=True).agg(
        open=("close", "first"), high=("close", "max"), low=("close", "min"), close=("close", "last"),
        amount=("amount", "last"), volume=("volume", "last"),
    )  # fmt: skip
    matched = quotes[quotes["part"] == "auction"].groupby("symbol").last()
    for total in ("amount", "volume"):
        before = bars.groupby("symbol")[total].shift()
        if auction == "drop":
            first = bars.index.get_level_values("symbol").map(matched[total])
            before = before.fillna(pandas.Series(first, index=bars.index))
        bars[total] = bars[total] - before.fillna(0)
    if empty == "previous":
        bars = filled(bars, quotes, matched, [midnight + end for end in grid(minutes) if midnight + end <= newest])
    return bars


def filled(bars, quotes, matched, ends: list) -> pandas.DataFrame:
    """The bars with flat ones at the ends that have none."""
    symbols = sorted(quotes["symbol"].unique())
    assert (quotes.groupby("symbol")["of_day"].min() < at("09:30:00")).all(), "watched from the start"
    index = bars.index.union(pandas.MultiIndex.from_tuples(product(symbols, ends), names=bars.index.names))
    bars = bars.reindex(index.sort_values())
    first = quotes.groupby("symbol")["pre_close"].first()
    first.update(matched["close"])
    before = bars.groupby("symbol")["close"].ffill()
    before = before.fillna(pandas.Series(bars.index.get_level_values("symbol").map(first), index=bars.index))
    for price in ("open", "high", "low", "close"):
        bars[price] = bars[price].fillna(before)
    return bars.fillna({"amount": 0.0, "volume": 0})


def of_days(quotes, after_hours: str) -> pandas.DataFrame:
    parts = {"session"} | ({"late"} if after_hours != "drop" else set())
    return bars_check.of_days(quotes[quotes["part"].isin(parts)], lambda day: day)


def named(end: pandas.Timestamp, minutes: int, label: str, auction: str) -> pandas.Timestamp:
    """The time that a bar is named by."""
    if label == "end":
        return end
    midnight = end.normalize()
    if auction == "own_bar" and end - midnight == at("09:30:00"):
        return midnight + at("09:25:00")
    start = (end - at("1us")).floor(f"{minutes}min")
    opens = [at(open) for open, _ in SESSIONS] + ([at("15:05:00")] if end - midnight > at("15:00:00") else [])
    return max(start, midnight + max(open for open in opens if midnight + open < end))


def compare(lake: str, period: str, expected: pandas.DataFrame, found: pandas.DataFrame) -> None:
    of_period = found[found["period"] == period].set_index(["symbol", "end"]).sort_index()
    expected = expected.sort_index()
    assert of_period.index.is_unique, f"{lake} {period}: told twice"
    missing = of_period.index.symmetric_difference(expected.index)
    assert missing.empty, f"{lake} {period}: {len(missing)} on one side: {missing[:5]}"
    for name in VALUES:
        differs = of_period[name].astype(float) != expected[name].astype(float)
        assert not differs.any(), f"{lake} {period} {name}:\n{of_period[differs].head()}\n{expected[differs].head()}"
    differs = of_period["closed"] != expected["closed"]
    assert not differs.any(), f"{lake} {period} closed:\n{of_period[differs].head()}"


def complete(bars: pandas.DataFrame, quotes: pandas.DataFrame, period: str, after_hours: str) -> list:
    """Whether trading in each bar had ended when the newest quote was made."""
    newest = quotes["time"].max()
    boards = quotes.groupby("symbol")["board"].first()

    def last_trade(symbol, end):
        goes_on = boards[symbol] and after_hours != "drop"
        if period == "day":
            return end + at("15:30:00" if goes_on else "15:00:00")
        is_last = end - end.normalize() == at("15:00:00")
        return end + at("30min") if is_last and goes_on and after_hours == "last_bar" else end

    return [last_trade(*key) <= newest for key in bars.index]


def main(day: str, *lakes: str) -> None:
    quotes = quotes_of(day)
    made = {}
    for argument in lakes:
        lake, label, empty, auction, after_hours = argument.rsplit(":", 4)
        found = bars_check.lake_rows(lake)
        sources = set(found["source"])
        assert len(sources) == 1 and all(sources), f"{lake}: of one source, named: {sources}"
        for period in [*MINUTES, "day"]:
            key = (period, empty, auction, after_hours)
            if key not in made:
                if period == "day":
                    bars = of_days(quotes, after_hours)
                else:
                    bars = within_day(quotes, MINUTES[period], empty, auction, after_hours)
                bars["closed"] = complete(bars, quotes, period, after_hours)
                made[key] = bars
            bars = made[key].copy()
            if period in MINUTES:
                times = [named(end, MINUTES[period], label, auction) for _, end in bars.index]
                bars.index = pandas.MultiIndex.from_arrays([bars.index.get_level_values("symbol"), times], names=["symbol", "end"])
            compare(lake, period, bars, found)
        print(f"{label} {empty} {auction} {after_hours}: {len(found)} bars")


if __name__ == "__main__":
    script.run(main)
