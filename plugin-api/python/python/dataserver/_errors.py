"""What can go wrong. Every text names what is wrong and ends with the remedy."""

from __future__ import annotations


class DataserverError(Exception):
    """Base of all exceptions of this package."""


class OptionError(DataserverError, ValueError):
    """An argument cannot work: a misspelt address, a security that is none, a group that is not there."""


class BadData(DataserverError, ValueError):
    """Bytes or rows are no records: damaged, a column missing or of another type."""


class NotReachable(DataserverError, ConnectionError):
    """Nobody answers at an address."""


class LakeError(DataserverError, OSError):
    """A file of a lake cannot be read."""


class HostError(DataserverError, RuntimeError):
    """A host refused a request, or could not do what it was asked for."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        #: Status of the HTTP answer, from 400 on.
        self.status = status


class AccessDenied(HostError, PermissionError):
    """A host wants another token, or lets nobody do that."""
