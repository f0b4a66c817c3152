"""Prints how many batches, in a row from 1 on, and how many records a database of py-store has."""

import sqlite3
import sys

rows = sqlite3.connect(sys.argv[1]).execute("SELECT sequence, records FROM batches ORDER BY sequence")
numbers, records = zip(*rows)
assert list(numbers) == list(range(1, len(numbers) + 1)), numbers
print(len(numbers), sum(records))
