"""What stands in the pages works as it stands: every block that imports the package is run."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from conftest import PATIENCE, REPOSITORY, Host, Redis, free_port, morning

PAGES = ["README.md", "README.zh-CN.md", "docs/PYTHON.md", "docs/REDIS.md", "docs/OPERATIONS.md"]
#: Loops over feeds and streams have no end; this many turns are enough.
TURNS = 3
PRELUDE = f"""
import dataserver
def ending(kind):
    take = kind.__next__
    def take_some(self):
        self.turns = getattr(self, "turns", 0) + 1
        if self.turns > {TURNS}: raise StopIteration
        return take(self)
    kind.__next__ = take_some
    take_async = getattr(kind, "__anext__", None)
    async def take_some_async(self):
        self.turns = getattr(self, "turns", 0) + 1
        if self.turns > {TURNS}: raise StopAsyncIteration
        return await take_async(self)
    kind.__anext__ = take_some_async
ending(dataserver.Subscription)
ending(dataserver.Consumer)
"""


def blocks() -> list:
    found = []
    for page in PAGES:
        text = (REPOSITORY / page).read_text()
        for match in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S):
            if "import dataserver" in match[1]:
                line = text.count("\n", 0, match.start()) + 1
                found.append(pytest.param(match[1], id=f"{page}:{line}"))
    assert len(found) >= 9, found
    return found


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A host with everything that the pages read: feed, lake, streams, control interface."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "redis").mkdir()
    redis = Redis(folder / "redis")
    redis.client.xgroup_create("minute_bar_stream", "minute_bar_consumers", id="0", mkstream=True)
    plugins = ["replay", "bars", "nng-pub", "parquet", "redis-stream"]
    bars = '[transforms.bars]\nplugin = "bars"\ninputs = ["morning"]\n'
    stores = (
        '[sinks.lake]\nplugin = "parquet"\ninputs = ["morning", "bars"]\npath = "data/lake"\n'
        f'[sinks.out]\nplugin = "redis-stream"\ninputs = ["bars"]\nurl = "{redis.url}"\n'
    )
    filled = Host(folder, plugins, f"{morning()}\n{bars}{stores}")
    assert filled.wait() == 0, filled.lines
    port, feed = free_port(), f"ipc://{folder}/feed.ipc"
    # a day that does not end while the pages are read
    live = Host(
        folder,
        plugins,
        f'[host]\nhttp = "127.0.0.1:{port}"\n{morning(speed=20.0)}\n'
        f'[sinks.feed]\nplugin = "nng-pub"\ninputs = ["morning"]\nlisten = ["{feed}"]\n'
        '[sinks.lake]\nplugin = "parquet"\ninputs = ["morning"]\npath = "data/other"\n',
    )
    live.wait_for("the pipeline runs")
    addresses = {
        "ipc:///tmp/hikyuu_real.ipc": feed,
        "redis://127.0.0.1": redis.url,
        "http://127.0.0.1:9280": f"http://127.0.0.1:{port}",
        # two of the twenty stocks that are replayed
        '"600000.SH", "000001.SZ"': '"605303.SH", "688339.SH"',
    }
    yield folder, addresses
    live.stop()
    redis.stop()


@pytest.mark.parametrize("text", blocks())
def test_a_block_of_a_page_runs(bench, text):
    folder, addresses = bench
    for there, here in addresses.items():
        text = text.replace(there, here)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", PRELUDE + text],
        cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )
    assert ran.returncode == 0, f"{ran.stderr}\n{text}"
    if "print(" in text:
        assert ran.stdout.strip(), text


def test_the_example_draws_the_line_of_a_day(start_host, tmp_path):
    feed = f"ipc://{tmp_path}/feed.ipc"
    start_host(
        ["replay", "nng-pub"],
        f'[sources.day]\nplugin = "replay"\npath = "{REPOSITORY}/config/samples/sse_20230201_600519_l1.csv.gz"\n'
        + DAY_OF_600519
        + f'[sinks.feed]\nplugin = "nng-pub"\ninputs = ["day"]\nlisten = ["{feed}"]\nwait_subscribers = 1\n'
        'slow_subscriber = "wait"\n',
        until=None,
    )
    picture = tmp_path / "intraday.png"
    script = REPOSITORY / "docs/examples/intraday.py"
    ran = subprocess.run(
        [sys.executable, script, "--feed", feed, "--symbol", "600519.SH", "--seconds", "20", "--picture", picture],
        capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    quotes, minutes = map(int, re.match(r"(?:no more.*\n)?(\d+) quotes, (\d+) minutes", ran.stdout).groups())
    assert quotes > 4_000 and 238 <= minutes <= 242, ran.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


DAY_OF_600519 = """\
market = "SH"
date = "2023-02-01"
first_level = 1
speed = 0.0
units = { volume = "shares", amount = "cny" }
[sources.day.columns]
code = "SecurityID"
time = "UpdateTime"
pre_close = "PreCloPrice"
open = "OpenPrice"
high = "HighPrice"
low = "LowPrice"
close = "LastPrice"
volume = "TradVolume"
amount = "Turnover"
"""
