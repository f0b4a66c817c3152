"""What a record is when stores are compared: every value of it, in one tuple."""

import csv
import datetime
from typing import Iterable, Iterator, NamedTuple

LEVELS = 5
BOOK = ("bid", "bid_volume", "ask", "ask_volume")
PLAIN = ("symbol", "time", "pre_close", "open", "high", "low", "close", "amount", "volume")
HEADER = PLAIN + tuple(f"{side}{level}" for side in BOOK for level in range(1, LEVELS + 1))


class Record(NamedTuple):
    """Time in microseconds since 1970 UTC; prices and amount in CNY; sizes in shares."""

    symbol: str
    time_us: int
    pre_close: float
    open: float
    high: float
    low: float
    close: float
    amount: float
    volume: int
    bid: tuple
    bid_volume: tuple
    ask: tuple
    ask_volume: tuple


def record(symbol: str, time_us: int, numbers: Iterable, book: Iterable) -> Record:
    """`numbers` are the six prices and amounts and the volume, `book` its four sides.

    Stores differ in how they write a level that is not there: as nothing or as zero.
    """
    *prices, volume = numbers
    sides = (levels(side, number) for side, number in zip(book, (float, int, float, int)))
    return Record(symbol, int(time_us), *map(float, prices), int(volume), *sides)


def levels(side, number) -> tuple:
    found = [number(level or 0) for level in side or ()]
    while found and found[-1] == 0:
        found.pop()
    return tuple(found)


def row(quote) -> list:
    """A recorded quote as a line of the joined file."""
    cells = list(quote[:9])
    for name in BOOK:
        side = list(getattr(quote, name))
        cells += side + [""] * (LEVELS - len(side))
    return cells


def read(joined: str) -> Iterator[Record]:
    """Records of the joined file, in its order."""
    with open(joined, newline="") as file:
        rows = csv.reader(file)
        assert tuple(next(rows)) == HEADER
        for cells in rows:
            book = [
                [float(cell) if cell else 0 for cell in cells[start : start + LEVELS]]
                for start in range(len(PLAIN), len(HEADER), LEVELS)
            ]
            yield record(cells[0], shanghai_us(cells[1]), cells[2:9], book)


def shanghai_us(text: str) -> int:
    """Microseconds since 1970 UTC of `YYYY-MM-DD HH:MM:SS[.ffffff]` on Shanghai's clock."""
    date, clock = text.split(" ")
    hour, minute, second = clock.split(":")
    second, _, fraction = second.partition(".")
    seconds = day(date) + int(hour) * 3600 + int(minute) * 60 + int(second) - 8 * 3600
    return seconds * 1_000_000 + int((fraction + "000000")[:6])


def day(date: str, known: dict = {}) -> int:
    """Seconds from 1970 to the start of that date."""
    if date not in known:
        known[date] = (datetime.date.fromisoformat(date) - datetime.date(1970, 1, 1)).days * 86_400
    return known[date]
