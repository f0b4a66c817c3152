"""Asks a Hikyuu data server for everything of a recorded day and compares it with the recording.

usage: hikyuu_check.py ADDRESS RECORDED_DAY

What is still on its way to the server is waited for.
Ticks must be the recorded quotes, bars those that pandas computes of them; both in Hikyuu's units:
10,000 CNY, and lots except for the volume of bars within a day, which is in shares. Prints how many
ticks and bars there were.
"""

import time

import msgpack
import pandas
import pynng

import bars_check
import recorded
import script

KTYPES = {
    "1m": "MIN", "3m": "MIN3", "5m": "MIN5", "15m": "MIN15", "30m": "MIN30", "60m": "MIN60",
    "2h": "HOUR2", "4h": "HOUR4", "6h": "HOUR6", "12h": "HOUR12",
    "day": "DAY", "week": "WEEK", "month": "MONTH", "quarter": "QUARTER", "halfyear": "HALFYEAR", "year": "YEAR",
}  # fmt: skip
EVER = "1400-01-01 00:00:00"
PATIENCE = 60.0


class Client:
    def __init__(self, address: str):
        self.socket = pynng.Req0(dial=address, block_on_dial=True, recv_timeout=60_000, send_timeout=60_000)

    def data(self, **request) -> list:
        self.socket.send(msgpack.packb(request))
        answer = msgpack.unpackb(self.socket.recv())
        assert answer["ret"] == 0, answer
        return answer["data"]


def row(quote: recorded.Quote) -> list:
    """A tick as the original sends it."""
    lots = [[size / 100 for size in side] for side in (quote.bid_volume, quote.ask_volume)]
    prices = [quote.pre_close, quote.open, quote.high, quote.low, quote.close]
    return [
        quote.time, *prices, quote.amount / 10_000, quote.volume / 100,
        quote.bid, lots[0], quote.ask, lots[1],
    ]  # fmt: skip


def check_ticks(client: Client, day: str) -> int:
    """In order of time; of quotes that are the same in everything one is kept."""
    by_symbol = {}
    for quote in recorded.quotes(day):
        rows = by_symbol.setdefault(quote.symbol, {})
        tick = row(quote)
        rows.setdefault(msgpack.packb(tick), tick)
    ticks = 0
    for symbol, rows in by_symbol.items():
        code, market = symbol.split(".")
        rows = sorted(rows.values(), key=lambda tick: tick[0])
        found = client.data(cmd="tick", market=market, code=code, datetime=EVER)
        for index, (expected, got) in enumerate(zip(rows, found)):
            assert expected == got, f"{symbol} {index}: {expected} came as {got}"
        assert len(found) == len(rows), f"{symbol}: {len(found)} ticks of {len(rows)}"
        half = rows[len(rows) // 2][0]
        since = client.data(cmd="tick", market=market, code=code, datetime=half)
        assert since == [tick for tick in found if tick[0] >= half], symbol
        ticks += len(rows)
    return ticks


def check_bars(client: Client, day: str, ktypes: dict = KTYPES) -> int:
    quotes, _ = bars_check.session_quotes(day)
    symbols = sorted(quotes["symbol"].unique())
    names = {market + code: f"{code}.{market}" for code, market in (symbol.split(".") for symbol in symbols)}
    bars = 0
    for period, ktype in ktypes.items():
        is_within_day = period in bars_check.MINUTES
        if is_within_day:
            expected = bars_check.within_day(quotes, bars_check.MINUTES[period])
        else:
            expected = bars_check.of_days(quotes, bars_check.LAST_DAY[period])
        expected["amount"] /= 10_000
        expected["volume"] /= 1 if is_within_day else 100
        data = client.data(cmd="market", ktype=ktype, codes=list(names), dates=[EVER] * len(names))
        rows = [
            (names[one["code"]], pandas.Timestamp(bar[0]), *bar[1:]) for one in data for bar in one["data"]
        ]
        found = pandas.DataFrame(rows, columns=["symbol", "end", *bars_check.VALUES])
        found = found.set_index(["symbol", "end"])
        for symbol, group in found.groupby("symbol"):
            assert group.index.is_monotonic_increasing, f"{ktype} {symbol}: not ascending"
        pandas.testing.assert_frame_equal(
            found.sort_index(), expected[bars_check.VALUES].astype(float), check_exact=True, obj=ktype
        )
        bars += len(found)
    return bars


def main(address: str, day: str) -> None:
    client = Client(address)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            ticks, bars = check_ticks(client, day), check_bars(client, day)
            break
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    print(f"{ticks} ticks, {bars} bars")


if __name__ == "__main__":
    script.run(main)
