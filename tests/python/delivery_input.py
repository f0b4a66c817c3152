"""Joins the recorded days to one file in the order of time, for one replay to play all of them.

usage: delivery_input.py JOINED EVERY RECORDED_DAY...

Of every so many moments with quotes one is taken, with all its quotes. Numbers are written as Python reads and prints them, which keeps every bit.
"""

import csv

import delivery_record
import recorded
import script


def main(joined: str, every: str, *days: str) -> None:
    quotes = [quote for day in days for quote in recorded.quotes(day)]
    quotes.sort(key=lambda quote: quote.time)
    moments = dict.fromkeys(quote.time for quote in quotes)
    taken = set(list(moments)[:: int(every)])
    quotes = [quote for quote in quotes if quote.time in taken]
    with open(joined, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(delivery_record.HEADER)
        rows.writerows(delivery_record.row(quote) for quote in quotes)
    print(len(quotes))


if __name__ == "__main__":
    script.run(main)
