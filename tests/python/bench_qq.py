"""Parses lines of the Tencent quote service the plain way, and prints the lines a second.

usage: bench_qq.py FILE RUNS

What a collector in Python does for each line: split it, turn the fields that are wanted into numbers
and put them into a dictionary. Prints the best of so many runs.
"""

import time

import script


def parse(line: str) -> dict:
    symbol, _, rest = line.partition("=")
    field = rest.strip().strip('";').split("~")
    return {
        "market": symbol[2:4].upper(),
        "code": field[2],
        "name": field[1],
        "datetime": field[30],
        "yesterday_close": float(field[4]),
        "open": float(field[5]),
        "high": float(field[33]),
        "low": float(field[34]),
        "close": float(field[3]),
        "amount": float(field[37]),
        "volume": float(field[36]),
        "bid": [float(field[place]) for place in range(9, 19, 2)],
        "bid_amount": [float(field[place]) for place in range(10, 19, 2)],
        "ask": [float(field[place]) for place in range(19, 29, 2)],
        "ask_amount": [float(field[place]) for place in range(20, 29, 2)],
    }


def main(path: str, runs: str) -> None:
    with open(path, "rb") as file:
        answer = file.read()
    best, records = float("inf"), []
    for _ in range(int(runs)):
        started = time.perf_counter()
        records = [parse(line) for line in answer.decode("gbk").splitlines()]
        best = min(best, time.perf_counter() - started)
    print(len(records) / best)


if __name__ == "__main__":
    script.run(main)
