"""Reads a table of quotes and compares every cell with the recorded day, in order.

usage: clickhouse_check.py URL TABLE RECORDED_DAY
"""

import json
import urllib.request
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import phases
import recorded
import script

NUMBERS = ("pre_close", "open", "high", "low", "close", "amount", "volume")
BOOK = ("bid", "bid_volume", "ask", "ask_volume")
REST = ("market", "code", "source", "sequence", "quality_score", "phase")


def ask(url: str, sql: str) -> list:
    """Rows of texts."""
    with urllib.request.urlopen(url, data=f"{sql} FORMAT TabSeparated".encode()) as answer:
        return [line.split("\t") for line in answer.read().decode().splitlines()]


def exchange_time(time_us: str) -> str:
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=int(time_us))
    text = moment.astimezone(ZoneInfo("Asia/Shanghai")).strftime("%Y-%m-%d %H:%M:%S")
    return text if moment.microsecond == 0 else f"{text}.{moment.microsecond:06}"


def main(url: str, table: str, day: str) -> None:
    name = table.split(".")[-1]
    sql = f"SELECT name FROM system.columns WHERE table = '{name}'"
    has_column = ["time_us"] in ask(url, sql)
    micros = "time_us" if has_column else "toUnixTimestamp64Micro(time)"
    columns = ", ".join(("symbol", micros, *NUMBERS, *BOOK, *REST, "toString(time)"))
    index = 0
    expected = recorded.quotes(day)
    for cells in ask(url, f"SELECT {columns} FROM {table} FINAL ORDER BY sequence"):
        quote = next(expected, None)
        assert quote is not None, "more rows than were recorded"
        numbers, book, rest = cells[2:9], cells[9:13], cells[13:]
        found = recorded.Quote(
            cells[0],
            exchange_time(cells[1]),
            *(float(number) for number in numbers[:6]),
            int(numbers[6]),
            *(json.loads(side) for side in book),
        )
        if found != quote:
            field = next(f for f in quote._fields if getattr(found, f) != getattr(quote, f))
            recorded.fail_at(index, field, getattr(quote, field), getattr(found, field))
        index += 1
        code, market = quote.symbol.split(".")
        phase = phases.phase_of(quote.symbol, quote.time)
        assert rest[:6] == [market, code, "day", str(index), "\\N", phase], rest
        assert rest[6][:19] == quote.time[:19], f"{rest[6]} is not shown on the exchange's clock"
    missing = sum(1 for _ in expected)
    assert missing == 0, f"{missing} recorded rows are missing, {index} are there"
    print(f"{index} rows")


if __name__ == "__main__":
    script.run(main)
