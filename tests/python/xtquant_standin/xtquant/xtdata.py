"""Plays quotes to whoever subscribes, as xtquant.xtdata does, by a plan on disk.

The folder of XTQUANT_STANDIN holds `plan.json`, written by the test:

    symbols     securities 600000.SH, 600001.SH, …
    rounds      callbacks to play; round N gives every security the volume N
    pace_ms     pause between two callbacks
    payloads    file with recorded payloads, one a line, to play instead; each is one callback
    whole_quote, quote, full_tick   "ok", "refuse" or "raise"; full_tick also "empty"
    refuse      codes that subscribe_quote refuses
    per_call    securities of one callback; 0: all (a full terminal calls once a security)
    odd         every so many ticks have another shape, 0: none

    history     what the terminal has of the past, see `_History`

`played` keeps the next round, so that a restarted bridge hears what comes after. `limit`, when it is
there, is the last round to play for now. `connected` with a 0 in it: the terminal is gone.
"""

import json
import os
import threading
import time
from pathlib import Path

FOLDER = Path(os.environ["XTQUANT_STANDIN"])
PLAN = json.loads((FOLDER / "plan.json").read_text())
# The vendor's own example of subscribe_whole_quote.
EXAMPLE = {
    "time": 1733118954000, "lastPrice": 11.39, "open": 11.39, "high": 11.4, "low": 11.31,
    "lastClose": 11.38, "amount": 862127800.0, "volume": 758613, "pvolume": 75861284,
    "stockStatus": 3, "openInt": 13, "transactionNum": 37062, "lastSettlementPrice": 11.38,
    "settlementPrice": 0.0, "pe": 0.0, "askPrice": [11.4, 11.41, 11.42, 11.43, 11.44],
    "bidPrice": [11.39, 11.38, 11.370000000000001, 11.36, 11.35],
    "askVol": [10929, 12401, 6671, 4555, 6708], "bidVol": [2429, 7127, 7146, 9111, 12189],
    "volRatio": 0.0, "speed1Min": 0.0, "speed5Min": 0.0,
}

_lock = threading.Lock()
_callbacks = {}
_numbers = 0
_player = None
_started = None
_latest = {}


def _codes():
    return ["%06d.SH" % (600000 + index) for index in range(PLAN.get("symbols", 0))]


def _read(name, default):
    try:
        return int((FOLDER / name).read_text() or default)
    except (OSError, ValueError):
        return default


def _keep(name, value):
    path = FOLDER / (name + ".new")
    path.write_text(str(value))
    path.replace(FOLDER / name)


class _Client:
    def is_connected(self):
        return _read("connected", 1) == 1


def get_client():
    return _Client()


def get_stock_list_in_sector(sector):
    if _read("connected", 1) != 1:
        raise Exception("无法连接xtquant服务，请检查QMT-投研版或QMT-极简版是否开启")
    return _codes() if sector == "沪深A股" else []


def _allowed(call):
    how = PLAN.get(call, "ok")
    if how == "raise":
        raise Exception("function not realize")
    return how != "refuse"


def subscribe_whole_quote(code_list, callback=None):
    return _subscribe(None, callback) if _allowed("whole_quote") else -1


def subscribe_quote(stock_code, period="1d", start_time="", end_time="", count=0, callback=None):
    assert period == "tick"
    if not _allowed("quote") or stock_code in PLAN.get("refuse", []):
        return -1
    return _subscribe(stock_code, callback)


def unsubscribe_quote(seq):
    with _lock:
        _callbacks.pop(seq, None)


def get_full_tick(code_list):
    how = PLAN.get("full_tick", "ok")
    if how == "raise":
        raise Exception("function not realize")
    if how == "empty":
        return {}
    if not _callbacks:
        _start()  # nobody else makes the quotes move
    with _lock:
        wanted = set(code_list)
        return {code: dict(tick) for code, tick in _latest.items()
                if code in wanted or code[-2:] in wanted}


def _subscribe(code, callback):
    global _numbers
    with _lock:
        _numbers += 1
        _callbacks[_numbers] = (code, callback)
        number = _numbers
    _start()
    return number


def _start():
    global _player
    with _lock:
        if _player is None:
            _player = threading.Thread(target=_play, daemon=True)
            _player.start()


def _tick(index, number):
    tick = dict(EXAMPLE)
    tick["time"] += number * 3000
    tick["volume"] = number
    tick["pvolume"] = number * 100 + index % 50
    tick["amount"] = round(tick["pvolume"] * 11.39, 2)
    for place, name in enumerate(("askVol", "bidVol")):
        # looks random, so that it does not pack better than real sizes
        tick[name] = [(index * 7919 + number * 104729 + level * 15485863 + place * 32452843) * 2654435761
                      % 2 ** 32 % 20000 for level in range(5)]
    every = PLAN.get("odd", 0)
    if every and (index + number) % every == 0:
        kind = (index + number) // every % 4
        if kind == 0:
            tick["volume"] = str(number)
        elif kind == 1:
            tick["askPrice"], tick["askVol"] = [11.4], [7]
        elif kind == 2:
            del tick["pvolume"]
        else:
            tick["timetag"] = time.strftime("%Y%m%d %H:%M:%S", time.gmtime(tick.pop("time") // 1000 + 28800))
    return tick


def _rounds():
    recorded = PLAN.get("payloads")
    if recorded:
        for line in Path(recorded).read_text().splitlines():
            yield json.loads(line)
        return
    codes = _codes()
    for number in range(1, PLAN["rounds"] + 1):
        yield {code: _tick(index, number) for index, code in enumerate(codes)}


def _play():
    begin = _read("played", 1)
    for number, data in enumerate(_rounds(), 1):
        if number < begin:
            continue
        while number > _read("limit", 1 << 60) or _read("connected", 1) != 1:
            time.sleep(0.005)
        with _lock:
            _latest.update({code: tick for code, tick in data.items() if isinstance(tick, dict)})
            targets = list(_callbacks.values())
        for code, callback in targets:
            if code is None:
                step = PLAN.get("per_call") or len(data)
                items = list(data.items())
                for start in range(0, len(items), step):
                    callback(dict(items[start:start + step]))
            elif code in data:
                callback({code: [data[code]]})
        _keep("played", number + 1)
        time.sleep(PLAN.get("pace_ms", 0) / 1000)


class _History:
    """Rows of the past, as the plan's `history` has them:

    rows        {period: {code: [row, ...]}}, each row as get_market_data_ex has it; of ticks too
    late        so many reads after a download until its rows are there
    padding     "flags" (volume 0, suspendFlag 1), "zeros" or "close" (the close before, volume 0): what
                a window looks like before its rows are there; without it there is none
    never       codes whose rows never come, however often they are downloaded
    first_reads {code: N}: only the first N rows are there until the code was downloaded twice
    callbacks   "real", "manual" (where the code stands in a callback) or "none"
    raise       a text that every download raises
    """

    def __init__(self):
        self.plan = PLAN.get("history", {})
        self.downloads = {}
        self.reads = {}
        self.lock = threading.Lock()

    def download(self, codes, period, start, end, callback):
        _need_terminal()
        if self.plan.get("raise"):
            raise Exception(self.plan["raise"])
        assert len(codes) <= 500, "xtquant takes no more"
        with self.lock:
            _note("downloads", "%s %s %s %d" % (period, start, end, len(codes)))
            for code in codes:
                self.downloads[code, period] = self.downloads.get((code, period), 0) + 1
                self.reads[code, period] = 0
        how = self.plan.get("callbacks", "real")
        for place, code in enumerate(codes):
            if how != "none":
                callback({"finished": place + 1, "total": len(codes),
                          "stockcode": code if how == "manual" else "",
                          "message": "" if how == "manual" else code})

    def read(self, codes, period, start, end):
        import pandas

        _need_terminal()
        frames = {}
        for code in codes:
            with self.lock:
                self.reads[code, period] = self.reads.get((code, period), 0) + 1
                rows = self.rows(code, period)
            inside = [row for row in rows if start <= _label(row, period)[:len(start)] and
                      _label(row, period)[:len(end)] <= end]
            index = [_label(row, period) for row in inside]
            frames[code] = pandas.DataFrame(inside, index=index)
        return frames

    def rows(self, code, period):
        rows = self.plan.get("rows", {}).get(period, {}).get(code, [])
        downloads = self.downloads.get((code, period), 0)
        is_there = downloads > 0 and self.reads[code, period] > self.plan.get("late", 0)
        if not is_there or code in self.plan.get("never", []):
            return _padded(rows, self.plan.get("padding"))
        short = self.plan.get("first_reads", {}).get(code)
        return rows[:short] if short is not None and downloads < 2 and period != "1d" else rows


def _padded(rows, how):
    if how is None:
        return []
    out = []
    for row in rows:
        row = dict(row, volume=0, amount=0.0)
        price = {"zeros": 0.0, "close": row.get("preClose", 0.0)}.get(how)
        if price is not None:
            row.update(open=price, high=price, low=price, close=price)
        row["suspendFlag"] = 1 if how == "flags" else 0
        out.append(row)
    return out


def _label(row, period):
    return time.strftime("%Y%m%d" if period == "1d" else "%Y%m%d%H%M%S",
                         time.gmtime(row["time"] // 1000 + 8 * 3600))


def _need_terminal():
    if _read("connected", 1) != 1:
        raise Exception("无法连接xtquant服务，请检查QMT-投研版或QMT-极简版是否开启")


def _note(name, line):
    with open(FOLDER / name, "a") as file:
        file.write(line + "\n")


_history = _History()


def download_history_data2(stock_list, period, start_time="", end_time="", callback=None, incrementally=None):
    _history.download(stock_list, period, start_time, end_time, callback)


def get_market_data_ex(field_list=[], stock_list=[], period="1d", start_time="", end_time="", count=-1,
                       dividend_type="none", fill_data=True):
    assert not field_list and count == -1 and dividend_type == "none" and not fill_data
    return _history.read(stock_list, period, start_time, end_time)
