"""Writes a recorded day of Shenzhen with what no recording has: silent minutes, trades after the close.

usage: after_hours_day.py RECORDED_DAY

ChiNext stocks trade on at their closing price from 15:05 to 15:30; a stock of the main board has
quotes then, too, whose totals grow by mistake. One stock has quotes in every fourth minute of the
sessions alone. Prints the file, in a folder of its own.
"""

import csv
import gzip
import tempfile
from pathlib import Path

import script

TIMES = ["15:05:00.000", "15:05:30.000", "15:09:59.000", "15:10:00.000", "15:23:12.000", "15:30:00.000"]


def is_silent(row: dict) -> bool:
    hour, minute = row["MDTime"].split(":")[:2]
    return row["SecurityID"] == "300918.SZ" and "09:30" <= f"{hour}:{minute}" and int(minute) % 4 != 0


def main(day: str) -> None:
    path = Path(tempfile.mkdtemp()) / "day.csv.gz"
    with gzip.open(day, "rt", newline="") as file:
        rows = csv.DictReader(file)
        names, all_rows = rows.fieldnames, [row for row in rows if not is_silent(row)]
    last = {row["SecurityID"]: row for row in all_rows}
    for number, time in enumerate(TIMES):
        for row in last.values():
            # nothing is traded in the first and the fourth
            traded = 100 * (number + 1) * (number not in (0, 3))
            row = last[row["SecurityID"]] = dict(row, MDTime=time)
            row["TotalVolumeTrade"] = str(int(row["TotalVolumeTrade"]) + traded)
            row["TotalValueTrade"] = repr(float(row["TotalValueTrade"]) + traded * float(row["LastPx"]))
            all_rows.append(row)
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(all_rows)
    print(path)


if __name__ == "__main__":
    script.run(main)
