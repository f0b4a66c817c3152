"""Runs a plugin for the host that started this process."""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
import sys
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Set, Tuple, Type

from . import _batch, _block, _options, _wire
from ._batch import Batch
from ._errors import UNEXPECTED, BadData, Fatal, PluginError
from ._roles import DELIVERED, END, HELD, Context, Role, Sink, Source, Transform

_KINDS: Dict[str, type] = {"source": Source, "transform": Transform, "sink": Sink}
_DONE = 0


def run(role: Type[Role]) -> None:
    """Serves the host with that class until the host is done. The last line of a plugin's file."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    if "DATASERVER_PROTOCOL" not in os.environ or file is None:
        sys.exit(
            "this is a plugin, which the host starts: put the file into a plugin folder; "
            f"`python -m dataserver.plugin test {file or 'FILE.py'}` tries it"
        )
    if os.environ["DATASERVER_PROTOCOL"] != str(_wire.PROTOCOL):
        sys.exit(
            f"the host speaks protocol {os.environ['DATASERVER_PROTOCOL']}, this package "
            f"`dataserver` speaks {_wire.PROTOCOL}; install the one that came with the host"
        )
    block = _block.read(file)
    _block.check_python(block.get("python", ""))
    kind = _KINDS.get(block["kind"])
    if kind is None or not issubclass(role, kind):
        sys.exit(f"the block says kind = {block['kind']!r}, and {role.__name__} is another one")
    channel = _wire.Channel(_host_socket())
    channel.send(_wire.HELLO, json.dumps(_hello(block, role)).encode())
    _log_to(channel)
    try:
        _Server(channel, role).serve()
    except (BrokenPipeError, ConnectionResetError):
        # the host is gone, and with it whoever would want to know
        sys.exit(0)


def _host_socket() -> socket.socket:
    """The socket, away from the standard input, where nobody reads it by mistake."""
    sock = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return sock


def _hello(block: Dict[str, str], role: Type[Role]) -> Dict[str, Any]:
    described: Dict[str, Any] = {
        "kind": block["kind"],
        "options_schema": _options.schema(role.Options),
    }
    if issubclass(role, Sink):
        described["delivery"] = role.delivery
        described["ordered"] = role.ordered
        described["max_records"] = role.max_records
        described["max_wait_us"] = int(role.max_wait * 1_000_000)
    doc = (role.__doc__ or "").strip().split("\n")[0].rstrip(".")
    return {
        "protocol": _wire.PROTOCOL,
        "api": f"{block['api']}.0",
        "name": block["id"],
        "version": block["version"],
        "description": block.get("description", doc),
        "author": block.get("author", ""),
        "roles": [described],
    }


class _HostLog(logging.Handler):
    """Lines of ``logging`` in the host's log."""

    def __init__(self, channel: _wire.Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        levels = ((logging.ERROR, 0), (logging.WARNING, 1), (logging.INFO, 2))
        level = next((number for least, number in levels if record.levelno >= least), 3)
        try:
            text = self.format(record).encode("utf-8", "replace")
            self._channel.send(_wire.LOG, bytes([level]), text)
        except Exception:
            self.handleError(record)


def _log_to(channel: _wire.Channel) -> None:
    root = logging.getLogger()
    root.addHandler(_HostLog(channel))
    if root.level == logging.WARNING:
        root.setLevel(logging.INFO)


class _Server:
    def __init__(self, channel: _wire.Channel, role: Type[Role]) -> None:
        self._channel, self._role = channel, role
        self._open: Any = None
        #: Batches of a group that failed, which were delivered before it did.
        self._delivered: Set[Tuple[int, int]] = set()
        self._calls: Dict[int, Callable[[bytes], None]] = {
            _wire.OPEN: self._start,
            _wire.CHECK: self._check,
            _wire.COMMAND: self._command,
            _wire.NEXT: self._next,
            _wire.CONFIRM: self._confirm,
            _wire.APPLY: self._apply,
            _wire.WRITE: self._write,
            _wire.TICK: self._tick,
            _wire.FLUSH: self._flush,
            _wire.EXPORT_STATE: self._export_state,
            _wire.IMPORT_STATE: self._import_state,
            _wire.READERS: self._readers,
            _wire.ACT: self._act,
            _wire.CLOSE: self._close,
        }

    def serve(self) -> None:
        while True:
            frame = self._channel.next()
            if frame is None:
                return
            kind, body = frame
            self._channel.begin()
            call = self._calls.get(kind)
            if call is None:
                sys.exit(f"the host sent a frame of the unknown kind {kind:#x}")
            try:
                call(body)
            except PluginError as error:
                self._fail(error.kind, str(error))
            except MemoryError:
                traceback.print_exc()
                self._fail(UNEXPECTED, "memory is used up; keep less, or raise limits.memory")
            except Exception as error:
                traceback.print_exc()
                self._fail(UNEXPECTED, _told(error))

    def _fail(self, kind: int, text: str) -> None:
        self._channel.send(_wire.FAILED, bytes([kind]), text.encode("utf-8", "replace"))

    def _done(self, number: int = _DONE) -> None:
        self._channel.send(_wire.DONE, bytes([number]))

    def _answer(self, value: Any) -> None:
        self._channel.send(_wire.ANSWER, json.dumps(value).encode())

    def _opened(self) -> Any:
        if self._open is None:
            raise Fatal("no instance is open")
        return self._open

    def _asked(self, body: bytes) -> Tuple[Any, Context, Dict[str, Any]]:
        about = json.loads(body)
        context = Context(self._channel, about)
        options = _options.read(self._role.Options, about["options"], context.base_dir)
        return options, context, about

    def _start(self, body: bytes) -> None:
        options, context, _ = self._asked(body)
        instance = self._role()
        instance.options, instance.context = options, context
        instance.open()
        self._open = instance
        self._done()

    def _check(self, body: bytes) -> None:
        options, context, _ = self._asked(body)
        self._role.check(options, context)
        self._done()

    def _command(self, body: bytes) -> None:
        options, context, about = self._asked(body)
        self._answer(self._role.command(options, context, about["request"]))

    def _next(self, body: bytes) -> None:
        (wait_us,) = struct.unpack("<Q", body)
        made = self._opened().next(wait_us / 1_000_000)
        if made is None:
            self._done(1)
        elif made is END:
            self._done(2)
        else:
            self._push(_as_batch(made, None))
            self._done()

    def _confirm(self, body: bytes) -> None:
        self._opened().confirm(struct.unpack("<Q", body)[0])
        self._done()

    def _apply(self, body: bytes) -> None:
        batch, _ = _batch.read(self._channel, body, 0)
        payload = batch.payload
        self._push_all(self._opened().apply(batch), batch, payload)
        self._done()

    def _push_all(self, made: Any, given: Optional[Batch], payload: Optional[bytes] = None) -> None:
        # the common case first
        batches = [given] if given is not None and made is given else list(_several(made, given))
        if given is not None:
            _mark(batches, given)
            if not batches and (given.first or given.last):
                # the marks of the round must come through
                self._channel.send(_wire.PUSH, _batch.nothing(given))
        for batch in batches:
            self._push(batch, payload)

    def _push(self, batch: Batch, payload: Optional[bytes] = None) -> None:
        # that of the batch that the call was given, which the host has
        unchanged = payload is not None and batch.payload is payload
        # what lies in memory must be told of before others put more there
        with self._channel.lock:
            self._channel.send(_wire.PUSH, _batch.write(self._channel, batch, unchanged))

    def _write(self, body: bytes) -> None:
        (number,) = struct.unpack_from("<I", body)
        sink, at, answer = self._opened(), 4, DELIVERED
        done: Set[Tuple[int, int]] = set()
        try:
            for _ in range(number):
                batch, at = _batch.read(self._channel, body, at)
                name = (batch.delivery, batch.part)
                if name in self._delivered:
                    continue
                answer = sink.write(batch)
                if answer is not HELD and batch.delivery:
                    done.add(name)
        except BaseException:
            # the host offers all of them again, or one by one
            self._delivered |= done
            raise
        self._delivered.clear()
        self._done(int(answer is HELD))

    def _tick(self, body: bytes) -> None:
        made = self._opened().tick()
        if isinstance(self._open, Sink):
            self._done(int(made is not DELIVERED))
        else:
            self._push_all(made, None)
            self._done()

    def _flush(self, body: bytes) -> None:
        self._opened().flush()
        self._done()

    def _export_state(self, body: bytes) -> None:
        self._channel.send_blob(_wire.STATE, "", self._opened().export_state())

    def _import_state(self, body: bytes) -> None:
        self._opened().import_state(self._channel.blob(body)[1] or b"")
        self._done()

    def _readers(self, body: bytes) -> None:
        self._answer(self._opened().readers())

    def _act(self, body: bytes) -> None:
        asked = json.loads(body)
        reader, action, preview = asked["reader"], asked["action"], asked["preview"]
        self._answer(self._opened().act(reader, action, preview))

    def _close(self, body: bytes) -> None:
        made = self._opened().close()
        if isinstance(self._open, Transform):
            self._push_all(made, None)
        self._done()


def _told(error: BaseException) -> str:
    """What went wrong, and where in the plugin: the innermost line that is not of this package."""
    own = str(Path(__file__).parent)
    frames = [it for it in traceback.extract_tb(error.__traceback__) if not it.filename.startswith(own)]
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def _several(made: Any, given: Optional[Batch]) -> Iterator[Batch]:
    """The batches of what a transform gave."""
    if made is None:
        return
    if _is_one(made):
        yield _as_batch(made, given)
        return
    items: List[Any] = list(made)
    if items and all(isinstance(item, Mapping) for item in items):
        yield _as_batch(items, given)
        return
    for item in items:
        yield _as_batch(item, given)


def _is_one(made: Any) -> bool:
    is_table = hasattr(made, "__arrow_c_stream__") or hasattr(made, "__dataframe__")
    return is_table or (hasattr(made, "payload") and hasattr(made, "kind"))


def _as_batch(made: Any, given: Optional[Batch]) -> Batch:
    """A batch as it was made, or made of rows now."""
    if isinstance(made, Batch):
        return made
    if hasattr(made, "payload") and hasattr(made, "kind"):
        batch = Batch(made.kind, made.payload)
        return batch if given is None else batch._from(given)
    if given is None:
        raise TypeError(f"{type(made).__name__} is no Batch; make one with Batch.of(kind, rows)")
    try:
        return given._rows(made)
    except ValueError as error:
        raise BadData(f"what was made of the batch cannot be sent: {error}") from error


def _mark(batches: List[Batch], given: Batch) -> None:
    """Gives marks of the round to what was made of a batch, unless it has some."""
    if batches and not any(batch.first or batch.last for batch in batches):
        batches[0].first, batches[-1].last = given.first, given.last
