"""Prints the seconds that pyarrow takes to write a lake's table again, best of five.

usage: bench_lake.py LAKE
"""

import os
import time
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet

import script


def main(lake: str) -> None:
    files = sorted(Path(lake).rglob("*.parquet"))
    table = arrow.concat_tables([parquet.ParquetFile(path).read() for path in files])
    target = Path(lake, "..", "pyarrow.parquet")
    times = []
    for _ in range(5):
        started = time.perf_counter()
        with open(target, "wb") as file:
            parquet.write_table(table, file, compression="zstd", compression_level=1, row_group_size=100_000)
            file.flush()
            os.fsync(file.fileno())
        times.append(time.perf_counter() - started)
    print(min(times))


if __name__ == "__main__":
    script.run(main)
