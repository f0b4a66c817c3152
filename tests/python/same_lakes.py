"""Compares two lakes row by row, with every column, in the order of their files.

usage: same_lakes.py LAKE LAKE

Prints how many rows each has.
"""

from pathlib import Path

import pyarrow
import pyarrow.parquet as parquet

import script


def table(lake: str) -> pyarrow.Table:
    files = sorted(Path(lake).rglob("*.parquet"))
    return pyarrow.concat_tables(parquet.ParquetFile(file).read() for file in files)


def main(first: str, second: str) -> None:
    one, other = table(first), table(second)
    assert one.schema.names == other.schema.names, f"{one.schema} is not {other.schema}"
    assert one.num_rows == other.num_rows, f"{one.num_rows} rows, and {other.num_rows}"
    for name in one.schema.names:
        left, right = one[name].to_pylist(), other[name].to_pylist()
        if left != right:
            row = next(row for row in range(one.num_rows) if left[row] != right[row])
            raise SystemExit(f"row {row}: {name} is {left[row]!r}, and {right[row]!r}")
    print(f"{one.num_rows} rows")


if __name__ == "__main__":
    script.run(main)
