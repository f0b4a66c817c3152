"""Times the package against a loop over flatc's accessors: rounds of 5,500 quotes into frames of pandas.

usage: feed.py ACCESSORS

ACCESSORS is the folder with what flatc made of spot.fbs. Prints a line of JSON for each row of the report:
what was measured, the figure, and what it is compared with. All ways are measured in turn, in one run.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import pandas
import pynng

import dataserver as ds

QUOTES, A_LIST, RUNS = 5_500, 500, 15
ROUNDS_A_SECOND, SECONDS = 50, 4
TOPIC = b":spot:"
START, END = TOPIC + b"[start spot]", TOPIC + b"[end spot]"
LEVELS = [("Bid", "bid"), ("BidAmount", "bid_volume"), ("Ask", "ask"), ("AskAmount", "ask_volume")]
PRICES = [
    ("YesterdayClose", "pre_close"), ("Open", "open"), ("High", "high"), ("Low", "low"), ("Close", "close"),
    ("AmountCny", "amount"), ("VolumeShares", "volume"),
]


def lists() -> list[bytes]:
    """A round of a market."""
    begin = datetime(2026, 11, 27, 10, 0, tzinfo=ds.ZONE)
    rows = [
        {
            "symbol": f"{600000 + number:06}.SH", "name": f"股票{number}", "time": begin + timedelta(milliseconds=number),
            "recv_time": begin, "pre_close": 10.0, "open": 10.1, "high": 10.5, "low": 9.9, "close": 10.0 + number / 1e3,
            "amount": 1e6 + number, "volume": 100_000 + number, "source": "qq",
            "bid": [10.0, 9.99, 9.98, 9.97, 9.96], "bid_volume": [100, 200, 300, 400, 500],
            "ask": [10.01, 10.02, 10.03, 10.04, 10.05], "ask_volume": [100, 200, 300, 400, 500],
        }
        for number in range(QUOTES)
    ]
    return [ds.Batch.of("spot", rows[at : at + A_LIST]).payload for at in range(0, QUOTES, A_LIST)]


PUBLISH = f"""
import sys, threading, time, pynng
from pathlib import Path
address, folder, subscribers = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
messages = [{TOPIC!r} + file.read_bytes() for file in sorted(folder.iterdir())]
there = threading.Semaphore(0)
with pynng.Pub0(send_buffer_size=8192) as socket:
    socket.add_post_pipe_connect_cb(lambda pipe: there.release())
    socket.listen(address)
    print("listening", flush=True)
    for _ in range(subscribers): there.acquire()
    print("ready", flush=True)
    for line in sys.stdin:
        rounds, pause = line.split()
        due = time.monotonic()
        for _ in range(int(rounds)):
            for message in ({START!r}, *messages, {END!r}): socket.send(message)
            due += float(pause)
            time.sleep(max(due - time.monotonic(), 0))
"""


def frame_of(payloads: list[bytes], accessors: type) -> pandas.DataFrame:
    """The loop that users write with what flatc generates."""
    columns: dict[str, list] = {"symbol": [], "name": [], "time": []}
    columns.update({name: [] for _, name in PRICES + LEVELS})
    for payload in payloads:
        quotes = accessors.GetRootAs(payload)
        for index in range(quotes.SpotLength()):
            quote = quotes.Spot(index)
            columns["symbol"].append(f"{quote.Code().decode()}.{quote.Market().decode()}")
            columns["name"].append(quote.Name().decode())
            columns["time"].append(quote.Datetime().decode())
            for accessor, name in PRICES:
                columns[name].append(getattr(quote, accessor)())
            for accessor, name in LEVELS:
                one = getattr(quote, accessor)
                columns[name].append([one(level) for level in range(getattr(quote, accessor + "Length")())])
    return pandas.DataFrame(columns)


def timed(call) -> float:
    begun = time.perf_counter()
    frame = call()
    elapsed = time.perf_counter() - begun
    assert len(frame) == QUOTES
    return elapsed * 1e3


def shown(times: list[float]) -> str:
    return f"{statistics.median(times):.1f} ms ({min(times):.1f} to {max(times):.1f})"


def row(what: str, figure: str, against: str = "") -> None:
    print(json.dumps([what, figure, against]), flush=True)


class Theirs:
    """pynng, and the loop."""

    def __init__(self, address: str, accessors: type) -> None:
        self._accessors = accessors
        self._socket = pynng.Sub0(recv_buffer_size=8192, recv_max_size=0, recv_timeout=60_000)
        self._socket.subscribe(TOPIC)
        self._socket.dial(address, block=True)

    def round(self) -> list[bytes]:
        payloads = []
        while True:
            body = self._socket.recv()[len(TOPIC) :]
            if body == b"[end spot]":
                return payloads
            if body != b"[start spot]":
                payloads.append(body)

    def close(self) -> None:
        self._socket.close()

    def frame(self) -> pandas.DataFrame:
        return frame_of(self.round(), self._accessors)


def counted(seconds: float) -> float:
    """How far a loop counts in a second."""
    count, until = 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        count += 1
    return count / seconds


def compare(folder: Path, accessors: type) -> None:
    payloads = lists()
    (folder / "lists").mkdir()
    for number, payload in enumerate(payloads):
        (folder / "lists" / f"{number:02}").write_bytes(payload)
    address = f"ipc://{folder}/feed.ipc"
    publisher = subprocess.Popen(
        [sys.executable, "-c", PUBLISH, address, folder / "lists", "2"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    assert publisher.stdout.readline() == "listening\n"

    def publish(rounds: int, pause: float = 0.0) -> None:
        publisher.stdin.write(f"{rounds} {pause}\n")
        publisher.stdin.flush()

    theirs = Theirs(address, accessors)
    with ds.subscribe(address, timeout=60) as rounds:
        reader = threading.Thread(target=lambda: next(rounds))
        reader.start()
        assert publisher.stdout.readline() == "ready\n"
        publish(1)
        reader.join()
        theirs.round()
        ours_live, theirs_live, ours_bytes, theirs_bytes = [], [], [], []
        for _ in range(RUNS + 1):
            publish(1)
            ours_live.append(timed(lambda: next(rounds).to_pandas()))
            theirs.round()
            publish(1)
            theirs_live.append(timed(theirs.frame))
            next(rounds)
            ours_bytes.append(timed(lambda: pandas.concat([ds.Batch("spot", it).to_pandas() for it in payloads])))
            theirs_bytes.append(timed(lambda: frame_of(payloads, accessors)))
        theirs.close()
        # the first of each pays for imports
        of = [times[1:] for times in (ours_live, theirs_live, ours_bytes, theirs_bytes)]
        middle = [statistics.median(times) for times in of]
        row(
            "a round, from the word to publish it to a frame of pandas",
            shown(of[0]),
            f"pynng and a loop over flatc's accessors {shown(of[1])}: {middle[1] / middle[0]:.0f} times; median of {RUNS}",
        )
        row(
            "the same bytes, without a socket",
            shown(of[2]),
            f"the loop over flatc's accessors {shown(of[3])}: {middle[3] / middle[2]:.0f} times",
        )

        alone = counted(1.0)
        waiting = threading.Thread(target=lambda: next(rounds))
        waiting.start()
        beside = counted(1.0)
        publish(1)
        waiting.join()
        row(
            "a thread that counts while another waits for a round",
            f"{beside / alone:.0%} of its speed alone",
            f"{alone / 1e6:.1f} M/s alone",
        )

        sent = ROUNDS_A_SECOND * SECONDS
        begun, busy = time.perf_counter(), time.process_time()
        publish(sent, 1 / ROUNDS_A_SECOND)
        # what does not come must not be waited for
        giving_up = threading.Timer(4 * SECONDS, rounds.close)
        giving_up.start()
        quotes = missed = 0
        for round in rounds:
            quotes, missed = quotes + len(round.to_pandas()), missed + round.missed
            if quotes + missed >= sent * QUOTES:
                break
        giving_up.cancel()
        elapsed, busy = time.perf_counter() - begun, time.process_time() - busy
        row(
            f"{ROUNDS_A_SECOND} rounds a second for {SECONDS} s, each made a frame",
            f"{quotes} of {sent * QUOTES} quotes, {missed} missed, in {elapsed:.1f} s",
            f"{busy / elapsed:.0%} of one core",
        )
    publisher.stdin.close()
    publisher.wait(60)


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    from hikyuu.flat.SpotList import SpotList

    with tempfile.TemporaryDirectory() as scratch:
        compare(Path(scratch), SpotList)
