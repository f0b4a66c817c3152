"""Leaves of a recorded day what a host sees that learns of each security at a moment of its own.

usage: late_day.py RECORDED_DAY HH:MM:SS...

The moments are those of the securities in the order of their names. Prints the file.
"""

import gzip
import tempfile
from pathlib import Path

import recorded
import script


def main(day: str, *moments: str) -> None:
    quotes = list(recorded.quotes(day))
    securities = sorted({quote.symbol for quote in quotes})
    begins = dict(zip(securities, moments, strict=True))
    with gzip.open(day, "rt", newline="") as file:
        header, *rows = file.readlines()
    assert len(quotes) == len(rows), "a row a line"
    kept = [
        row for row, quote in zip(rows, quotes) if quote.time.split(" ")[1] >= begins[quote.symbol]
    ]
    path = Path(tempfile.mkdtemp()) / "late.csv.gz"
    with gzip.open(path, "wt", newline="") as file:
        file.writelines([header, *kept])
    print(path)


if __name__ == "__main__":
    script.run(main)
