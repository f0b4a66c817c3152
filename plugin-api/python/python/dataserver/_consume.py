"""Redis Streams, as a consumer of a group."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import threading
import time
from types import TracebackType
from typing import Any, Callable, Dict, Iterable, List, Optional, Type, TypeVar, Union

from . import _log, _native
from ._batch import Batch
from ._errors import DataserverError, NotReachable

#: Longest wait outside of Python, seconds: after so long Ctrl-C is noticed.
_SLICE = 0.05
#: Pauses between attempts to reach a server that is away, seconds.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0

_T = TypeVar("_T")


class Consumer:
    """Batches as they come: an iterator that has no end but :meth:`close`.

    A batch counts as done, and is acknowledged, when the loop asks for the next one. What a loop was given
    and did not finish stays with this consumer's name: it comes first when the name is used again, and
    others of the group take it over after ``claim_after``.
    """

    def __init__(self, options: Dict[str, Any], timeout: Optional[float]) -> None:
        self._options = json.dumps(options)
        self._timeout = timeout
        self._place = ", ".join(_without_password(url) for url in options["url"])
        self._folder: Optional[str] = tempfile.mkdtemp(prefix="dataserver-consume-")
        self._native: Optional[_native.Consumer] = None
        self._given = self._done = 0
        self._away_since: Optional[float] = None
        self._pause = _FIRST_PAUSE
        try:
            self._reach(self._open)
        except BaseException:
            self._forget()
            raise

    def close(self) -> None:
        """Hangs up. The batch that the loop is at work on is not acknowledged."""
        native, self._native = self._native, None
        if native is not None:
            native.close()
        self._forget()

    def __iter__(self) -> "Consumer":
        return self

    def __next__(self) -> Batch:
        while self._native is not None:
            got = self._reach(self._poll)
            if got is not None:
                self._given += 1
                return Batch(*got)
        raise StopIteration

    def __enter__(self) -> "Consumer":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        folder, self._folder = getattr(self, "_folder", None), None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _open(self) -> None:
        self._native = _interruptible(lambda: _native.Consumer(self._options, self._folder or ""))

    def _poll(self) -> Any:
        native = self._native
        if native is None:
            return None
        try:
            if self._done < self._given:
                native.confirm(self._given)
                self._done = self._given
            got = native.poll(_SLICE)
        except DataserverError:
            if self._native is None:  # closed by another thread
                return None
            raise
        _log.forward(native.take_lines())
        return got

    def _reach(self, call: Callable[[], _T]) -> Optional[_T]:
        """Calls until the server answers; raises when it was away for too long."""
        while True:
            try:
                result = call()
            except NotReachable as error:
                now = time.monotonic()
                self._away_since = now if self._away_since is None else self._away_since
                if self._timeout is not None and now - self._away_since >= self._timeout:
                    raise NotReachable(
                        f"no server answered at {self._place} for {self._timeout:g} s: {error}; start it, or "
                        "correct the address"
                    ) from error
                if self._pause == _FIRST_PAUSE:
                    _log.LOGGER.warning("%s; trying again until it answers", error)
                time.sleep(self._pause)
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            else:
                self._away_since, self._pause = None, _FIRST_PAUSE
                return result


def consume(
    redis_url: Union[str, Iterable[str]],
    stream: Union[str, Iterable[str]] = ("spot_stream", "minute_bar_stream"),
    group: str = "minute_bar_consumers",
    consumer: Optional[str] = None,
    *,
    create: Optional[str] = None,
    mode: str = "shared",
    shards: int = 0,
    own: Iterable[int] = (),
    claim_after: float = 60.0,
    batch_records: int = 1_000,
    timeout: Optional[float] = None,
    username: Optional[str] = None,
    password: Optional[str] = None,
    tls_ca: Optional[str] = None,
) -> Consumer:
    """Reads streams that the sink ``redis-stream`` writes, in any of its formats, as a consumer of a group.

    :param redis_url: ``redis://host:6379/0``, ``rediss://`` in TLS, ``unix:///path``; several name nodes of
        a cluster.
    :param stream: a stream, or several.
    :param group: the group, which must be there unless ``create`` is given.
    :param consumer: this consumer's name, which no other running one may have. Default: a name of the
        machine and the process. What must not wait for ``claim_after`` after a restart has a name of its own.
    :param create: makes a group that is not there: ``"all"`` begins with what is in the stream, ``"new"``
        with what comes.
    :param mode: ``"shared"``: each record goes to one consumer of the group; ``"broadcast"``: each to
        every one; ``"sharded"``: each to the one that has its shard among ``own``.
    :param shards: number of shards with which the stream is written; 0 for one stream.
    :param own: shards to read; all by default.
    :param claim_after: seconds of silence after which another consumer counts as dead, and what it has is
        taken over; 0 for never.
    :param batch_records: most records of a batch, where entries have one each.
    :param timeout: seconds for which no server may answer before :class:`NotReachable` is raised; by
        default the log has a warning, and the consumer tries again until one does.
    :param username, password: instead of those in the url.
    :param tls_ca: file with the certificates, in PEM, that a ``rediss`` server's must come from.
    :raises OptionError: for arguments that cannot work, and a group that is not there.
    """
    options: Dict[str, Any] = {
        "url": _list(redis_url),
        "stream": _list(stream),
        "group": group,
        "consumer": consumer or f"{socket.gethostname()}-{os.getpid()}-{next_number()}",
        "start": "existing" if create is None else create,
        "mode": mode,
        "shards": shards,
        "own": list(own),
        "claim_after": f"{round(claim_after * 1_000)}ms",
        "batch_records": batch_records,
        "username": username,
        "password": password,
        "tls_ca": tls_ca,
    }
    return Consumer(options, timeout)


_numbers = iter(range(1, 1 << 62))


def next_number() -> int:
    """A number that no consumer of this process has yet."""
    return next(_numbers)


def _list(given: Union[str, Iterable[str]]) -> List[str]:
    return [given] if isinstance(given, str) else list(given)


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _interruptible(call: Callable[[], _T]) -> _T:
    """Calls in a thread of its own, so that Ctrl-C need not wait for it."""
    results: List[_T] = []
    errors: List[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="dataserver-open", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_SLICE)
    if errors:
        raise errors[0]
    return results[0]
