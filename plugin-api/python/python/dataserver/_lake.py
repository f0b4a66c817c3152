"""The lake: a folder of Parquet files."""

from __future__ import annotations

import json
import os
from datetime import date, datetime
from typing import Iterable, List, Optional, Union

from . import _log, _native
from ._errors import LakeError, OptionError
from ._tabular import Table
from ._time import text_of

Moment = Union[str, date, datetime]


class Lake:
    """A folder that the sink ``parquet`` writes, also while it does.

    Only files of the days that are asked for are opened, and only the columns that are asked for are
    unpacked. Rows come in the order of writing, earlier days first. All that is found is held in memory.
    """

    __slots__ = ("path",)

    #: The folder.
    path: str

    def __init__(self, path: Union[str, "os.PathLike[str]"]) -> None:
        self.path = os.fspath(path)

    def spots(
        self,
        day_from: Moment,
        day_to: Optional[Moment] = None,
        *,
        symbols: Union[str, Iterable[str], None] = None,
        columns: Optional[Iterable[str]] = None,
        unreadable: str = "raise",
    ) -> Table:
        """Quotes of a day, or from one to another, both included.

        :param day_from: ``"2026-11-27"``, or a time of the exchange such as ``"2026-11-27 09:30:00"``.
        :param day_to: as ``day_from``, which it is unless given.
        :param symbols: securities, as ``600000.SH``; all by default.
        :param columns: names of columns, in the order wanted; all by default.
        :param unreadable: what becomes of a file that is damaged or none of the lake's: ``"raise"``, or
            ``"skip"`` for a warning in the log.
        :raises OptionError: for a day, a security or a column that there is not.
        :raises LakeError: for a file that cannot be read.
        """
        return self._read("spot", None, day_from, day_to, symbols, columns, unreadable)

    def bars(
        self,
        day_from: Moment,
        day_to: Optional[Moment] = None,
        *,
        period: str = "1m",
        symbols: Union[str, Iterable[str], None] = None,
        columns: Optional[Iterable[str]] = None,
        unreadable: str = "raise",
    ) -> Table:
        """Bars of one period, of a day or from one to another, by the times of their ends.

        :param period: ``"1m"``, ``"5m"``, … ``"day"``. The other arguments are those of :meth:`spots`.
        """
        return self._read("bar", period, day_from, day_to, symbols, columns, unreadable)

    def __repr__(self) -> str:
        return f"<dataserver.Lake at {self.path}>"

    def _read(
        self,
        kind: str,
        period: Optional[str],
        day_from: Moment,
        day_to: Optional[Moment],
        symbols: Union[str, Iterable[str], None],
        columns: Optional[Iterable[str]],
        unreadable: str,
    ) -> Table:
        if unreadable not in ("raise", "skip"):
            raise OptionError(f'unreadable is {unreadable!r}; use "raise" or "skip"')
        names: List[str] = [] if symbols is None else [symbols] if isinstance(symbols, str) else list(symbols)
        if symbols is not None and not names:
            raise OptionError("symbols is empty; name some, or leave it out for all")
        ask = {
            "symbols": names,
            "from": text_of(day_from, "00:00:00"),
            "to": text_of(day_from if day_to is None else day_to, "23:59:59.999999"),
            "kind": kind,
            "period": period,
        }
        chosen = None if columns is None else list(columns)
        rows, refused = _native.scan(self.path, json.dumps(ask), chosen)
        if refused and unreadable == "raise":
            more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
            raise LakeError(f'{refused[0]}{more}, or read with unreadable="skip"')
        for fault in refused:
            _log.LOGGER.warning("%s", fault)
        return Table(rows)


def lake(path: Union[str, "os.PathLike[str]"]) -> Lake:
    """The lake in that folder."""
    return Lake(path)
