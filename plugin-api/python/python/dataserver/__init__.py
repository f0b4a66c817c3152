"""Reads a market-data host: its live feed, its lake, its Redis Streams, and itself.

>>> import dataserver as ds
>>> for round in ds.subscribe("ipc:///tmp/hikyuu_real.ipc"):  # doctest: +SKIP
...     print(round.time, len(round), round.missed)
...     frame = round.to_pandas()

Prices and amounts are in CNY, volumes in shares, times have the exchange's zone, and columns have the
names that they have in every store of the host; :func:`columns` lists them with their units.
"""

from __future__ import annotations

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
