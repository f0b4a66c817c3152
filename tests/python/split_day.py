"""Cuts a recorded day into files at times of day, without changing a row.

usage: split_day.py RECORDED_DAY HH:MM:SS...

Prints the folder that holds 0.csv.gz, 1.csv.gz, ….
"""

import gzip
import tempfile
from pathlib import Path

import recorded
import script


def main(day: str, *cuts: str) -> None:
    folder = Path(tempfile.mkdtemp())
    with gzip.open(day, "rt", newline="") as file:
        header, *rows = file.readlines()
    times = [quote.time.split(" ")[1] for quote in recorded.quotes(day)]
    assert len(times) == len(rows), "a row a line"
    bounds = ["", *cuts, "~"]
    for part, (start, end) in enumerate(zip(bounds, bounds[1:])):
        kept = [row for row, time in zip(rows, times) if start <= time < end]
        assert kept, f"no quotes from {start} to {end}"
        with gzip.open(folder / f"{part}.csv.gz", "wt", newline="") as file:
            file.writelines([header, *kept])
    print(folder)


if __name__ == "__main__":
    script.run(main)
