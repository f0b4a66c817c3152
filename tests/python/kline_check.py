"""Compares the bars in a lake with the rows of a recorded answer of the K-line service.

usage: kline_check.py LAKE RECORDING KEY SYMBOL FIRST LAST

Rows of the recording from the label FIRST to the label LAST must be there, once each and nothing
else; volumes are lots of 100 shares there. Prints how many there are.
"""

import json
from pathlib import Path

import pandas
import pyarrow
import pyarrow.parquet as parquet

import script

PERIODS = {"day": "day", "qfqday": "day", "m5": "5m"}


def expected(recording: str, key: str, first: str, last: str) -> pandas.DataFrame:
    data = json.loads(Path(recording).read_text(encoding="utf-8"))["data"]
    [of_symbol] = data.values()
    rows = [row[:6] for row in of_symbol[key] if first <= row[0] <= last]
    frame = pandas.DataFrame(rows, columns=["time", "open", "close", "high", "low", "lots"])
    layout = "%Y-%m-%d" if key.endswith("day") else "%Y%m%d%H%M"
    frame["time"] = pandas.to_datetime(frame["time"], format=layout)
    for name in ["open", "close", "high", "low"]:
        frame[name] = frame[name].astype(float)
    frame["volume"] = (frame["lots"].astype(float) * 100).round().astype("int64")
    return frame.sort_values("time").reset_index(drop=True)


def lake_rows(lake: str) -> pandas.DataFrame:
    files = sorted(Path(lake).rglob("*.parquet"))
    table = pyarrow.concat_tables(parquet.ParquetFile(file).read() for file in files)
    frame = table.to_pandas()
    frame["time"] = frame["time"].dt.tz_convert("Asia/Shanghai").dt.tz_localize(None)
    return frame.sort_values("time").reset_index(drop=True)


def main(lake: str, recording: str, key: str, symbol: str, first: str, last: str) -> None:
    found, wanted = lake_rows(lake), expected(recording, key, first, last)
    assert set(found["symbol"]) == {symbol}, f"{set(found['symbol'])}"
    assert set(found["period"]) == {PERIODS[key]}, f"{set(found['period'])}"
    assert list(found["time"]) == list(wanted["time"]), f"{list(found['time'])}, not {list(wanted['time'])}"
    for name in ["open", "high", "low", "close", "volume"]:
        assert list(found[name]) == list(wanted[name]), f"{name}: {list(found[name])}, not {list(wanted[name])}"
    assert (found["amount"] == 0).all(), "the service tells no turnover here"
    assert found["closed"].all(), "all of it is past"
    print(f"{len(found)} bars")


if __name__ == "__main__":
    script.run(main)
