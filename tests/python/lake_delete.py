"""Deletes the rows of a security in some minutes from a lake, as somebody with a script would.

usage: lake_delete.py LAKE SYMBOL FROM TO

FROM and TO are minutes of the day on the exchange's clock, HH:MM, both included. Prints how many rows
that were.
"""

from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as parquet

import script


def main(lake: str, symbol: str, first: str, last: str) -> None:
    deleted = 0
    for path in sorted(Path(lake).rglob("*.parquet")):
        rows = parquet.ParquetFile(path).read()
        minutes = [f"{time + timedelta(hours=8):%H:%M}" for time in rows["time"].to_pylist()]
        is_meant = [
            of == symbol and first <= minute <= last for of, minute in zip(rows["symbol"].to_pylist(), minutes)
        ]
        if any(is_meant):
            deleted += sum(is_meant)
            parquet.write_table(rows.filter([not it for it in is_meant]), path)
    print(deleted)


if __name__ == "__main__":
    script.run(main)
