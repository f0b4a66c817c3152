"""Batches as plugins are given them, and make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Tuple

from . import _wire

if TYPE_CHECKING:
    from dataserver import Batch as Records

_KINDS = ("spot", "bar")
_FIRST, _LAST, _LASTING = 1, 2, 4


class Batch:
    """Records of one kind, with their place in a round and where they come from.

    ``batch.records()`` gives dicts, ``to_pandas()``, ``to_polars()`` and ``to_arrow()`` tables, with the
    columns of every store: prices in CNY, volumes in shares, times in the exchange's zone.
    """

    __slots__ = (
        "kind",
        "payload",
        "first",
        "last",
        "source",
        "epoch",
        "sequence",
        "part",
        "received_at_us",
        "delivery",
        "lasting_delivery",
        "_count",
        "_records",
    )

    #: ``"spot"`` or ``"bar"``.
    kind: str
    #: The records as they are sent: one FlatBuffer.
    payload: bytes
    #: Whether it opens a round, a pass over all securities of its source.
    first: bool
    #: Whether it closes a round.
    last: bool
    #: Id of the source component.
    source: str
    #: With ``sequence`` and ``part`` the place in the counting of the source; 0 before it has one.
    epoch: int
    #: See ``epoch``.
    sequence: int
    #: See ``epoch``.
    part: int
    #: When the host took it in, microseconds since 1970 UTC.
    received_at_us: int
    #: Number under which a sink is offered it, the same in every repeat; 0 elsewhere.
    delivery: int
    #: The same if it grows over restarts of the host, else 0: for sinks that remember it that long.
    lasting_delivery: int

    def __init__(self, kind: str, payload: bytes, first: bool = False, last: bool = False) -> None:
        if kind not in _KINDS:
            raise ValueError(f"there are no batches of {kind!r}; use 'spot' or 'bar'")
        self.kind, self.payload, self.first, self.last = kind, payload, first, last
        self.source = ""
        self.epoch = self.sequence = self.part = self.received_at_us = 0
        self.delivery = self.lasting_delivery = 0
        self._count: Optional[int] = None
        self._records: Optional["Records"] = None

    @classmethod
    def of(cls, kind: str, rows: Any, first: bool = False, last: bool = False) -> "Batch":
        """The batch of a DataFrame of pandas or polars, an Arrow table, or an iterable of dicts.

        :raises ValueError: names the column that is missing or of another type, and the remedy.
        """
        from dataserver import Batch as Records

        records = Records.of(kind, rows)
        batch = cls(kind, records.payload, first, last)
        batch._records, batch._count = records, len(records)
        return batch

    def with_rows(self, rows: Any) -> "Batch":
        """Other records of the same kind, at the same place of the round and from the same source.

        :raises ValueError: as :meth:`of`.
        """
        batch = self._rows(rows)
        batch.first, batch.last = self.first, self.last
        return batch

    def numbered(self, epoch: int, sequence: int, part: int = 0) -> "Batch":
        """Numbers the batch, so that one that a source gives again after a restart is recognised.

        Within one ``epoch`` pairs of ``sequence`` (from 1) and ``part`` only grow.
        """
        self.epoch, self.sequence, self.part = epoch, sequence, part
        return self

    def _rows(self, rows: Any) -> "Batch":
        return type(self).of(self.kind, rows)._from(self)

    def _from(self, other: "Batch") -> "Batch":
        self.source, self.received_at_us = other.source, other.received_at_us
        return self.numbered(other.epoch, other.sequence, other.part)

    def _opened(self) -> "Records":
        if self._records is None:
            from dataserver import Batch as Records

            self._records = Records(self.kind, self.payload)
        return self._records

    def __len__(self) -> int:
        if self._count is None:
            self._count = len(self._opened())
        return self._count

    def records(self) -> Any:
        """The records as dicts."""
        return self._opened().records()

    def to_pandas(self) -> Any:
        """The records as a DataFrame of pandas."""
        return self._opened().to_pandas()

    def to_polars(self) -> Any:
        """The records as a DataFrame of polars."""
        return self._opened().to_polars()

    def to_arrow(self) -> Any:
        """The records as an Arrow table."""
        return self._opened().to_arrow()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._opened().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"<Batch of {self.kind}s from {self.source!r}, {len(self.payload)} bytes>"


def read(channel: _wire.Channel, body: bytes, at: int) -> Tuple[Batch, int]:
    """A batch that the host gives, and where the rest of the body begins."""
    head = _wire.BATCH.unpack_from(body, at)
    kind, flags, place, source, records, delivery, epoch, sequence, part, received, offset, length, _ = head
    at += _wire.BATCH.size
    end = at + source
    payload, rest = channel.payload(body, end, place, length, offset)
    batch = Batch(_KINDS[kind], payload, bool(flags & _FIRST), bool(flags & _LAST))
    batch.source = body[at:end].decode("utf-8", "replace")
    batch.epoch, batch.sequence, batch.part, batch.received_at_us = epoch, sequence, part, received
    batch.delivery = delivery
    batch.lasting_delivery = delivery if flags & _LASTING else 0
    batch._count = records
    return batch, rest


def write(channel: _wire.Channel, batch: Batch, unchanged: bool = False) -> bytes:
    """A batch that the plugin made, as a body."""
    payload, place, offset = batch.payload, _wire.INLINE, 0
    if unchanged:
        payload, place = b"", _wire.UNCHANGED
    elif len(payload) > _wire.MAX_INLINE:
        place, offset = _wire.SHARED, channel.share(payload)
    return _head(batch.kind, batch, place, offset, len(payload)) + (
        payload if place == _wire.INLINE else b""
    )


def nothing(batch: Batch) -> bytes:
    """A batch without records that has the marks of that one, as a body."""
    return _head(batch.kind, batch, _wire.NOTHING, 0, 0)


def _head(kind: str, batch: Batch, place: int, offset: int, length: int) -> bytes:
    source = batch.source.encode()[:255]
    flags = _FIRST * batch.first | _LAST * batch.last
    return (
        _wire.BATCH.pack(
            _KINDS.index(kind),
            flags,
            place,
            len(source),
            0,
            0,
            batch.epoch,
            batch.sequence,
            batch.part,
            batch.received_at_us,
            offset,
            length,
            0,
        )
        + source
    )
