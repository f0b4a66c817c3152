"""The recorded days in config/samples, read in the plainest way: the csv module and float()."""

import csv
import gzip
import re
from typing import Iterator, NamedTuple


class Quote(NamedTuple):
    """One row: prices in CNY, volumes in shares, amount in CNY, exchange time as text."""

    symbol: str
    time: str
    pre_close: float
    open: float
    high: float
    low: float
    close: float
    amount: float
    volume: int
    bid: list
    bid_volume: list
    ask: list
    ask_volume: list


LAYOUTS = {
    "OfferPrice0": dict(
        time=lambda row: row["DateTime"],
        names=("PreClosePx", "OpenPx", "HighPx", "LowPx", "LastPx", "TotalValueTrade", "TotalVolumeTrade"),
        book=("BidPrice", "BidOrderQty", "OfferPrice", "OfferOrderQty"),
        levels=range(0, 5),
        symbol=lambda code: code + ".SH",
    ),
    "AskPrice1": dict(
        time=lambda row: "2023-02-01 " + row["UpdateTime"],
        names=("PreCloPrice", "OpenPrice", "HighPrice", "LowPrice", "LastPrice", "Turnover", "TradVolume"),
        book=("BidPrice", "BidVolume", "AskPrice", "AskVolume"),
        levels=range(1, 6),
        symbol=lambda code: code + ".SH",
    ),
    "SellPrice1": dict(
        time=lambda row: row["MDDate"] + " " + row["MDTime"],
        names=("PreClosePx", "OpenPx", "HighPx", "LowPx", "LastPx", "TotalValueTrade", "TotalVolumeTrade"),
        book=("BuyPrice", "BuyOrderQty", "SellPrice", "SellOrderQty"),
        levels=range(1, 6),
        symbol=lambda code: code,
    ),
}


def quotes(path: str) -> Iterator[Quote]:
    """Rows of a recorded day in the file's order."""
    with gzip.open(path, "rt", newline="") as file:
        rows = csv.DictReader(file)
        layout = next(layout for name, layout in LAYOUTS.items() if name in rows.fieldnames)
        for row in rows:
            numbers = [float(row[name] or 0) for name in layout["names"]]
            book = [
                side([row[f"{name}{level}"] for level in layout["levels"]], number)
                for name, number in zip(layout["book"], (float, int, float, int))
            ]
            yield Quote(
                layout["symbol"](row["SecurityID"]),
                exchange_time(layout["time"](row)),
                *numbers[:6],
                int(numbers[6]),
                *book,
            )


def side(cells, number) -> list:
    """Levels of one column family; an empty cell at the end is no level, one within is 0."""
    while cells and cells[-1] == "":
        cells.pop()
    return [number(float(cell)) if cell else number(0) for cell in cells]


def exchange_time(text: str) -> str:
    """As Hikyuu reads it: YYYY-MM-DD HH:MM:SS, with six digits of a fraction that is not zero."""
    year, month, day, clock, fraction = re.fullmatch(
        r"(\d{4})[.-](\d\d)[.-](\d\d)[T ](\d\d:\d\d:\d\d)\.(\d+)", text
    ).groups()
    whole = f"{year}-{month}-{day} {clock}"
    return whole if int(fraction) == 0 else f"{whole}.{fraction.ljust(6, '0')}"


def fail_at(index: int, field: str, expected, found) -> None:
    raise SystemExit(f"record {index}: {field} should be {expected!r} and is {found!r}")
