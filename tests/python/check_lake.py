"""Reads a lake with pyarrow and pandas and compares every cell with the recorded day, in order.

usage: check_lake.py LAKE RECORDED_DAY
"""

from pathlib import Path

import pandas
import pyarrow.parquet as parquet

import phases
import recorded
import script


def rows(lake: str):
    """All rows in the order of the files' names."""
    for path in sorted(Path(lake).rglob("*.parquet")):
        yield from parquet.ParquetFile(path).read().to_pylist()


def exchange_time(time) -> str:
    local = time.tz_convert("Asia/Shanghai") if hasattr(time, "tz_convert") else time.astimezone(
        __import__("zoneinfo").ZoneInfo("Asia/Shanghai")
    )
    text = local.strftime("%Y-%m-%d %H:%M:%S")
    return text if local.microsecond == 0 else f"{text}.{local.microsecond:06}"


def present(levels: list) -> list:
    """Levels up to the last one that is there."""
    while levels and levels[-1] is None:
        levels = levels[:-1]
    return levels


def main(lake: str, day: str) -> None:
    index = 0
    expected = recorded.quotes(day)
    for row in rows(lake):
        quote = next(expected, None)
        assert quote is not None, "more rows than were recorded"
        found = recorded.Quote(
            row["symbol"],
            exchange_time(row["time"]),
            *(row[name] for name in quote._fields[2:9]),
            *(present(row[name]) for name in quote._fields[9:]),
        )
        if found != quote:
            field = next(f for f in quote._fields if getattr(found, f) != getattr(quote, f))
            recorded.fail_at(index, field, getattr(quote, field), getattr(found, field))
        assert row["symbol"] == f"{row['code']}.{row['market']}"
        assert row["phase"] == phases.phase_of(quote.symbol, quote.time), row
        assert len(row["bid"]) >= 5 and len(row["ask_volume"]) >= 5
        index += 1
    missing = sum(1 for _ in expected)
    assert missing == 0, f"{missing} recorded rows are missing, {index} are there"

    frame = pandas.read_parquet(lake)
    assert len(frame) == index, f"pandas reads {len(frame)} of {index} rows"
    assert str(frame["time"].dt.tz) == "UTC" and frame["volume"].dtype == "uint64"
    assert {"kind", "date"} <= set(frame.columns), "partitions are columns"

    schema = parquet.ParquetFile(next(Path(lake).rglob("*.parquet"))).schema_arrow
    for name, unit in {"amount": b"CNY", "volume": b"shares", "close": b"CNY"}.items():
        assert unit in b" ".join(schema.field(name).metadata.values()), f"{name} states no unit"
    print(f"{index} rows")


if __name__ == "__main__":
    script.run(main)
