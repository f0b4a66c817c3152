"""Reads a market-data host: its live feed, its lake, its Redis Streams, and itself.

>>> import dataserver as ds
>>> for round in ds.subscribe("ipc:///tmp/hikyuu_real.ipc"):  # doctest: +SKIP
...     print(round.time, len(round), round.missed)
...     frame = round.to_pandas()

Prices and amounts are in CNY, volumes in shares, times have the exchange's zone, and columns have the
names that they have in every store of the host; :func:`columns` lists them with their units.

:mod:`dataserver.plugin` is for plugins of a host.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, List

if TYPE_CHECKING:
    from ._batch import Batch
    from ._columns import Column, columns
    from ._consume import Consumer, consume
    from ._errors import (
        AccessDenied,
        BadData,
        DataserverError,
        HostError,
        LakeError,
        NotReachable,
        OptionError,
    )
    from ._host import Host
    from ._lake import Lake, lake
    from ._subscribe import Round, Subscription, subscribe
    from ._tabular import Table
    from ._time import ZONE

__all__ = [
    "AccessDenied",
    "BadData",
    "Batch",
    "Column",
    "Consumer",
    "DataserverError",
    "Host",
    "HostError",
    "Lake",
    "LakeError",
    "NotReachable",
    "OptionError",
    "Round",
    "Subscription",
    "Table",
    "ZONE",
    "columns",
    "consume",
    "lake",
    "subscribe",
]

_MODULES = {
    "_batch": ("Batch",),
    "_columns": ("Column", "columns"),
    "_consume": ("Consumer", "consume"),
    "_errors": (
        "AccessDenied",
        "BadData",
        "DataserverError",
        "HostError",
        "LakeError",
        "NotReachable",
        "OptionError",
    ),
    "_host": ("Host",),
    "_lake": ("Lake", "lake"),
    "_subscribe": ("Round", "Subscription", "subscribe"),
    "_tabular": ("Table",),
    "_time": ("ZONE",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Imports what is asked for: a plugin that only passes batches on needs none of it, nor the library."""
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found = getattr(import_module(f".{module}", __name__), name)
    except ImportError as error:
        if find_spec("._native", __name__) is None:
            text = f"dataserver.{name} needs the package's library, which is not in {__path__[0]}; install the wheel"
            raise ImportError(text, name=__name__) from error
        raise
    globals()[name] = found
    return found


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
