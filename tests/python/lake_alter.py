"""Multiplies a column of a security's bars in a lake, as damage or somebody with a script would.

usage: lake_alter.py LAKE SYMBOL PERIOD COLUMN FACTOR
"""

from pathlib import Path

import pyarrow
import pyarrow.parquet as parquet

import script


def main(lake: str, symbol: str, period: str, column: str, factor: str) -> None:
    altered = 0
    for path in sorted(Path(lake).rglob("*.parquet")):
        rows = parquet.ParquetFile(path).read()
        is_meant = [
            of == symbol and each == period
            for of, each in zip(rows["symbol"].to_pylist(), rows["period"].to_pylist())
        ]
        if not any(is_meant):
            continue
        place, field = rows.schema.get_field_index(column), rows.schema.field(column)
        kind = float if pyarrow.types.is_floating(field.type) else int
        values = [
            kind(value * float(factor)) if meant else value
            for value, meant in zip(rows[column].to_pylist(), is_meant)
        ]
        altered += sum(is_meant)
        parquet.write_table(rows.set_column(place, field, [pyarrow.array(values, field.type)]), path)
    assert altered, f"no bar of {period} of {symbol}"


if __name__ == "__main__":
    script.run(main)
