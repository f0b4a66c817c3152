"""Writes every kind of record of a lake to a CSV file, with one of the tools that people use.

usage: lake_csv.py pyarrow|pandas|pandas-arrow|polars|duckdb LAKE FOLDER

Writes FOLDER/spot.csv and FOLDER/bar.csv. pyarrow and polars have no lists in CSV: what their users
make of them instead is a column for each level, and items joined by commas.
"""

from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet as parquet

import script


def with_pyarrow(files: list[str], out: Path) -> None:
    table = pyarrow.concat_tables(parquet.ParquetFile(file).read() for file in files)
    columns = {}
    for name in table.schema.names:
        column = table[name]
        if pyarrow.types.is_list(column.type):
            for level in range(5):
                columns[f"{name}{level + 1}"] = pyarrow.compute.list_element(column, level)
        elif name == "symbol":
            columns[name] = column.dictionary_encode()
        else:
            columns[name] = column
    pyarrow.csv.write_csv(pyarrow.table(columns), out)


def with_pandas(files: list[str], out: Path, backend: dict[str, str]) -> None:
    frames = [pandas.read_parquet(file, partitioning=None, **backend) for file in files]
    pandas.concat(frames).to_csv(out, index=False)


def with_polars(files: list[str], out: Path) -> None:
    frame = polars.concat(polars.read_parquet(file, hive_partitioning=False) for file in files)
    item = polars.element().cast(polars.String).fill_null("")
    lists = polars.selectors.list()
    frame = frame.with_columns(
        lists.list.eval(item).list.join(","), polars.col("symbol").cast(polars.Categorical)
    )
    frame.write_csv(out)


def with_duckdb(files: list[str], out: Path) -> None:
    source = f"read_parquet({files!r}, hive_partitioning = false)"
    # a session's zone, as it is on the machines of those who trade there
    duckdb.sql("SET TimeZone = 'Asia/Shanghai'")
    duckdb.sql(f"COPY (FROM {source}) TO '{out}' (HEADER)")


WRITERS = {
    "pyarrow": with_pyarrow,
    "pandas": lambda files, out: with_pandas(files, out, {}),
    "pandas-arrow": lambda files, out: with_pandas(files, out, {"dtype_backend": "pyarrow"}),
    "polars": with_polars,
    "duckdb": with_duckdb,
}


def main(tool: str, lake: str, folder: str) -> None:
    Path(folder).mkdir(parents=True)
    for kind in ["spot", "bar"]:
        files = sorted(str(path) for path in Path(lake).glob(f"**/kind={kind}/**/*.parquet"))
        WRITERS[tool](files, Path(folder) / f"{kind}.csv")


if __name__ == "__main__":
    script.run(main)
