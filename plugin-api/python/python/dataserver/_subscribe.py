"""The live feed."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime
from types import TracebackType
from typing import Any, Dict, Iterable, List, Optional, Tuple, Type, Union

from . import _log, _native
from ._errors import DataserverError, NotReachable
from ._tabular import Tabular
from ._time import moment

#: Longest wait outside of Python, seconds: after so long Ctrl-C is noticed.
_SLICE = 0.05
_FEED = "ipc:///tmp/hikyuu_real.ipc"
_MIB = 1 << 20


class Round(Tabular):
    """The quotes of one round of the publisher over its securities."""

    __slots__ = ("_rows", "complete", "missed", "time")

    #: The latest exchange time among its quotes; None when no quote has one.
    time: Optional[datetime]
    #: Quotes that are known not to have arrived since the round before: a hole in the publisher's numbers,
    #: or what gave way because the loop was slower than the feed. Publishers other than ``nng-pub`` send no
    #: numbers; what they drop is not known.
    missed: int
    #: False when a mark of the round did not arrive, or the connection ended within it.
    complete: bool

    def __init__(self, rows: "_native.Frame", time_us: int, missed: int, complete: bool) -> None:
        self._rows = rows
        self.time = moment(time_us) if time_us else None
        self.missed = missed
        self.complete = complete

    @property
    def _frame(self) -> "_native.Frame":
        return self._rows

    def __repr__(self) -> str:
        return f"<dataserver.Round of {len(self)} quotes at {self.time}, {self.missed} missed>"


class Subscription:
    """Rounds as they come: an iterator, with ``for`` or ``async for``, that has no end but :meth:`close`.

    The feed is read by a thread of its own, also while the loop is at work. When the publisher goes, it is
    dialled again until it is back.
    """

    def __init__(
        self,
        addresses: List[str],
        symbols: Optional[List[str]],
        timeout: Optional[float],
        options: Dict[str, Any],
    ) -> None:
        self._addresses = addresses
        self._timeout = timeout
        self._native = _native.Subscription(json.dumps({"dial": addresses, **options}), symbols)
        self._closed = False
        self._alone_since: Optional[float] = None
        self._fault = ""
        self._waiting: Optional["asyncio.Future[Any]"] = None

    @property
    def connected(self) -> bool:
        """Whether a publisher is connected now."""
        return self._native.connected

    @property
    def bad(self) -> int:
        """Messages that were passed over because they are no lists, so far."""
        return self._native.bad[0]

    @property
    def bad_quotes(self) -> int:
        """Quotes that were left out of lists because a field of theirs cannot be, so far."""
        return self._native.bad[1]

    def close(self) -> None:
        """Hangs up. A loop over the subscription ends."""
        if not self._closed:
            self._closed = True
            self._native.close()

    def __iter__(self) -> "Subscription":
        return self

    def __next__(self) -> Round:
        while not self._closed:
            try:
                got = self._native.poll(_SLICE)
            except DataserverError:
                if self._closed:  # by another thread
                    break
                raise
            if got is not None:
                return self._round(got)
            self._look()
        raise StopIteration

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Round:
        while not self._closed:
            if self._waiting is None:
                loop = asyncio.get_running_loop()
                self._waiting = loop.run_in_executor(None, self._native.poll, _SLICE)
            # whoever cancels this does not cost the round that comes meanwhile
            try:
                got = await asyncio.shield(self._waiting)
            except DataserverError:
                if self._closed:
                    break
                raise
            self._waiting = None
            if got is not None:
                return self._round(got)
            self._look()
        raise StopAsyncIteration

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    async def __aenter__(self) -> "Subscription":
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def _round(self, got: Tuple["_native.Frame", int, int, bool]) -> Round:
        self._tell()
        return Round(*got)

    def _tell(self) -> None:
        lines = self._native.take_lines()
        for _, line in lines:
            if line.startswith("no publisher answers ("):
                self._fault = line.partition("(")[2].rpartition(")")[0]
        _log.forward(lines)

    def _look(self) -> None:
        """Raises when nobody has answered for too long."""
        self._tell()
        now = time.monotonic()
        if self._native.connected:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        elif self._timeout is not None and now - self._alone_since > self._timeout:
            places = ", ".join(self._addresses)
            cause = f" ({self._fault})" if self._fault else ""
            raise NotReachable(
                f"no publisher answered at {places} for {self._timeout:g} s{cause}; start the collector or "
                "the host, or correct the address"
            )


def subscribe(
    addresses: Union[str, Iterable[str]] = _FEED,
    symbols: Union[str, Iterable[str], None] = None,
    timeout: Optional[float] = None,
    *,
    topic: str = ":spot:",
    tls: Union[str, Dict[str, str], None] = None,
    receive_buffer: int = 256 * _MIB,
) -> Subscription:
    """Subscribes to a feed: the sink ``nng-pub`` of a host, or any collector of Hikyuu's.

    :param addresses: ``ipc:///path``, ``tcp://host:9200``, ``tls+tcp://host:9200`` (with ``tls``). Several
        name places of one feed: the first that answers is read, and after a loss the search begins anew.
    :param symbols: securities to take, as ``600000.SH`` in any common spelling; all by default.
    :param timeout: seconds for which nobody may answer before :class:`NotReachable` is raised, also after
        the publisher has gone; by default the log has a warning, and dialling goes on. A publisher that
        is silent, as when the market is closed, is waited for in any case.
    :param topic: first bytes of the messages to take.
    :param tls: file with the certificates, in PEM, that the publisher's must come from; or a dict with
        ``ca``, and ``cert`` and ``key`` to show, and ``name`` where the certificate has another one.
    :param receive_buffer: bytes that may wait for the loop, at least 64 KiB; what is older gives way and
        counts as :attr:`Round.missed`.
    :raises OptionError: for an address, a security or a file that cannot be used.
    """
    places = [addresses] if isinstance(addresses, str) else list(addresses)
    chosen = [symbols] if isinstance(symbols, str) else symbols if symbols is None else list(symbols)
    options: Dict[str, Any] = {
        "topic": topic,
        "receive_buffer": f"{int(receive_buffer)}B",
        "max_message": f"{min(int(receive_buffer), 64 * _MIB)}B",
        "reconnect_max": "1s",
        "stale_after": "0s",
        "phases": [],
    }
    if tls is not None:
        options["tls"] = {"ca": tls} if isinstance(tls, str) else tls
    return Subscription(places, chosen, timeout, options)
