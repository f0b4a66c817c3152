"""Prints symbol and volume of every row of a lake, in the order of its files.

usage: qmt_lake.py LAKE
"""

import io
import sys
from pathlib import Path

import pyarrow.parquet as parquet

import script


def main(lake: str) -> None:
    for path in sorted(Path(lake).rglob("*.parquet")):
        table = parquet.read_table(io.BytesIO(path.read_bytes()), columns=["symbol", "volume"])
        rows = zip(table["symbol"].to_pylist(), table["volume"].to_pylist())
        sys.stdout.writelines("%s %d\n" % row for row in rows)


if __name__ == "__main__":
    script.run(main)
