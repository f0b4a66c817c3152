"""Compares a lake with what the second reader makes of recorded payloads; prints how many agree.

usage: qmt_compare.py LAKE PAYLOADS
"""

import datetime
import io
from pathlib import Path

import pyarrow.parquet as parquet

import qmt_reader
import script

PRICES = ("pre_close", "open", "high", "low", "close")
BOOK = ("bid", "ask", "bid_volume", "ask_volume")


def key(quote: dict) -> tuple:
    return quote["symbol"], quote["time_us"], quote["close"]


def from_lake(row: dict) -> dict:
    moment = row["time"].astimezone(datetime.timezone.utc)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    # the lake has five levels for everybody
    book = {name: [value for value in row[name] if value is not None] for name in BOOK}
    quote = dict({name: row[name] for name in PRICES}, **book)
    quote["symbol"] = row["symbol"]
    quote["time_us"] = (moment - epoch) // datetime.timedelta(microseconds=1)
    quote["amount_cny"], quote["volume_shares"] = row["amount"], row["volume"]
    return quote


def main(lake: str, payloads: str) -> None:
    found = []
    for path in sorted(Path(lake).rglob("*.parquet")):
        found += map(from_lake, parquet.read_table(io.BytesIO(path.read_bytes())).to_pylist())
    expected = []
    for line in Path(payloads).read_bytes().split(b"\n"):
        if line:
            expected += [quote for quote in qmt_reader.read(line) if "refused" not in quote]
    found.sort(key=key)
    expected.sort(key=key)
    assert len(found) == len(expected), (len(found), len(expected))
    for one, other in zip(found, expected):
        assert one == other, "\n%s\n%s" % (one, other)
    print(len(found))


if __name__ == "__main__":
    script.run(main)
