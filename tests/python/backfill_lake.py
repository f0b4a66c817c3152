"""Looks into lakes that are filled from others.

usage: backfill_lake.py symbols LAKE
       backfill_lake.py same LAKE LAKE SYMBOLS

`symbols` prints the securities of a lake. `same` compares the records of these securities, separated
by commas, value by value, in whatever order they stand, and prints how many each lake has.
"""

import sys
from pathlib import Path

import pyarrow
import pyarrow.compute as compute
import pyarrow.parquet as parquet

import script


def table(lake: str) -> pyarrow.Table:
    files = sorted(Path(lake).rglob("*.parquet"))
    read = (parquet.ParquetFile(file).read() for file in files)
    return pyarrow.concat_tables(read, promote_options="default")


def rows(lake: str, symbols: list, names: list) -> list:
    found = table(lake)
    found = found.filter(compute.is_in(found["symbol"].cast("string"), pyarrow.array(symbols)))
    columns = [found[name].to_pylist() for name in names]
    return sorted(zip(*columns), key=repr)


def main(what: str, lake: str, other: str = "", symbols: str = "") -> None:
    if what == "symbols":
        print(",".join(sorted(set(table(lake)["symbol"].to_pylist()))))
        return
    names = table(lake).schema.names
    assert names == table(other).schema.names, "the columns differ"
    one, two = (rows(it, symbols.split(","), names) for it in (lake, other))
    if one != two:
        place = next((at for at, pair in enumerate(zip(one, two)) if pair[0] != pair[1]), None)
        pair = (one[place], two[place]) if place is not None else "all that both have is equal"
        sys.exit(f"{len(one)} records, and {len(two)}; row {place}: {pair}")
    print(f"{len(one)} records")


if __name__ == "__main__":
    script.run(main)
