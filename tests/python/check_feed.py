"""Subscribes as Hikyuu does and compares every quote with the recorded day, in order.

usage: check_feed.py ADDRESS RECORDED_DAY

Reads with Hikyuu's own schema, which knows nothing of our fields. Prints `ready` when connected,
then waits until the publisher has gone.
"""

import importlib
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pynng

import recorded
import script

HIKYUU_SCHEMA = """
namespace hikyuu.flat;
table Spot {
  market:string; code:string; name:string; datetime:string;
  yesterday_close:double; open:double; high:double; low:double; close:double;
  amount:double; volume:double;
  bid:[double]; bid_amount:[double]; ask:[double]; ask_amount:[double];
}
table SpotList { spot:[Spot]; }
root_type SpotList;
"""


def spot_list_reader():
    """Code that flatc makes of Hikyuu's schema."""
    folder = tempfile.mkdtemp()
    schema = Path(folder, "spot.fbs")
    schema.write_text(HIKYUU_SCHEMA)
    flatc = Path(sys.executable).with_name("flatc")
    subprocess.run([flatc, "--python", "-o", folder, schema], check=True)
    sys.path.insert(0, folder)
    return importlib.import_module("hikyuu.flat.SpotList").SpotList


def receive(address: str) -> list:
    """Every message until the publisher has gone."""
    gone = threading.Event()
    with pynng.Sub0(recv_buffer_size=8192, recv_max_size=0, recv_timeout=200) as socket:
        socket.subscribe(b":spot:")
        socket.add_post_pipe_remove_cb(lambda pipe: gone.set())
        socket.dial(address, block=True)
        print("ready", flush=True)
        messages = []
        while True:
            try:
                messages.append(socket.recv())
            except pynng.Timeout:
                # what the publisher sent before it went has been read by then
                if gone.is_set():
                    return messages


def levels(spot, name: str) -> list:
    return [getattr(spot, name)(level) for level in range(getattr(spot, name + "Length")())]


def main(address: str, day: str) -> None:
    reader = spot_list_reader()
    messages = receive(address)
    expected = recorded.quotes(day)
    index = rounds = 0
    in_round = False
    for message in messages:
        body = message[len(b":spot:") :]
        if body == b"[start spot]":
            assert not in_round, "a start mark within a round"
            in_round, time_of_round = True, None
            continue
        assert in_round, "a message outside of a round"
        if body == b"[end spot]":
            in_round = False
            rounds += 1
            continue
        spots = reader.GetRootAs(body)
        for place in range(spots.SpotLength()):
            spot = spots.Spot(place)
            quote = next(expected, None)
            assert quote is not None, "more quotes than were recorded"
            found = recorded.Quote(
                f"{spot.Code().decode()}.{spot.Market().decode()}",
                spot.Datetime().decode(),
                spot.YesterdayClose(),
                spot.Open(),
                spot.High(),
                spot.Low(),
                spot.Close(),
                spot.Amount(),
                spot.Volume(),
                *(levels(spot, name) for name in ("Bid", "BidAmount", "Ask", "AskAmount")),
            )
            # on this wire: lots, and 10,000 CNY
            wire = quote._replace(
                amount=quote.amount / 10_000,
                volume=quote.volume / 100,
                bid_volume=[size / 100 for size in quote.bid_volume],
                ask_volume=[size / 100 for size in quote.ask_volume],
            )
            if found != wire:
                field = next(f for f in wire._fields if getattr(found, f) != getattr(wire, f))
                recorded.fail_at(index, field, getattr(wire, field), getattr(found, field))
            assert time_of_round in (None, quote.time), "a round with two times"
            time_of_round = quote.time
            index += 1
    assert not in_round, "the last round has no end mark"
    missing = sum(1 for _ in expected)
    assert missing == 0, f"{missing} recorded quotes did not arrive, {index} did"
    print(f"{index} quotes in {rounds} rounds")


if __name__ == "__main__":
    script.run(main)
