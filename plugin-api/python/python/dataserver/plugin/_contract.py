"""The contract test of a plugin: plays the host to a process that is started as the host starts it."""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from . import _batch, _block, _samples, _wire
from ._batch import Batch

#: Longest time of a call, seconds.
_DEADLINE = 30.0
#: A call of ``next`` is given so long, and may take so much longer, seconds.
_WAIT, _GRACE = 0.05, 2.0
#: A source may have nothing for so long, and need not give more batches than that.
_IDLE, _MOST = 3.0, 20


class _Failed(Exception):
    """The call failed: the kind of error and what the plugin says."""


def check(file: str, options: Dict[str, Any]) -> Iterator[str]:
    """Tries every call; gives a line for each thing that holds.

    :raises SystemExit: names the rule that was broken.
    """
    try:
        yield from _check(file, options)
    except _Failed as failed:
        sys.exit(f"broken: the plugin takes what the host gives it (it failed: {failed})")


def _check(file: str, options: Dict[str, Any]) -> Iterator[str]:
    block = _block.read(file)
    with tempfile.TemporaryDirectory() as folder, _Child(file, folder) as child:
        hello = json.loads(child.reply("start")[1])
        role = hello["roles"][0]
        _must(hello["name"] == block["id"], "it greets with the id of its block")
        _must(role["kind"] == block["kind"], "it greets with the kind of its block")
        _check_schema(role["options_schema"])
        yield f"{block['id']} {block['version']}: a {role['kind']}, its options are described"
        child.ask(_wire.CHECK, options)
        unknown = {**options, "no_such_option": 1}
        _must(child.fails(_wire.CHECK, unknown), "an unknown option is refused")
        child.ask(_wire.OPEN, options)
        yield "it opens, and refuses an unknown option"
        trial = {"source": _try_source, "transform": _try_transform, "sink": _try_sink}
        yield trial[role["kind"]](child)
        _check_readers(child)
        child.call(_wire.CLOSE)
        yield "it closes"


def _check_schema(schema: Dict[str, Any]) -> None:
    _must(schema["type"] == "object", "options are a table")
    _must(schema["additionalProperties"] is False, "unknown options are errors")
    for name, described in schema["properties"].items():
        _must(bool(described.get("description")), f"option {name} has a comment `#:`")


def _check_readers(child: "_Child") -> None:
    readers = json.loads(child.call(_wire.READERS)[0]) or []
    ids = [reader["id"] for reader in readers]
    _must(len(set(ids)) == len(ids) and "" not in ids, "every reader has an id of its own")
    act = {"reader": "no such reader", "action": {"action": "disconnect"}, "preview": True}
    try:
        child.call(_wire.ACT, json.dumps(act).encode())
    except _Failed:
        return
    _must(False, "nothing is done with a reader that is not there")


def _try_source(child: "_Child") -> str:
    batches = 0
    last = time.monotonic()
    while batches < _MOST and time.monotonic() - last < _IDLE:
        asked = time.monotonic()
        body, pushed = child.call(_wire.NEXT, struct.pack("<Q", int(_WAIT * 1_000_000)))
        took = time.monotonic() - asked
        _must(took <= _WAIT + _GRACE, f"`next` waits for {_WAIT} s at most, and took {took:.1f} s")
        _must(len(pushed) == (body[0] == 0), "`next` gives one batch, or none")
        if body[0] == 2:
            again = child.call(_wire.NEXT, struct.pack("<Q", 0))[0]
            _must(again[0] == 2, "the end of a source is final")
            break
        if pushed:
            _verify(pushed)
            batches, last = batches + 1, time.monotonic()
    child.call(_wire.CONFIRM, struct.pack("<Q", batches))
    return f"it gives {batches} batches in time"


def _try_transform(child: "_Child") -> str:
    for given in _samples.batches():
        pushed = child.call(_wire.APPLY, _given(given))[1]
        _verify(batch for batch in pushed if batch.payload)
        for mark in ("first", "last"):
            comes = any(getattr(batch, mark) for batch in pushed)
            _must(comes or not getattr(given, mark), f"the mark `{mark}` of a round comes through")
    child.call(_wire.TICK)
    return "it takes quotes and bars, and marks of rounds come through"


def _try_sink(child: "_Child") -> str:
    given = _samples.batches()
    for number, batch in enumerate(given, 1):
        batch.delivery = number
    for group in [[], *([batch] for batch in given), given]:
        child.call(_wire.WRITE, struct.pack("<I", len(group)), *map(_given, group))
    child.call(_wire.TICK)
    child.call(_wire.FLUSH)
    child.call(_wire.FLUSH)
    return "it takes quotes and bars, one by one and together, and flushes"


def _verify(batches: Iterable[Batch]) -> None:
    """Reads what was made, as the host does; without the package's library that cannot be tried."""
    try:
        from dataserver import Batch as Records
    except ImportError:
        return
    for batch in batches:
        try:
            Records(batch.kind, batch.payload)
        except ValueError as error:
            _must(False, f"batches are lists of records ({error})")


def _given(batch: Batch) -> bytes:
    """A batch as the host gives it: as one is made, but for what the host alone knows."""
    body = bytearray(_batch.write(_NO_CHANNEL, batch))
    struct.pack_into("<IQ", body, 4, len(batch), batch.delivery)
    return bytes(body)


class _NoChannel:
    """Samples are small: none needs shared memory."""

    def share(self, payload: bytes) -> int:
        raise AssertionError(f"a sample has {len(payload)} bytes")


_NO_CHANNEL: Any = _NoChannel()


class _Child:
    """The plugin in a process of its own."""

    def __init__(self, file: str, folder: str) -> None:
        ours, theirs = socket.socketpair()
        self._folder = folder
        environment = {**os.environ, "DATASERVER_PROTOCOL": str(_wire.PROTOCOL)}
        package = str(Path(__file__).parents[2])
        environment["PYTHONPATH"] = os.pathsep.join(
            filter(None, [package, os.environ.get("PYTHONPATH")])
        )
        self._process = subprocess.Popen(
            [sys.executable, "-B", file], stdin=theirs, env=environment, close_fds=True
        )
        theirs.close()
        self._socket = ours
        self._channel = _wire.Channel(ours)

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def call(self, kind: int, *parts: bytes) -> Tuple[bytes, List[Batch]]:
        """What ends a call, and the batches that were pushed meanwhile.

        :raises _Failed: when the plugin says that it failed.
        """
        self._channel.send(kind, *parts)
        replied, body, pushed = self.reply(f"call {kind:#x}", True)
        if replied == _wire.FAILED:
            raise _Failed(body[1:].decode())
        return body, pushed

    def ask(self, kind: int, options: Dict[str, Any]) -> None:
        """A call about a component with those options."""
        question = {
            "role": "",
            "options": options,
            "instance": "test",
            "base_dir": self._folder,
            "state_dir": str(Path(self._folder, "state")),
            "request": None,
        }
        try:
            self.call(kind, json.dumps(question).encode())
        except _Failed as failed:
            sys.exit(f"the plugin cannot be opened: {failed}; give what it needs with --options")

    def fails(self, kind: int, options: Dict[str, Any]) -> bool:
        """Whether a call about a component with those options fails."""
        question = {"role": "", "options": options, "instance": "test", "base_dir": self._folder}
        try:
            self.call(kind, json.dumps({**question, "state_dir": None, "request": None}).encode())
        except _Failed:
            return True
        return False

    def reply(self, call: str, known: bool = False) -> Tuple[int, bytes, List[Batch]]:
        """Waits for what ends a call."""
        until, pushed = time.monotonic() + _DEADLINE, []
        while True:
            kind, body = self._frame(call, until)
            if kind == _wire.PUSH:
                pushed.append(_made(self._channel, body))
            elif kind == _wire.LOG:
                print(f"  log: {body[1:].decode()}")
            elif kind in (_wire.DONE, _wire.ANSWER, _wire.STATE, _wire.FAILED, _wire.HELLO):
                _must(known or kind == _wire.HELLO, "it greets first")
                return kind, body, pushed

    def _frame(self, call: str, until: float) -> Tuple[int, bytes]:
        if not self._channel.has_frame:
            left = max(0.0, until - time.monotonic())
            ready = select.select([self._socket], [], [], left)[0]
            _must(bool(ready), f"{call} is answered within {_DEADLINE:.0f} s")
        frame: Optional[Tuple[int, bytes]] = self._channel.next()
        if frame is None:
            sys.exit(f"broken: the process ends in order (it ended in {call}; see above)")
        return frame


def _made(channel: _wire.Channel, body: bytes) -> Batch:
    """A batch that was pushed; of one without a payload only its marks are there."""
    place = body[2]
    if place in (_wire.UNCHANGED, _wire.NOTHING):
        head = bytearray(body[: _wire.BATCH.size + body[3]])
        head[2] = _wire.INLINE
        return _batch.read(channel, bytes(head), 0)[0]
    return _batch.read(channel, body, 0)[0]


def _must(holds: bool, rule: str) -> None:
    if not holds:
        sys.exit(f"broken: {rule}")
