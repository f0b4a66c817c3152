"""Reads a ledger with sqlite3 and compares it with the recorded day, security by security and minute by minute.

usage: check_ledger.py LEDGER RECORDED_DAY
"""

import collections
import datetime
import sqlite3
import struct
import zlib

import pyarrow

import recorded
import script

EPOCH = datetime.date(1970, 1, 1)


def columns(value: bytes) -> list:
    """The columns of a row of cells, as the page about the ledger describes them."""
    checksum, size = struct.unpack("<II", value[:8])
    assert zlib.crc32(value[4:]) == checksum, "the checksum differs"
    content = pyarrow.decompress(value[8:], decompressed_size=size, codec="zstd", asbytes=True)
    found = []
    while content:
        (length,) = struct.unpack("<I", content[:4])
        found.append(content[4 : 4 + length])
        content = content[4 + length :]
    return found


def main(ledger: str, day: str) -> None:
    counts, last, volumes, dates = collections.Counter(), {}, {}, set()
    for quote in recorded.quotes(day):
        hour, minute, second = (int(float(part)) for part in quote.time[11:].split(":"))
        key = (quote.symbol, hour * 60 + minute)
        counts[key] += 1
        last[key] = max(second, last.get(key, 0))
        if hour * 60 + minute < 15 * 60 + 5:
            volumes[quote.symbol] = max(quote.volume, volumes.get(quote.symbol, 0))
        dates.add(quote.time[:10])
    (date,) = dates

    db = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    (number, records) = db.execute("SELECT day, records FROM days WHERE date = ?", (date,)).fetchone()
    assert EPOCH + datetime.timedelta(days=number) == datetime.date.fromisoformat(date)
    names = dict(db.execute("SELECT id, name FROM securities"))
    found, seconds = {}, {}
    for minute, value in db.execute("SELECT minute, cells FROM spots WHERE day = ?", (number,)):
        low, high, _, latest = columns(value)[:4]
        for security, (few, many) in enumerate(zip(low, high)):
            if few + 256 * many:
                found[names[security], minute] = few + 256 * many
                seconds[names[security], minute] = latest[security]
    assert records == sum(counts.values()), f"{records} of {sum(counts.values())} records"
    assert found == counts, set(found.items()) ^ set(counts.items())
    assert seconds == last, set(seconds.items()) ^ set(last.items())
    totals = db.execute("SELECT security, volume FROM totals WHERE day = ?", (number,))
    assert {names[security]: volume for security, volume in totals} == volumes
    print(f"{records} records")


if __name__ == "__main__":
    script.run(main)
