"""Prints what a client must hold after a recorded day, computed from the file itself.

usage: expected.py RECORDED_DAY

One line of JSON: bars and ticks by security, in Hikyuu's units: amounts in 10,000 CNY, volumes of
days and sizes of quotes in lots of 100 shares, volumes of minutes in shares.
"""

import json
import sys
from itertools import groupby

import recorded

GAPS = {"MIN": 1, "MIN5": 5, "MIN15": 15, "MIN30": 30, "MIN60": 60, "HOUR2": 120}


def second_of_day(quote) -> int:
    hour, minute, second = quote.time[11:19].split(":")
    assert len(quote.time) == 19, "the recorded days have no fractions"
    return int(hour) * 3600 + int(minute) * 60 + int(second)


def is_in_session(quote) -> bool:
    second = second_of_day(quote)
    return 34_200 <= second <= 41_430 or 46_800 <= second <= 54_030


def end_of_bar(quote, minutes: int) -> str:
    end = (second_of_day(quote) // 60 // minutes + 1) * minutes
    if end > 15 * 60:
        end = 15 * 60
    elif 11 * 60 + 30 < end < 13 * 60:
        end = 11 * 60 + 30
    return f"{quote.time[:10]} {end // 60:02}:{end % 60:02}:00"


def bars_of(quotes: list) -> dict:
    quotes = [quote for quote in quotes if is_in_session(quote) and quote.close > 0]
    last = quotes[-1]
    high, low = max(quote.high for quote in quotes), min(quote.low for quote in quotes)
    day = [last.time[:10] + " 00:00:00", quotes[0].open, high, low, last.close]
    bars = {"DAY": [[*day, last.amount / 10_000, last.volume / 100]]}
    for ktype, minutes in GAPS.items():
        rows, amount, volume = [], 0.0, 0
        for end, group in groupby(quotes, lambda quote: end_of_bar(quote, minutes)):
            group = list(group)
            prices = [quote.close for quote in group]
            latest = group[-1]
            traded = [(latest.amount - amount) / 10_000, latest.volume - volume]
            rows.append([end, prices[0], max(prices), min(prices), prices[-1], *traded])
            amount, volume = latest.amount, latest.volume
        bars[ktype] = rows
    return bars


def tick_of(quote) -> list:
    prices = [quote.pre_close, quote.open, quote.high, quote.low, quote.close]
    lots = [[size / 100 for size in side] for side in (quote.bid_volume, quote.ask_volume)]
    code, market = quote.symbol.split(".")
    traded = [quote.amount / 10_000, quote.volume / 100]
    return [market, code, quote.time, *prices, *traded, quote.bid, lots[0], quote.ask, lots[1]]


by_symbol = {}
for quote in recorded.quotes(sys.argv[1]):
    code, market = quote.symbol.split(".")
    by_symbol.setdefault(market + code, []).append(quote)
bars = {symbol: bars_of(quotes) for symbol, quotes in by_symbol.items()}
ticks = {symbol: [tick_of(quote) for quote in quotes] for symbol, quotes in by_symbol.items()}
print(json.dumps({"bars": bars, "ticks": ticks}))
