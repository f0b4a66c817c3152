"""Damages some rows of a recorded day, each in one way, and the last one, and writes the file anew.

usage: quality_damage.py RECORDED_DAY DAMAGED_DAY SEED
"""

import csv
import gzip
import random

import recorded
import script

# one row in so many
EVERY = 40


def main(day: str, damaged: str, seed: str) -> None:
    chance = random.Random(int(seed))
    with gzip.open(day, "rt", newline="") as file:
        rows = csv.DictReader(file)
        names, table = rows.fieldnames, list(rows)
    layout = next(layout for name, layout in recorded.LAYOUTS.items() if name in names)
    count = 0
    for row in table:
        if chance.randrange(EVERY) == 0:
            chance.choice(DAMAGES)(row, layout)
            count += 1
    # as QMT's last quotes of a day are
    zero(VOLUME, AMOUNT)(table[-1], layout)
    with gzip.open(damaged, "wt", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(table)
    print(f"{count + 1} rows damaged")


def scale(field: int, factor: float):
    def damage(row, layout):
        name = layout["names"][field]
        value = float(row[name] or 0) * factor
        row[name] = str(int(value)) if field == VOLUME else repr(value)

    return damage


def zero(*fields: int):
    def damage(row, layout):
        for field in fields:
            row[layout["names"][field]] = "0"

    return damage


def swap_high_low(row, layout):
    _, _, high, low, *_ = layout["names"]
    row[high], row[low] = row[low], row[high]


def close_above_high(row, layout):
    _, _, high, _, close, *_ = layout["names"]
    row[close] = repr(float(row[high] or 0) + 0.01)


def swap_sides(row, layout):
    bid, _, ask, _ = layout["book"]
    for level in layout["levels"]:
        row[f"{bid}{level}"], row[f"{ask}{level}"] = row[f"{ask}{level}"], row[f"{bid}{level}"]


def swap_levels(row, layout):
    first, second = list(layout["levels"])[:2]
    side = layout["book"][0]
    row[f"{side}{first}"], row[f"{side}{second}"] = row[f"{side}{second}"], row[f"{side}{first}"]


def empty_book(row, layout):
    for side in layout["book"]:
        for level in layout["levels"]:
            row[f"{side}{level}"] = "0"


PRE_CLOSE, OPEN, HIGH, LOW, CLOSE, AMOUNT, VOLUME = range(7)
DAMAGES = [
    scale(PRE_CLOSE, 2.0),
    scale(PRE_CLOSE, 1e-300),
    scale(OPEN, 0.97),
    scale(HIGH, 1.35),
    scale(LOW, 0.6),
    scale(CLOSE, 10.0),
    scale(CLOSE, 1e9),
    scale(AMOUNT, 100.0),
    scale(AMOUNT, 0.01),
    scale(AMOUNT, 0.9),
    scale(AMOUNT, 1e12),
    scale(VOLUME, 0.5),
    scale(VOLUME, 1e9),
    zero(CLOSE),
    zero(LOW),
    zero(VOLUME, AMOUNT),
    zero(PRE_CLOSE, OPEN, HIGH, LOW, CLOSE),
    swap_high_low,
    close_above_high,
    swap_sides,
    swap_levels,
    empty_book,
]


if __name__ == "__main__":
    script.run(main)
