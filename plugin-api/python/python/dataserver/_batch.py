"""Batches: what goes from plugin to plugin, and into a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Mapping, Optional, Union

from . import _native, _time
from ._tabular import Tabular

if TYPE_CHECKING:
    from typing import Protocol

    class ArrowTable(Protocol):
        """Anything that gives its columns by the Arrow PyCapsule interface."""

        def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


class Batch(Tabular):
    """Records of one kind, as they are sent.

    :param kind: ``"spot"`` (quotes) or ``"bar"``.
    :param payload: one FlatBuffer, as ``schemas/spot.fbs`` or ``bar.fbs`` describes it. It is verified.
    :raises BadData: when the bytes are no list of that kind.
    """

    __slots__ = ("_count", "_decoded", "kind", "payload")

    #: ``"spot"`` or ``"bar"``.
    kind: str
    #: The bytes, as they are sent.
    payload: bytes

    def __init__(self, kind: str, payload: Union[bytes, bytearray, memoryview]) -> None:
        self.kind = kind
        self.payload = payload if isinstance(payload, bytes) else bytes(payload)
        self._count = _native.check(kind, self.payload)
        self._decoded: Optional[_native.Frame] = None

    @classmethod
    def of(cls, kind: str, rows: Union["ArrowTable", Iterable[Mapping[str, Any]]]) -> "Batch":
        """The batch of rows: a DataFrame of pandas or polars, a table of pyarrow or whatever else knows
        the Arrow PyCapsule interface, or dicts.

        The columns are those of :func:`dataserver.columns`. ``market``, ``code`` and ``phase`` follow from
        others and are passed over; ``name``, ``recv_time``, the sides of the book, ``source``,
        ``quality_score`` and ``closed`` (true unless given) may be left out.

        :raises BadData: a ValueError that names the column that is missing, unknown, of another type, or
            holds what cannot be sent, and the remedy.
        """
        payload = _native.encode_table(kind, rows)
        if payload is None:
            payload = _native.encode_rows(kind, rows, _time.microseconds)
        return cls(kind, payload)

    @property
    def _frame(self) -> "_native.Frame":
        if self._decoded is None:
            self._decoded = _native.decode(self.kind, self.payload)
        return self._decoded

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<dataserver.Batch of {len(self)} {self.kind}s>"
