"""Reads payloads of xtquant, one JSON value a line, without anything of the host's.

Prints a line for each: a list of quotes in base units, each `{"symbol", "time_us", "pre_close", …}`,
with `{"refused": reason}` in the place of what gives none; or `{"error": …}` for what is no JSON.
Written from the description of the fields alone, as a second opinion.

usage: qmt_reader.py FILE
"""

import datetime
import json
import math
import re
import sys

CHINA = datetime.timezone(datetime.timedelta(hours=8))
KNOWN = {
    "time", "stime", "timetag", "lastPrice", "open", "high", "low", "lastClose", "amount", "volume",
    "pvolume", "openInt", "askPrice", "bidPrice", "askVol", "bidVol", "preClose", "suspendFlag",
    "openInterest",
}
BAR_ONLY = {"preClose", "suspendFlag", "openInterest"}
MARKETS = {
    "SH": "SH", "SSE": "SH", "SHSE": "SH", "XSHG": "SH", "SS": "SH",
    "SZ": "SZ", "SZSE": "SZ", "XSHE": "SZ",
    "BJ": "BJ", "BSE": "BJ", "BJSE": "BJ", "XBSE": "BJ",
}
EARLIEST_MS, LATEST_MS = 946684800000, 4102444800000


class Refused(Exception):
    pass


class Pairs(list):
    """A JSON object with its keys in order, repeated ones included."""


def number(value):
    """A float; None when absent. Refuses what is no number."""
    if value is None:
        return None
    if isinstance(value, bool) or isinstance(value, (list, Pairs)):
        raise Refused("malformed")
    if isinstance(value, str):
        if not re.fullmatch(r"-?(\d+\.?\d*|\.\d+)", value, re.ASCII):
            raise Refused("malformed")
        value = float(value)
    try:
        value = float(value)
    except OverflowError:
        raise Refused("malformed")
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise Refused("malformed")
    return value


def price(value):
    value = number(value)
    if value is None:
        return None
    if value < 0 or value >= 1e7:
        raise Refused("malformed")
    return math.floor(value * 10000 + 0.5) / 10000


def total(value):
    value = number(value)
    if value is not None and not 0 <= value < 2 ** 53:
        raise Refused("malformed")
    return value


def whole(value):
    if abs(value - round(value)) >= 1e-6 or not 0 <= round(value) < 2 ** 53:
        raise Refused("malformed")
    return int(round(value))


def moment(text):
    """Microseconds since 1970 of `20231106 15:00:04`, `20250929 10:13:41.153`, `20231107110321.000`."""
    text, day = text.strip(), r"(\d{4})(\d\d)(\d\d)"
    match = (re.fullmatch(day + r" (\d\d):(\d\d):(\d\d)(?:\.(\d+))?", text, re.ASCII)
             or re.fullmatch(day + r"(\d\d)(\d\d)(\d\d)(?:\.(\d+))?", text, re.ASCII))
    if not match:
        return None
    try:
        base = datetime.datetime(*(int(part) for part in match.groups()[:6]), tzinfo=CHINA)
    except ValueError:
        return None
    micros = int((match.group(7) or "")[:6].ljust(6, "0"))
    return int(base.timestamp()) * 1000000 + micros


def time_of(fields):
    given = number_or_refused_time(fields.get("time"))
    if given is not None:
        if not EARLIEST_MS <= given < LATEST_MS:
            raise Refused("no_time")
        return int(math.floor(given * 1000 + 0.5))
    text = ""
    for key in ("timetag", "stime"):
        if key in fields:
            value = fields[key]
            text = value if isinstance(value, str) else ""
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                text = str(value)
    at = moment(text)
    if at is None or not EARLIEST_MS * 1000 <= at < LATEST_MS * 1000:
        raise Refused("no_time")
    return at


def number_or_refused_time(value):
    try:
        return number(value)
    except Refused:
        raise Refused("no_time")


def kind_of(market, code):
    """share, index, bond (or preferred share), repo, or unknown, whose turnover may be of another
    currency."""
    table = {
        "SH": [("20", "repo"), ("000", "index"), ("360", "bond"), ("900", "unknown"), ("60", "share"),
               ("688", "share"), ("689", "share"), ("5", "share"), ("01", "bond"), ("02", "bond"),
               ("1", "bond"), ("2", "bond")],
        "SZ": [("131", "repo"), ("39", "index"), ("20", "unknown"), ("00", "share"), ("30", "share"),
               ("15", "share"), ("16", "share"), ("18", "share"), ("10", "bond"), ("11", "bond"),
               ("12", "bond"), ("13", "bond"), ("14", "bond"), ("19", "bond")],
        "BJ": [("899", "index"), ("43", "share"), ("83", "share"), ("87", "share"), ("88", "share"),
               ("92", "share"), ("81", "bond"), ("82", "bond")],
    }
    for prefix, kind in table[market]:
        if code.startswith(prefix):
            return kind
    return "unknown"


def guesses_of(volume, pvolume, kind):
    """Shares and units of the book that may be meant, and how sure that is: yes, usual, no."""
    if kind in ("bond", "repo"):
        ways, units = [], (10, 1, 100)
        if volume and pvolume:
            rest = [unit for unit in units if unit > 1 and abs(pvolume - unit * volume) < unit]
            ways = [(pvolume, unit) for unit in rest[:1]]
        return ways + [((volume or pvolume) * unit, unit) for unit in units], "no"
    if volume is None:
        return [(pvolume, 100), (pvolume * 100, 100)], "usual"
    if pvolume is None or pvolume == volume:
        return [(volume * 100, 100), (volume, 1)], "usual"
    if -100 < pvolume - volume * 100 < 100:
        return [(pvolume, 100)], "yes"
    if pvolume == 0:
        return [(volume * 100, 100), (volume, 1)], "usual"
    if volume == 0:
        return [(pvolume, 100)], "yes"
    if -10 < pvolume - volume * 10 < 10:
        return [(pvolume, 10), (volume * 100, 100), (volume, 1)], "usual"
    return [(volume * 100, 100), (pvolume, 100), (volume, 1)], "no"


def units(volume, pvolume, amount, low, high, kind, late):
    """Shares, CNY, and shares in a unit of the book, None where nothing tells."""
    if volume is None and pvolume is None:
        raise Refused("missing")
    if kind in ("bond", "repo") and not volume and not pvolume:
        return 0, amount, None
    guesses, sure = guesses_of(volume, pvolume, kind)
    tells = low is not None and amount != 0 and kind in ("share", "bond", "repo")

    def fitting(cny):
        if low is None or kind == "index":
            return None
        least, most = (100.0, 100.0) if kind == "repo" else (low, high)
        for shares, unit in guesses:
            if shares and least / 2 <= cny / shares <= most * 2:
                return shares, unit
        return None

    plain, mended = fitting(amount), fitting(amount / 100) if late else None
    alone = volume is None
    if plain and mended and alone and mended[0] == pvolume and plain[0] != pvolume:
        return mended[0], amount / 100, mended[1]
    if plain:
        return plain[0], amount, plain[1]
    if mended and sure != "no":
        return mended[0], amount / 100, mended[1]
    if sure == "yes" or (sure == "usual" and not tells) or (sure == "no" and kind == "index"):
        return guesses[0][0], amount, guesses[0][1]
    raise Refused("malformed")


def side(prices, sizes, unit):
    def items(value):
        if value is None:
            return []
        if not isinstance(value, list) or isinstance(value, Pairs):
            raise Refused("malformed")
        return value[:10]

    prices = [price(item) for item in items(prices)]
    sizes = [total(item) for item in items(sizes)]
    if None in prices or None in sizes:
        raise Refused("malformed")
    sizes = [whole(size * (unit or 1)) for size in sizes]
    if not prices:
        return [], []
    if not sizes:
        return prices, [0] * len(prices)
    if len(prices) != len(sizes):
        raise Refused("malformed")
    return prices, sizes if unit else [0] * len(sizes)


def quote(code, fields):
    security = security_of(code)
    if not security:
        raise Refused("other_market")
    code, market = security
    last_given = fields.get("lastPrice")
    is_absent = last_given is None or (isinstance(last_given, float) and math.isnan(last_given))
    if is_absent and BAR_ONLY & fields.keys():
        raise Refused("bar")
    last = price(last_given)
    if last is None:
        raise Refused("missing")
    day_open, high, low, pre_close = (
        price(fields.get(key)) or 0.0 for key in ("open", "high", "low", "lastClose"))
    time_us = time_of(fields)
    amount = total(fields.get("amount"))
    if amount is None:
        raise Refused("missing")
    volume, pvolume = total(fields.get("volume")), total(fields.get("pvolume"))
    try:
        phase = number(fields.get("openInt"))
    except Refused:
        phase = None
    shown = volume if volume is not None else pvolume
    if phase in (22, 23) and shown == 0 and amount == 0 and high != 0:
        raise Refused("volume_reset")
    if low and high:
        span = low, high
    elif last:
        span = last, last
    else:
        span = None, None
    kind = kind_of(market, code)
    local = datetime.datetime.fromtimestamp(time_us // 1000000, CHINA)
    late = (local.hour, local.minute) >= (15, 30)
    shares, amount, unit = units(volume, pvolume, amount, *span, kind, late)
    shares = whole(shares)
    bid, bid_volume = side(fields.get("bidPrice"), fields.get("bidVol"), unit)
    ask, ask_volume = side(fields.get("askPrice"), fields.get("askVol"), unit)
    return {
        "symbol": "%s.%s" % (code, market), "time_us": time_us, "pre_close": pre_close,
        "open": day_open, "high": high, "low": low, "close": last, "amount_cny": amount,
        "volume_shares": shares, "bid": bid, "bid_volume": bid_volume, "ask": ask,
        "ask_volume": ask_volume,
    }


def security_of(text):
    """Six digits and the market of `600519.SH`, `SH:600519`, `sh600519`, `600519.XSHG`; None for anything else."""
    text = text.strip()
    code, names = r"([0-9]{6})", "(%s)" % "|".join(MARKETS)
    match = re.fullmatch(code + r"\s*[.:_\- ]\s*" + names, text, re.ASCII | re.IGNORECASE)
    if match:
        return match.group(1), MARKETS[match.group(2).upper()]
    match = re.fullmatch(names + r"(?:\s*[.:_\- ]\s*)?" + code, text, re.ASCII | re.IGNORECASE)
    return match and (match.group(2), MARKETS[match.group(1).upper()])


def ticks_of(code, value, out):
    if isinstance(value, Pairs):
        fields, others, nested = {}, 0, 0
        for key, inner in value:
            if key in KNOWN:
                fields[key] = inner
            elif key[:1].isascii() and key[:1].isdigit():
                ticks_of(code, inner, out)
                nested += 1
            else:
                others += 1
        if fields or others or not nested:
            out.append((code, fields))
    elif isinstance(value, list):
        for inner in value:
            ticks_of(code, inner, out)
    elif security_of(code):
        out.append((code, {"lastPrice": float("inf")}))


def payload(value, out):
    if isinstance(value, Pairs):
        for key, inner in value:
            if key == "data":
                payload(inner, out)
            else:
                ticks_of(key, inner, out)
    elif isinstance(value, list):
        for inner in value:
            payload(inner, out)


def read(line):
    try:
        text = line.decode("utf-8")
        value = json.loads(text, object_pairs_hook=Pairs)
    except (ValueError, RecursionError) as error:
        return {"error": str(error)}
    found, out = [], []
    payload(value, found)
    for code, fields in found:
        try:
            out.append(quote(code, fields))
        except Refused as refused:
            out.append({"refused": str(refused)})
    return out


def main(path):
    with open(path, "rb") as file:
        for line in file.read().split(b"\n"):
            if line:
                print(json.dumps(read(line)))


if __name__ == "__main__":
    main(sys.argv[1])
