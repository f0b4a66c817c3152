"""What a plugin can be: the classes to write it with, and what the host lends."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any, Dict, List, Optional

from . import _wire
from ._batch import Batch
from ._errors import ConfigError


class _Answer:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


#: What was written, and everything before it, is where it should be and survives a crash.
DELIVERED = _Answer("DELIVERED")
#: What was written is taken, but not safe yet; a later DELIVERED or ``flush`` covers it.
HELD = _Answer("HELD")
#: The source has nothing any more, ever.
END = _Answer("END")


class Context:
    """What the host lends to a component."""

    def __init__(self, channel: _wire.Channel, about: Dict[str, Any]) -> None:
        self._channel = channel
        #: Id of the component in pipeline.toml.
        self.instance: str = about["instance"]
        #: Folder of pipeline.toml.
        self.base_dir = Path(about["base_dir"])
        self._state_dir = about["state_dir"]

    @property
    def state_dir(self) -> Path:
        """A folder for this component alone that outlives restarts; made when first used."""
        if not self._state_dir:
            raise ConfigError("the component has no folder for its state")
        os.makedirs(self._state_dir, exist_ok=True)
        return Path(self._state_dir)

    @property
    def is_stopping(self) -> bool:
        """Whether the host wants the component to end; long work should stop then."""
        self._channel.look()
        return self._channel.is_stopping

    def error(self, message: str) -> None:
        """Logs that data was lost or the component stopped."""
        self._log(0, message)

    def warn(self, message: str) -> None:
        """Logs a fault that was recovered from."""
        self._log(1, message)

    def info(self, message: str) -> None:
        """Logs a step of the life cycle."""
        self._log(2, message)

    def debug(self, message: str) -> None:
        """Logs what only the plugin's author wants to know."""
        self._log(3, message)

    def _log(self, level: int, message: str) -> None:
        self._channel.send(_wire.LOG, bytes([level]), str(message).encode("utf-8", "replace"))

    def dropped(self, reason: str, records: int) -> None:
        """Counts records that the plugin dropped, by the rule that dropped them."""
        self._channel.send(_wire.DROPPED, *_wire.numbered(records, reason))

    def count(self, metric: str, by: int = 1) -> None:
        """Adds to the counter ``dataserver_<metric>`` of this component; once a batch, not a record."""
        self._channel.send(_wire.COUNT, *_wire.numbered(by, metric))

    def gauge(self, metric: str, value: float) -> None:
        """Sets the gauge ``dataserver_<metric>`` of this component."""
        self._channel.send(_wire.GAUGE, struct.pack("<d", value), metric.encode())

    def expect_records(self, within: Optional[float]) -> None:
        """Says how long, in seconds, a source may be silent from now on; None when silence is normal."""
        micros = (1 << 64) - 1 if within is None else int(within * 1_000_000)
        self._channel.send(_wire.EXPECT, struct.pack("<Q", micros))

    def dead_letter(self, reason: str, payload: bytes) -> None:
        """Sets data aside that cannot be used, with the reason."""
        self._channel.send_blob(_wire.DEAD_LETTER, reason, payload)


class Role:
    """What sources, transforms and sinks have in common."""

    #: A dataclass of what may stand in the component's table, or None. The comments ``#:`` of its
    #: fields are shown by ``dataserver plugins show``.
    Options: Optional[type] = None

    #: The options of the component.
    options: Any
    #: What the host lends.
    context: Context

    @classmethod
    def check(cls, options: Any, context: Context) -> None:
        """Tells whether the component could start, without starting it or changing anything.

        Asked by ``dataserver check``, also while a host with the same pipeline runs.
        """

    @classmethod
    def command(cls, options: Any, context: Context, request: Dict[str, Any]) -> Any:
        """Answers a question of the operator, without starting the component."""
        raise ConfigError(f"this plugin has no command {request.get('command')!r}")

    def open(self) -> None:
        """Starts: ``self.options`` and ``self.context`` are there."""

    def export_state(self) -> Optional[bytes]:
        """Gives what a successor needs to go on here, after a change of options or of the file."""
        return None

    def import_state(self, state: bytes) -> None:
        """Goes on where the instance before was; called right after ``open``."""
        raise ConfigError("the plugin cannot go on with the state of an earlier instance")

    def readers(self) -> Optional[List[Dict[str, Any]]]:
        """Who reads what the component delivers; None when that is never known."""
        return None

    def act(self, reader: str, action: Dict[str, Any], preview: bool) -> Dict[str, Any]:
        """Does something with a reader; gives an object with ``before`` and ``after``."""
        raise ConfigError(f'there is no reader "{reader}"; list them again')


class Source(Role):
    """Brings records in."""

    def next(self, wait: float) -> Any:
        """Gives the next batch, waiting at most ``wait`` seconds for it: a :class:`Batch`, None when
        nothing came, or END when nothing will ever come."""
        raise NotImplementedError

    def confirm(self, batches: int) -> None:
        """Learns that its first ``batches`` batches are where every sink wants them."""

    def close(self) -> None:
        """Ends: closes what it holds open."""


class Transform(Role):
    """Changes, drops or derives records."""

    def apply(self, batch: Batch) -> Any:
        """Gives what becomes of a batch: itself, other rows (a DataFrame, an Arrow table, dicts), a
        :class:`Batch`, several of them, or None."""
        raise NotImplementedError

    def tick(self) -> Any:
        """Called about once a second while no batch comes; gives batches, or None."""
        return None

    def close(self) -> Any:
        """Gives what is still held back, or None."""
        return None


class Sink(Role):
    """Delivers records."""

    #: How it wants to be fed: ``"service"`` (every record, from memory), ``"store"`` (every record,
    #: over restarts) or ``"publisher"`` (only the newest counts).
    delivery = "service"
    #: Whether batches must be written in the order in which they came.
    ordered = True
    #: Batches are joined up to so many records in one call.
    max_records = 10_000
    #: How long a first batch waits for others to join it, seconds.
    max_wait = 0.0

    def write(self, batch: Batch) -> Any:
        """Delivers a batch; gives None or DELIVERED when it is safe, HELD when it is not yet.

        A batch may be offered again after a fault, with the same ``delivery`` number.
        """
        raise NotImplementedError

    def tick(self) -> Any:
        """Called about once a second while no batch comes; gives as ``write``, None for HELD."""
        return HELD

    def flush(self) -> None:
        """Makes everything taken so far safe."""

    def close(self) -> None:
        """Ends the sink after a last ``flush``."""
