"""A subscriber as Hikyuu has one: NNG, and a reader that knows Hikyuu's fields alone.

    subscribe.py ACCESSORS ADDRESS ROUNDS        every message as a line of JSON, until ROUNDS ended
    subscribe.py ACCESSORS ADDRESS count N STEP  a line after every STEP of N one-quote messages,
                                                 whose codes must count up from 000000

ACCESSORS is the folder with what flatc made of hikyuu.fbs.
"""

import hashlib
import json
import struct
import sys

import pynng

TOPIC = b":spot:"
START = TOPIC + b"[start spot]"
END = TOPIC + b"[end spot]"
TIMEOUT_MS = 60_000
LARGEST_BUFFER = 8192  # messages; more is refused by NNG


def spots(message):
    from hikyuu.flat.SpotList import SpotList

    spot_list = SpotList.GetRootAs(message, len(TOPIC))
    return [spot_list.Spot(index) for index in range(spot_list.SpotLength())]


def bits(number):
    """A double without the rounding of a decimal text."""
    return struct.pack(">d", number).hex()


def levels(length, level):
    return [bits(level(index)) for index in range(length())]


def fields(spot):
    return {
        "market": spot.Market().decode(),
        "code": spot.Code().decode(),
        "name": (spot.Name() or b"").decode(),
        "datetime": spot.Datetime().decode(),
        "pre_close": bits(spot.YesterdayClose()),
        "open": bits(spot.Open()),
        "high": bits(spot.High()),
        "low": bits(spot.Low()),
        "close": bits(spot.Close()),
        "amount": bits(spot.Amount()),
        "volume": bits(spot.Volume()),
        "bid": levels(spot.BidLength, spot.Bid),
        "bid_lots": levels(spot.BidAmountLength, spot.BidAmount),
        "ask": levels(spot.AskLength, spot.Ask),
        "ask_lots": levels(spot.AskAmountLength, spot.AskAmount),
    }


def tell(value):
    print(json.dumps(value), flush=True)


def print_rounds(socket, rounds):
    while rounds:
        message = socket.recv()
        if message in (START, END):
            tell("start" if message == START else "end")
            rounds -= message == END
        else:
            payload = hashlib.sha256(message[len(TOPIC) :]).hexdigest()
            tell({"sha256": payload, "spots": [fields(spot) for spot in spots(message)]})


def count(socket, messages, step):
    assert socket.recv() == START
    for index in range(messages):
        message = socket.recv()
        code = spots(message)[0].Code().decode()
        assert code == f"{index:06}", f"message {index} carries {code}"
        if (index + 1) % step == 0:
            tell(index + 1)
    assert socket.recv() == END


def main():
    accessors, address, *rest = sys.argv[1:]
    sys.path.insert(0, accessors)
    with pynng.Sub0(recv_timeout=TIMEOUT_MS, recv_buffer_size=LARGEST_BUFFER) as socket:
        socket.subscribe(TOPIC)
        socket.dial(address, block=True)
        if rest[0] == "count":
            count(socket, int(rest[1]), int(rest[2]))
        else:
            print_rounds(socket, int(rest[0]))


if __name__ == "__main__":
    main()
