"""A running host, over its control interface."""

from __future__ import annotations

import json
from http.client import HTTPException, HTTPResponse
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Union
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
)

from ._errors import AccessDenied, HostError, NotReachable, OptionError

Answer = Dict[str, Any]
Symbols = Union[str, Iterable[str], None]


class Host:
    """A host whose pipeline file has ``[host] http``. Answers are what the host says, as
    docs/OPERATIONS.md describes them: prices and amounts in CNY, volumes in shares, keys that end in
    ``_us`` microseconds since 1970 UTC.

    :param url: ``http://127.0.0.1:9280``.
    :param token: what ``[host] token`` says, where it is set.
    :param timeout: seconds for an answer.
    :raises OptionError: for an address that is none.

    Every method raises :class:`NotReachable` when nobody answers, :class:`AccessDenied` for a token that is
    missing or wrong and for what the host lets nobody do, and :class:`HostError` for whatever else it refuses.
    """

    def __init__(self, url: str, token: Optional[str] = None, timeout: float = 10.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OptionError(f"{url!r} is no address of a host; write e.g. http://127.0.0.1:9280")
        self.url = url.rstrip("/")
        self._token = token
        self._timeout = timeout
        # neither through a proxy nor to where an answer points: the token is for this host alone
        self._opener = OpenerDirector()
        for handler in (HTTPHandler, HTTPSHandler, HTTPDefaultErrorHandler, HTTPErrorProcessor):
            self._opener.add_handler(handler())

    def __repr__(self) -> str:
        return f"<dataserver.Host at {self.url}>"

    def health(self) -> Answer:
        """Whether all is well, and of each component whether it is."""
        return self._json("/health", answers=(503,))

    def pipeline(self) -> Answer:
        """Components and edges, with rates of the last 10 s and latencies of the last minute."""
        return self._json("/api/pipeline")

    def plugins(self) -> Any:
        """The plugin files, also those that cannot be used, with the reason."""
        return self._json("/api/plugins")

    def quotes(self, *symbols: str) -> List[Answer]:
        """The newest quotes of securities; without one, of 000001.SZ. Those that the host has not seen are
        not among them."""
        return self._json("/api/quotes", {"symbols": ",".join(symbols) or None})["quotes"]

    def search(self, text: str) -> List[Answer]:
        """Securities by code, name or initials: ``600519``, ``茅台``, ``gzmt``."""
        return self._json("/api/quotes", {"q": text})["matches"]

    def minutes(self, symbol: str) -> Answer:
        """The minutes of a security's day, as far as they passed through the host."""
        return self._json("/api/quotes", {"day": symbol})

    def tap(
        self,
        component: str,
        *,
        symbols: Symbols = None,
        kind: Optional[str] = None,
        fields: Symbols = None,
        limit: Optional[int] = None,
        inputs: bool = False,
    ) -> Iterator[Answer]:
        """Records of a component as they flow: an iterator without an end unless there is a ``limit``.

        A dict ``{"missed": N}`` tells of records that came faster than they were read.

        :param inputs: what it is given, instead of what it gives.
        """
        query = {
            "symbols": _joined(symbols),
            "kind": kind,
            "fields": _joined(fields),
            "limit": limit,
            "inputs": "true" if inputs else None,
        }
        answer = self._open(f"/api/tap/{_part(component)}", query, None, forever=True)
        return _lines(answer)

    def reload(self, check: bool = False) -> Answer:
        """Has the host apply its pipeline file and plugin folders anew; with ``check`` it only tells what
        that would change."""
        return self._json("/api/reload", {"check": "true" if check else None}, {}, answers=(409, 422))

    def pause(self, component: str) -> Answer:
        """Stops a component until it is resumed, over restarts too."""
        return self._json(f"/api/components/{_part(component)}/pause", action={})

    def resume(self, component: str) -> Answer:
        """Lets a paused component go on."""
        return self._json(f"/api/components/{_part(component)}/resume", action={})

    def readers(self) -> List[Answer]:
        """Everybody who reads from the host, with state and lag."""
        return self._json("/api/readers")["readers"]

    def act(self, reader: str, action: str, *, preview: bool = False, **details: Any) -> Answer:
        """Does something with a reader, by its ``id``: ``disconnect``, ``claim``, ``ack``, ``set_position`` or
        ``remove``, with what that takes; with ``preview`` it only tells what would be."""
        body = {"action": action, "preview": preview, **details}
        return self._json(f"/api/readers/{_part(reader)}", action=body)

    def days(
        self,
        day: Optional[str] = None,
        *,
        symbol: Optional[str] = None,
        day_from: Optional[str] = None,
        day_to: Optional[str] = None,
    ) -> Any:
        """Which days are whole, of the last three months unless said otherwise; of one ``day`` what is
        missing, by security and minute."""
        if day is None:
            return self._json("/api/days", {"from": day_from, "to": day_to})
        return self._json(f"/api/days/{_part(day)}", {"symbol": symbol})

    def dead_letters(
        self, component: str, *, after: Optional[int] = None, limit: Optional[int] = None
    ) -> Answer:
        """What a component refused, with reason and record, page by page: ``after`` takes ``next`` of the
        page before."""
        return self._json(f"/api/dead-letter/{_part(component)}", {"after": after, "limit": limit})

    def log(self, limit: Optional[int] = None) -> Any:
        """The last lines of the log."""
        return self._json("/api/log", {"limit": limit})

    def _json(
        self,
        path: str,
        query: Optional[Mapping[str, Any]] = None,
        action: Optional[Mapping[str, Any]] = None,
        answers: Iterable[int] = (),
    ) -> Any:
        with self._open(path, query or {}, action, answers=answers) as answer:
            try:
                return json.load(answer)
            except (OSError, HTTPException, ValueError) as error:
                raise NotReachable(f"the answer of {self.url} broke off: {error}; ask again") from error

    def _open(
        self,
        path: str,
        query: Mapping[str, Any],
        action: Optional[Mapping[str, Any]],
        answers: Iterable[int] = (),
        forever: bool = False,
    ) -> HTTPResponse:
        given = urlencode({key: value for key, value in query.items() if value is not None})
        request = Request(f"{self.url}{path}{'?' if given else ''}{given}")
        if action is not None:
            request.data = json.dumps(action).encode()
            request.add_header("Content-Type", "application/json")
        if self._token is not None:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            return self._opener.open(request, timeout=None if forever else self._timeout)
        except HTTPError as error:
            if error.code in answers:
                return error  # type: ignore[return-value]
            with error:
                raise _refusal(error) from None
        except (URLError, HTTPException, OSError) as error:
            cause = getattr(error, "reason", error)
            raise NotReachable(
                f"no host answers at {self.url} ({cause}); start it with [host] http, or correct the address"
            ) from error


def _refusal(error: HTTPError) -> HostError:
    try:
        said = str(json.load(error)["error"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        said = str(error.reason)
    if error.code == 401:
        return AccessDenied(401, f"{said}; give Host(url, token=…) what [host] token of the pipeline file says")
    if error.code == 403:
        return AccessDenied(403, said)
    return HostError(error.code, said)


def _lines(answer: HTTPResponse) -> Iterator[Answer]:
    with answer:
        try:
            for line in answer:
                if line.strip():
                    yield json.loads(line)
        except (OSError, HTTPException, ValueError) as error:
            raise NotReachable(f"the tap at {answer.url} broke off: {error}; open it again") from error


def _joined(names: Symbols) -> Optional[str]:
    return names if names is None or isinstance(names, str) else ",".join(names)


def _part(name: str) -> str:
    return quote(name, safe="")
