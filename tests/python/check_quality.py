"""Judges a recorded day by the rules as they are documented and compares with a judged lake.

usage: check_quality.py LAKE DAY

Prints how many quotes were dropped and marked, then each rule with the number of its findings.
Stocks of Shanghai and Shenzhen only, without names, received when they were stamped.
"""

import math
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import numpy
import pandas

import recorded
import script

# in the order in which the first one names the reason; True where the default is to drop
RULES = {
    "fields": True, "price": True, "volume": True, "high_low": True, "reset": True,
    "range": False, "price_limit": False, "pre_close": False, "falling": False,
    "time_back": False, "future": False, "stale": False, "zero": False, "amount": False,
    "crossed": False, "levels": False, "empty_book": False,
}  # fmt: skip
PRICES = ["open", "high", "low", "close"]


def main(lake: str, day: str) -> None:
    frame = pandas.DataFrame(recorded.quotes(day), columns=recorded.Quote._fields)
    found = alone(frame)
    against_earlier(frame, found)
    drops = found[[rule for rule, drop in RULES.items() if drop]].any(axis=1)
    score = (1 - found.sum(axis=1) / len(RULES)).astype("float32")

    columns = ["symbol", "time", "close", "volume", "amount", "quality_score"]
    files = sorted(Path(lake).rglob("*.parquet"))
    judged = pandas.concat([pandas.read_parquet(file, columns=columns) for file in files])
    judged = judged.reset_index(drop=True)
    expected = frame[~drops].reset_index()
    assert len(judged) == len(expected), f"{len(judged)} rows, expected {len(expected)}"
    times = pandas.to_datetime(expected["time"], format="ISO8601").dt.tz_localize("Asia/Shanghai")
    assert (judged["time"] == times.dt.tz_convert("UTC")).all(), "times or their order differ"
    for name in ["symbol", "close", "volume", "amount"]:
        assert (judged[name].to_numpy() == expected[name].to_numpy()).all(), f"{name} differs"
    want = score.where(found.any(axis=1))[~drops].to_numpy()
    have = judged["quality_score"].to_numpy(dtype="float32", na_value=numpy.nan)
    differ = ~((numpy.isnan(want) & numpy.isnan(have)) | (numpy.abs(want - have) < 1e-6))
    if differ.any():
        place = differ.argmax()
        index = expected.at[place, "index"]
        broken = [rule for rule in RULES if found.at[index, rule]]
        raise SystemExit(
            f"{frame.loc[index].to_dict()} breaks {broken}: {want[place]}, not {have[place]}"
        )

    print(f"dropped {drops.sum()}")
    print(f"marked {(found.any(axis=1) & ~drops).sum()}")
    for rule in RULES:
        if found[rule].any():
            print(rule, found[rule].sum())


def alone(frame: pandas.DataFrame) -> pandas.DataFrame:
    """What each quote breaks by itself."""
    found = pandas.DataFrame(False, index=frame.index, columns=list(RULES))
    bid, ask = (padded(frame[side]) for side in ("bid", "ask"))
    prices = numpy.column_stack([frame[["pre_close", *PRICES]], bid, ask])
    found["fields"] = ~(prices > 0).any(axis=1)
    sane = (prices == 0) | ((prices >= 0.0005) & (prices <= 1e7))
    found["price"] = ~sane.all(axis=1)
    amount, volume = frame["amount"], frame["volume"].astype(float)
    found["volume"] = ~(amount.between(0, 1e16) & volume.between(0, 1e14))
    good = ~found.any(axis=1)

    pre_close, opened, high, low, close = (frame[name] for name in ["pre_close", *PRICES])
    known = (high > 0) | (low > 0)
    found["high_low"] = known & (high > 0) & (high < low - 1e-4)
    outside = [(p > 0) & ((p < low - 1e-4) | (p > high + 1e-4)) for p in (opened, close)]
    half = (high <= 0) | (low <= 0)
    found["range"] = known & ~found["high_low"] & (half | outside[0] | outside[1])

    bands = [band(symbol, price) for symbol, price in zip(frame["symbol"], pre_close)]
    lower, upper = (numpy.array(side) for side in zip(*bands))
    above = sum((frame[name] > upper + 0.005).astype(int) for name in PRICES)
    below = sum(((frame[name] > 0) & (frame[name] < lower - 0.005)).astype(int) for name in PRICES)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        agree = (low > 0) & (high <= low * (upper / lower) + 1e-4)
    most = numpy.maximum(above, below)
    found["pre_close"] = (most == 4) & agree
    found["price_limit"] = (most > 0) & ~found["pre_close"]

    clock = pandas.to_datetime(frame["time"], format="ISO8601")
    seconds = (clock - clock.dt.normalize()).dt.total_seconds()
    morning = (seconds >= 9.5 * 3600) & (seconds < 11.5 * 3600)
    continuous = morning | ((seconds >= 13 * 3600) & (seconds < 14.95 * 3600))
    no_book = ~((bid > 0).any(axis=1) | (ask > 0).any(axis=1))
    traded = known | (volume > 0) | (amount > 0)
    moved = (volume == 0) & (amount <= 0) & (high > low + 1e-4)
    found["zero"] = ((close <= 0) & (traded | (continuous & no_book))) | ((close > 0) & moved)

    least = low.where(high > 0, close) * (volume - 100).clip(lower=0) / 10
    most = high.where(high > 0, close) * (volume + 100) * 10
    priced = (high > 0) | (close > 0)
    found["amount"] = (amount > 0) & priced & ~amount.between(least, most)

    best_bid, best_ask = bid[:, 0], ask[:, 0]
    found["crossed"] = continuous & (best_ask > 0) & (best_bid > best_ask + 1e-4)
    sorted_book = in_order(bid, -1) & in_order(ask, 1)
    found["levels"] = continuous & ~sorted_book
    found["empty_book"] = continuous & no_book & (volume > 0)

    garbage = ["fields", "price", "volume"]
    others = [rule for rule in RULES if rule not in garbage]
    found.loc[~good, others] = False
    return found


def padded(sides: pandas.Series) -> numpy.ndarray:
    return numpy.array([(levels + [0.0] * 5)[:5] for levels in sides], dtype=float)


def in_order(side: numpy.ndarray, direction: int) -> numpy.ndarray:
    """Whether every price is worse than the one before it and stands behind one."""
    before, after = side[:, :-1], side[:, 1:]
    worse = (before > 0) & ((after - before) * direction > 0)
    return ((after <= 0) | worse).all(axis=1)


def band(symbol: str, pre_close: float) -> tuple:
    """The day's limits, by decimal arithmetic; without end where there are none."""
    if not 0 < pre_close < 1e9:
        return -math.inf, math.inf
    reach = Decimal("0.2") if symbol.startswith(("688", "689", "30")) else Decimal("0.1")
    close, tick = Decimal(repr(round(pre_close, 6))), Decimal("0.01")
    limits = [
        (close * (1 + sign * reach)).quantize(tick, rounding=ROUND_HALF_UP) for sign in (-1, 1)
    ]
    lower, upper = max(min(limits[0], close - tick), tick), max(limits[1], close + tick)
    return float(lower), float(upper)


def against_earlier(frame: pandas.DataFrame, found: pandas.DataFrame) -> None:
    """What each quote breaks against those of its symbol before it, on one day."""
    measures = {}
    is_garbage = found[["fields", "price", "volume"]].any(axis=1).to_numpy()
    has_amount = ~found["amount"].to_numpy()
    for row in frame.itertuples():
        if is_garbage[row.Index]:
            continue
        turnover = (row.volume, row.amount) if has_amount[row.Index] else (0, 0.0)
        last = measures.get(row.symbol)
        if last is None:
            measures[row.symbol] = dict(time=row.time, volume=turnover[0], amount=turnover[1])
            continue
        if row.time < last["time"]:
            found.at[row.Index, "time_back"] = True
            continue
        last["time"] = row.time
        if not has_amount[row.Index]:
            continue
        volume_fell = last["volume"] - row.volume >= 100
        amount_fell = last["amount"] - row.amount >= 1
        if (volume_fell or amount_fell) and row.time[11:] >= "15:05:00":
            found.at[row.Index, "reset"] = True
            continue
        found.at[row.Index, "falling"] = volume_fell or amount_fell
        last["volume"] = row.volume if volume_fell else max(row.volume, last["volume"])
        last["amount"] = row.amount if amount_fell else max(row.amount, last["amount"])


if __name__ == "__main__":
    script.run(main)
