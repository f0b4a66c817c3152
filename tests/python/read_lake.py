"""Prints the codes of all rows of a lake in the order of its files, a line each.

usage: read_lake.py LAKE [PATTERN]
"""

import io
from pathlib import Path

import pyarrow.parquet as parquet

import script


def main(lake: str, pattern: str = "*.parquet") -> None:
    for path in sorted(Path(lake).rglob(pattern)):
        # as bytes, because a file that is still being written is opened too
        for code in parquet.read_table(io.BytesIO(path.read_bytes()))["code"].to_pylist():
            print(code)


if __name__ == "__main__":
    script.run(main)
