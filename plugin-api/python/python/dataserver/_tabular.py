"""Rows that pandas, polars, pyarrow and DuckDB take without a copy."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Dict, List

from . import _native, _time

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


class Tabular:
    """Rows with columns, by the Arrow PyCapsule interface.

    Whatever knows that interface takes them as they are: ``pyarrow.table(rows)``,
    ``polars.DataFrame(rows)``, ``duckdb.sql("SELECT … FROM rows")``.
    """

    __slots__ = ()

    @property
    def _frame(self) -> "_native.Frame":
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._frame)

    @property
    def columns(self) -> List[str]:
        """Names of the columns."""
        return self._frame.columns

    def records(self) -> List[Dict[str, Any]]:
        """The rows as dicts. Times are datetimes with the exchange's zone, the sides of the book lists of
        the levels that there are; what is not known is None."""
        return self._frame.records(_time.moment)

    def to_arrow(self) -> "pyarrow.Table":
        """The rows as a table of pyarrow, without a copy.

        :raises ImportError: without pyarrow 14 or newer.
        """
        return _need("pyarrow", "to_arrow()").table(self)

    def to_pandas(self) -> "pandas.DataFrame":
        """The rows as a DataFrame of pandas.

        Numbers are NumPy's, ``time`` is a datetime64 with the exchange's zone, texts and the sides of the
        book stay in Arrow's memory (``pandas.ArrowDtype``), as Python objects would take longer than all
        the rest.

        :raises ImportError: without pandas 2.2 and pyarrow 14 or newer.
        """
        pandas, pyarrow = _need("pandas", "to_pandas()"), _need("pyarrow", "to_pandas()")
        types = pyarrow.types

        def in_arrow(kind: "pyarrow.DataType") -> Any:
            stays = types.is_string(kind) or types.is_list(kind)
            return pandas.ArrowDtype(kind) if stays else None

        table = pyarrow.table(self)
        return table.to_pandas(types_mapper=in_arrow, split_blocks=True, use_threads=False)

    def to_polars(self) -> "polars.DataFrame":
        """The rows as a DataFrame of polars, without a copy.

        :raises ImportError: without polars 1.3 or newer.
        """
        return _need("polars", "to_polars()").DataFrame(self)

    def __arrow_c_schema__(self) -> object:
        return self._frame.__arrow_c_schema__()

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_array__(requested_schema)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


class Table(Tabular):
    """Rows that were read of a store."""

    __slots__ = ("_rows",)

    def __init__(self, rows: "_native.Frame") -> None:
        self._rows = rows

    @property
    def _frame(self) -> "_native.Frame":
        return self._rows

    def __repr__(self) -> str:
        return f"<dataserver.Table of {len(self)} rows: {', '.join(self.columns)}>"


def _need(module: str, wanted_by: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        text = f"{wanted_by} needs {module}, which is not installed; pip install {module}"
        raise ImportError(text, name=module) from error
