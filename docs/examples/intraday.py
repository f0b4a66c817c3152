"""Draws the line of a day from a live feed: prices, their mean by volume, and the volume of each minute.

usage: intraday.py [--feed ADDRESS] [--symbol 000001.SZ] [--seconds 10] [--picture intraday.png]

A cell begins with ``# %%``, for editors that run them one by one. The picture shows what came until nobody
published for so many seconds, the day was over, or Ctrl-C was pressed.
"""

# %% What is drawn
from __future__ import annotations

import argparse

import matplotlib
import pyarrow

import dataserver as ds

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
arguments.add_argument("--feed", default="ipc:///tmp/hikyuu_real.ipc")
arguments.add_argument("--symbol", default="000001.SZ", help="平安银行 unless given")
arguments.add_argument("--seconds", type=float, default=10.0)
arguments.add_argument("--picture", default="intraday.png")
given = arguments.parse_args()

# %% The feed, until the day is over
tables = []
with ds.subscribe(given.feed, symbols=given.symbol, timeout=given.seconds) as rounds:
    try:
        for round in rounds:
            tables.append(round.to_arrow().select(["time", "close", "pre_close", "amount", "volume"]))
            if round.time.hour >= 15:
                break
    except (ds.NotReachable, KeyboardInterrupt) as why:
        print(f"no more quotes: {why!r}")
quotes = pyarrow.concat_tables(tables).to_pandas().query("close > 0").set_index("time").between_time("09:30", "15:00")

# %% A point a minute; the lunch break is cut out
minutes = quotes.resample("1min", label="right", closed="right").last().dropna()
minutes = minutes.drop(minutes.between_time("11:31", "13:00").index)
traded = minutes.volume.diff().fillna(minutes.volume)
mean = minutes.amount / minutes.volume
clock = [time.strftime("%H:%M") for time in minutes.index]
places = range(len(minutes))

# %% The picture
before = minutes.pre_close.iloc[-1]
colour = "firebrick" if minutes.close.iloc[-1] >= before else "seagreen"
figure, (above, below) = pyplot.subplots(2, 1, sharex=True, height_ratios=[3, 1], figsize=(9, 5))
above.plot(places, minutes.close, color=colour, linewidth=1, label="price, CNY")
above.plot(places, mean, color="goldenrod", linewidth=1, label="mean by volume, CNY")
above.axhline(before, color="grey", linewidth=0.8, linestyle="--", label="close of the day before")
above.legend(loc="best", fontsize=8)
above.set_title(f"{given.symbol}, {minutes.index[-1]:%Y-%m-%d %H:%M}")
below.bar(places, traded / 100, color=colour, width=1)
below.set_ylabel("lots")
below.set_xticks(places[:: max(len(minutes) // 8, 1)], clock[:: max(len(minutes) // 8, 1)])
figure.tight_layout()
figure.savefig(given.picture, dpi=80)
print(f"{len(quotes)} quotes, {len(minutes)} minutes: {given.picture}")
