"""Reads recorded prints of xtquant's history, and compares a lake with them.

usage: qmt_history_check.py rows RECORDING
       qmt_history_check.py lake RECORDING LAKE SYMBOL PERIOD

`rows` prints the rows of a recording as JSON, each as get_market_data_ex has it. `lake` wants every row
with a volume in the lake, once and nothing else: volumes there are lots of 100 shares, a minute is
labelled by its end and a day by its first moment. Prints how many bars there are.
"""

import json
import re
import sys
from pathlib import Path

import pandas
import pyarrow
import pyarrow.parquet as parquet

import script

PRICES = ["open", "high", "low", "close"]


def rows(recording: str) -> list[dict]:
    header, found = None, []
    for line in Path(recording).read_text(encoding="utf-8").splitlines():
        words = re.sub(r"^\{'[^']+':|\}$", "", line.strip()).split()
        if words and re.fullmatch(r"\d{8}(\d{6})?", words[0]):
            assert header and len(words) == 1 + len(header), line
            row = dict(zip(header, map(float, words[1:])))
            label = pandas.to_datetime(words[0].ljust(14, "0"), format="%Y%m%d%H%M%S")
            row.setdefault("time", label.tz_localize("Asia/Shanghai").timestamp() * 1000)
            found.append({name: int(value) if value.is_integer() else value for name, value in row.items()})
        elif "open" in words:
            header = words
    return found


def compare(recording: str, lake: str, symbol: str, period: str) -> None:
    wanted = pandas.DataFrame([row for row in rows(recording) if row["volume"] > 0])
    files = sorted(Path(lake).rglob("*.parquet"))
    table = pyarrow.concat_tables(parquet.ParquetFile(file).read() for file in files)
    found = table.to_pandas().sort_values("time").reset_index(drop=True)
    assert set(found["symbol"]) == {symbol} and set(found["period"]) == {period}, found
    times = found["time"].map(lambda time: int(time.timestamp() * 1000)).tolist()
    assert times == wanted["time"].tolist(), f"{times}, not {wanted['time'].tolist()}"
    for name in PRICES:
        assert found[name].tolist() == wanted[name].tolist(), f"{name}: {found[name].tolist()}"
    assert found["volume"].tolist() == (wanted["volume"] * 100).tolist(), found["volume"].tolist()
    amounts = wanted["amount"] if "amount" in wanted else wanted["volume"] * 0.0
    assert found["amount"].tolist() == amounts.tolist(), found["amount"].tolist()
    assert found["closed"].all(), "all of it is past"
    assert set(found["source"]) == {"past"}, set(found["source"])
    print(f"{len(found)} bars")


def main(what: str, recording: str, *rest: str) -> None:
    if what == "rows":
        json.dump(rows(recording), sys.stdout)
    else:
        compare(recording, *rest)


if __name__ == "__main__":
    script.run(main)
