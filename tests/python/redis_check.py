"""Reads streams with redis-py and compares every field of every record with the recorded day.

usage: redis_check.py PORT RECORDED_DAY STREAM FORMAT SHARDS SCHEMA

FORMAT is fields or flatbuffers, SCHEMA the file spot.fbs. With SHARDS, every security must be in the
stream that its hash says, and its records in order; without, all records must be in order.
"""

import collections
import zlib

import redis

import delivery_record
import delivery_stores
import phases
import recorded
import script

FIELDS = (
    "symbol name frame pre_close open high low close vol amount bid bid_vol ask ask_vol timestamp "
    "quality_score source seq phase"
).split()


def main(port: str, day: str, stream: str, form: str, shards: str, schema: str) -> None:
    count = int(shards)
    streams = [f"{stream}:{{{shard}}}" for shard in range(count)] or [stream]
    expected = collections.defaultdict(list)
    for quote in recorded.quotes(day):
        expected[quote.symbol if count else ""].append(quote)
    total = sum(map(len, expected.values()))
    for shard, name in enumerate(streams):
        for symbol, found in records(int(port), name, form, schema):
            assert not count or zlib.crc32(symbol.encode()) % count == shard, (symbol, shard)
            quote = expected[symbol if count else ""].pop(0)
            quote = quote if form == "fields" else as_record(quote)
            if found != quote:
                field = next(f for f in quote._fields if getattr(found, f) != getattr(quote, f))
                recorded.fail_at(symbol, field, getattr(quote, field), getattr(found, field))
    missing = sum(map(len, expected.values()))
    assert missing == 0, f"{missing} of {total} recorded rows are missing"
    print(f"{total} records")


def records(port: int, stream: str, form: str, schema: str):
    """Symbol and values of every record of a stream."""
    if form == "flatbuffers":
        for record in delivery_stores.redis_lists(port, False, [stream], schema):
            yield record.symbol, record
        return
    with redis.Redis(port=port, decode_responses=True) as client:
        last, sequence = "-", 0
        while page := client.xrange(stream, min=last, count=5_000):
            last = "(" + page[-1][0]
            for _, entry in page:
                assert list(entry)[: len(FIELDS)] == FIELDS or "levels" in entry, entry
                assert int(entry["seq"]) > sequence and entry["source"] == "day", entry
                assert entry["phase"] == phases.phase_of(entry["symbol"], entry["frame"]), entry
                assert float(entry["timestamp"]) > 1.6e9 and entry["quality_score"] == "1", entry
                sequence = int(entry["seq"])
                yield entry["symbol"], quote_of(entry)


def quote_of(entry: dict) -> recorded.Quote:
    names = ("pre_close", "open", "high", "low", "close", "amount")
    counts = map(int, entry.get("levels", "5,5,5,5").split(","))
    sides = zip(("bid", "bid_vol", "ask", "ask_vol"), (float, int, float, int), counts)
    book = []
    for name, number, levels in sides:
        values = entry[name].split(",")
        assert len(values) == 5, entry
        book.append([number(value) for value in values[:levels]])
    return recorded.Quote(
        entry["symbol"], entry["frame"], *(float(entry[name]) for name in names),
        int(entry["vol"]), *book,
    )


def as_record(quote: recorded.Quote) -> delivery_record.Record:
    time_us = delivery_record.shanghai_us(quote.time)
    return delivery_record.record(quote.symbol, time_us, quote[2:9], quote[9:])


if __name__ == "__main__":
    script.run(main)
