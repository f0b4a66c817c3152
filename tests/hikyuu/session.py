"""The real Hikyuu with a data folder of its own in $HOME; every script of this folder begins here.

The data folder is the one of the fixtures ($FIXTURE) with the securities of the recorded days added
and empty files for minute bars, so that every type can be kept in memory.
"""

import json
import os
import shutil
import sqlite3
import sys
import traceback
from pathlib import Path

TYPES = ["DAY", "MIN", "MIN5", "MIN15", "MIN30", "MIN60", "HOUR2"]
FILES = {"day": "day", "min": "1min", "min5": "5min", "time": "time", "trans": "trans"}


# answers have a way of their own; what Hikyuu prints goes where it logs
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def say(answer) -> None:
    """One line of JSON for the test that started the script."""
    print(json.dumps(answer, ensure_ascii=False), file=ANSWERS, flush=True)


def data_folder(types=TYPES, added=()) -> Path:
    """Makes the data folder and returns the path of its configuration."""
    import h5py

    folder = Path.home() / "data"
    shutil.copytree(os.environ["FIXTURE"], folder)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    folder.chmod(0o755)
    with sqlite3.connect(folder / "stock.db") as database:
        add_securities(database, added)
    database.close()
    kdata = ["[kdata]", "type = hdf5"]
    for market in ("sh", "sz", "bj"):
        for name, stem in FILES.items():
            path = folder / f"{market}_{stem}.h5"
            if not path.exists():
                h5py.File(path, "w").close()
            kdata.append(f"{market}_{name} = {path}")
    names = ["day", "week", "month", "quarter", "halfyear", "year"]
    names += ["min", "min5", "min15", "min30", "min60", "hour2"]
    preload = ["[preload]", *(f"{name} = {name.upper() in types}" for name in names)]
    preload += [f"{name}_max = 100000" for name in names]
    base = ["[hikyuu]", f"tmpdir = {folder}", f"datadir = {folder}"]
    base += ["[block]", "type = qianlong", f"dir = {folder}/block"]
    base += ["[baseinfo]", "type = sqlite3", f"db = {folder}/stock.db"]
    path = folder / "hikyuu.ini"
    path.write_text("\n".join([*base, *preload, *kdata]) + "\n")
    return path


def add_securities(database, added) -> None:
    markets = {name: number for number, name in database.execute("SELECT marketid, market FROM Market")}
    known = set(database.execute("SELECT marketid, code FROM Stock"))
    for symbol in added:
        key = (markets[symbol[:2]], symbol[2:])
        if key not in known:
            row = (*key, symbol, 1, 1, 20000101, 99999999)
            database.execute(
                "INSERT INTO Stock (marketid, code, name, type, valid, startDate, endDate) VALUES (?,?,?,?,?,?,?)",
                row,
            )


def fail(kind, error, trace) -> None:
    """A script that fails must end, which Hikyuu's threads would prevent."""
    traceback.print_exception(kind, error, trace)
    leave(130 if kind is KeyboardInterrupt else 1)


sys.excepthook = fail


def start(types=TYPES, added=()):
    """Starts Hikyuu; returns its module."""
    path = data_folder(types, added)
    import hikyuu

    hikyuu.hikyuu_init(str(path))
    # it returns before the bars are in memory, and what comes from then on would be replaced
    hikyuu.StockManager.instance().wait_data_ready()
    return hikyuu


def bars(hikyuu, symbol: str, ktype: str, day: str) -> list:
    """The bars of a security from that day on: [time, open, high, low, close, amount, volume]."""
    query = hikyuu.Query(hikyuu.Datetime(day), ktype=getattr(hikyuu.Query, ktype))
    return [
        [str(bar.datetime), bar.open, bar.high, bar.low, bar.close, bar.amount, bar.volume]
        for bar in hikyuu.get_stock(symbol).get_kdata(query)
    ]


def leave(code: int = 0) -> None:
    """Ends the process without taking Hikyuu apart, whose threads may still be at work."""
    for stream in (ANSWERS, sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
