"""Batches for tests: quotes and bars as the host sends them."""

from __future__ import annotations

import base64
from typing import List

from ._batch import Batch

#: Two quotes, none, and a bar, as lists of schemas/spot.fbs and bar.fbs.
_QUOTES = (
    "DAAAAAYACAAEAAAACAAAAAQAAAACAAAAPAAAABgBAAAwAIwAZABoAAAAcAAEAAwAFAAcACQALAA0AHQAeAB8AIAARABM"
    "ADwAVACEAFwAAAAAAAAANAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAmpmZmZkZIUBmZmZmZqZZQAAA"
    "AAAAwJJAAAAAAKBPL0EANsKcC9IFAAA2wpwL0gUAwNQBAAAAAAABAAAAAAAAAEgAAABMAAAAAAAAAFAAAAAcAAAAIAAA"
    "ACQAAAAoAAAAOAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIAAABTSAAABgAAADYwMDAwMAAA"
    "EwAAADIwMjEtMTItMDEgMDk6MzA6MDAAAAAAAAAAAAAUAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAIAxQAAAAAAAQEpAAAAAAADAckAAAAAAkAUgQQA2wpwL0gUAADbCnAvSBQAwdQAAAAAAAAIAAAAAAAAASAAAAEwA"
    "AAAAAAAAUAAAABwAAAAgAAAAJAAAACgAAABYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAgAA"
    "AFNaAAAGAAAAMDAwMDAxAAATAAAAMjAyMS0xMi0wMSAwOTozMDowMAAAAAAAAQAAAHEAAAA="
)
_NONE = "DAAAAAYACAAEAAAACAAAAAQAAAAAAAAA"
_BARS = (
    "EAAAAAAAAAAAAAYACAAEAAYAAAAEAAAAAQAAACAAAAAAABoAUAAIAAwAEAAUABwAJAAsADQAPABEAAcAGgAAAAAAAAFc"
    "AAAATAAAAEAAAAAAvVWgC9IFAJqZmZmZGSFAMzMzMzMzIUAAAAAAAAAhQJqZmZmZGSFAAAAAAKBPL0HA1AEAAAAAAAAA"
    "AAACAAAAMW0AAAYAAAA2MDAwMDAAAAIAAABTSAAA"
)


def batches() -> List[Batch]:
    """Batches of every kind, at every place of a round."""
    quotes, none, bars = map(base64.b64decode, (_QUOTES, _NONE, _BARS))
    given = [
        Batch("spot", quotes, first=True),
        Batch("spot", quotes),
        Batch("spot", none, last=True),
        Batch("spot", quotes, first=True, last=True),
        Batch("bar", bars),
    ]
    for number, batch in enumerate(given, 1):
        batch.source, batch.sequence = "test", number
        batch._count = {quotes: 2, none: 0, bars: 1}[batch.payload]
    return given
