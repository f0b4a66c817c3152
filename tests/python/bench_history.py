"""Makes a lake of 1-minute bars, as another tool would.

usage: bench_history.py LAKE SECURITIES DAYS

Prints the first and the last day.
"""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow
import pyarrow.parquet as parquet

import script

CALENDAR = Path(__file__).parents[2] / "config/trading_days.txt"
BEFORE = "20260101"
ZONE = timezone(timedelta(hours=8))


def main(lake: str, securities: str, days: str) -> None:
    codes = [f"{600000 + number}.SH" for number in range(int(securities))]
    known = [line for line in CALENDAR.read_text().splitlines() if line[:1].isdigit() and line < BEFORE]
    dates = [f"{day[:4]}-{day[4:6]}-{day[6:8]}" for day in known[-int(days) :]]
    minutes = [*range(571, 691), *range(781, 901)]
    rows = len(codes) * len(minutes)
    price = pyarrow.array([10.0] * rows)
    columns = {
        "symbol": pyarrow.array([code for code in codes for _ in minutes]),
        "period": pyarrow.array(["1m"] * rows),
        "open": price, "high": price, "low": price, "close": price,
        "amount": pyarrow.array([1000.0] * rows),
        "volume": pyarrow.array([100] * rows, pyarrow.int64()),
        "closed": pyarrow.array([True] * rows),
    }  # fmt: skip
    for date in dates:
        midnight = datetime.fromisoformat(date).replace(tzinfo=ZONE)
        times = [midnight + timedelta(minutes=minute) for minute in minutes] * len(codes)
        time = pyarrow.array(times, pyarrow.timestamp("us", "UTC"))
        folder = Path(lake, "kind=bar", f"date={date}")
        folder.mkdir(parents=True)
        parquet.write_table(pyarrow.table({**columns, "time": time}), folder / "bars.parquet")
    print(dates[0], dates[-1])


if __name__ == "__main__":
    script.run(main)
