"""Asserts that a lake has the records 1 to COUNT, each once; their codes count from 600001.

usage: redis_lake.py LAKE COUNT
"""

from pathlib import Path

import pyarrow.parquet

import script


def main(lake: str, count: str) -> None:
    numbers = []
    for path in Path(lake).rglob("*.parquet"):
        table = pyarrow.parquet.ParquetFile(path).read(["code"], use_threads=False)
        numbers += [int(code) - 600_000 for code in table["code"].to_pylist()]
    numbers.sort()
    expected = list(range(1, int(count) + 1))
    if numbers != expected:
        missing = sorted(set(expected) - set(numbers))
        raise SystemExit(f"{len(numbers)} rows of {count}, missing {len(missing)}: {missing[:9]}")
    print(f"{count} records")


if __name__ == "__main__":
    script.run(main)
