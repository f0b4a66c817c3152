"""What records say."""

from __future__ import annotations

from typing import List, NamedTuple, Optional

from . import _native


class Column(NamedTuple):
    """A column of records, the same in every store."""

    #: Its name.
    name: str
    #: Its Arrow type.
    type: str
    #: The unit of its values, if they have one.
    unit: Optional[str]
    #: What it holds, for people.
    meaning: str


def columns(kind: str) -> List[Column]:
    """The columns of records of a kind, ``"spot"`` (quotes) or ``"bar"``, in order.

    :raises OptionError: for another kind.
    """
    return [Column(*described) for described in _native.describe(kind)]
