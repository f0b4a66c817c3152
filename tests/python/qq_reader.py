"""Reads lines of the Tencent quote service by the list of fields that was written down for them.

usage: qq_reader.py FILE...

An implementation of its own: nothing of it is shared with the host. Prints a JSON object a line of
the files, in order: `skip` with the reason, or the values in base units (CNY, shares, seconds since
1970 UTC). Uses the standard library only.
"""

import datetime
import json
from decimal import Decimal

import script

MARKETS = {"sh": "SH", "sz": "SZ", "bj": "BJ"}
SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))
LOT = 100


def read(line: str) -> dict:
    name, _, rest = line.strip().partition("=")
    symbol = name.removeprefix("v_")
    if symbol == "pv_none_match":
        return {"skip": "none"}
    if symbol.startswith("s_"):
        return {"skip": "short"}
    market = MARKETS.get(symbol[:2])
    if market is None:
        return {"skip": "foreign"}
    field = rest.removesuffix(";").removeprefix('"').removesuffix('"').split("~")
    if field[40] == "U":
        return {"skip": "unlisted"}
    is_star = symbol.startswith(("sh688", "sh689"))
    # STAR volumes are in shares, all others in lots
    volume = int(field[6]) * (1 if is_star else LOT)
    book_unit = LOT
    if is_star:
        book_unit = int(field[87]) if len(field) > 87 and field[87] else 1
    price, traded, amount = field[35].split("/")
    if (price, traded) != (field[3], field[6]):
        # 2012 and 2013: it lags behind
        precise = field[57] if len(field) > 57 and field[57] else field[37]
        amount = Decimal(precise) * 10_000
    moment = datetime.datetime.strptime(field[30], "%Y%m%d%H%M%S").replace(tzinfo=SHANGHAI)
    levels = range(5)
    return {
        "market": market,
        "code": field[2],
        "name": field[1],
        "time": int(moment.timestamp()),
        "pre_close": float(field[4]),
        "open": float(field[5]),
        "high": float(field[33]),
        "low": float(field[34]),
        "close": float(field[3]),
        "amount": float(amount),
        "volume": volume,
        "bid": [float(field[9 + 2 * level]) for level in levels],
        "bid_volume": [int(field[10 + 2 * level]) * book_unit for level in levels],
        "ask": [float(field[19 + 2 * level]) for level in levels],
        "ask_volume": [int(field[20 + 2 * level]) * book_unit for level in levels],
    }


def main(*files: str) -> None:
    for path in files:
        with open(path, encoding="gbk") as text:
            for line in text:
                if line.strip():
                    print(json.dumps(read(line)))


if __name__ == "__main__":
    script.run(main)
