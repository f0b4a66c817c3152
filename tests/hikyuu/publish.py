"""A collector that publishes what it is told, well formed or not.

usage: publish.py ADDRESS

One command a line, each answered by one: `["wait", N]` until so many subscribers are there,
`["spots", [spot...]]` for a list in which each spot has the fields that are given and no others,
`["broken", KIND]` for a message that is none. Numbers may be given as text, e.g. `nan`, and texts
that are no UTF-8 as `hex:…`.
"""

import json
import sys
import threading

import flatbuffers
import pynng

FIELDS = ["market", "code", "name", "datetime", "yesterday_close", "open", "high", "low", "close", "amount"]
FIELDS += ["volume", "bid", "bid_amount", "ask", "ask_amount"]


def text(builder, value: str) -> int:
    raw = bytes.fromhex(value[4:]) if value.startswith("hex:") else value.encode()
    return builder.CreateString(raw) if isinstance(raw, bytes) else 0


def numbers(builder, values: list) -> int:
    builder.StartVector(8, len(values), 8)
    for value in reversed(values):
        builder.PrependFloat64(float(value))
    return builder.EndVector()


def spot(builder, fields: dict) -> int:
    parts = {}
    for name, value in fields.items():
        if isinstance(value, str) and FIELDS.index(name) < 4:
            parts[name] = text(builder, value)
        elif isinstance(value, list):
            parts[name] = numbers(builder, value)
    builder.StartObject(len(FIELDS))
    for slot, name in enumerate(FIELDS):
        if name in parts:
            builder.PrependUOffsetTRelativeSlot(slot, parts[name], 0)
        elif name in fields:
            # JSON has no word for what is no number
            builder.PrependFloat64Slot(slot, float(fields[name]), 0.0)
    return builder.EndObject()


def message(spots: list) -> bytes:
    builder = flatbuffers.Builder(1024)
    offsets = [spot(builder, fields) for fields in spots]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    vector = builder.EndVector()
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, vector, 0)
    builder.Finish(builder.EndObject())
    return b":spot:" + bytes(builder.Output())


def broken(kind: str) -> bytes:
    sound = message([{"market": "SH", "code": "600519", "datetime": "2022-06-01 09:30:00"}])
    builder = flatbuffers.Builder(64)
    if kind == "truncated":
        return sound[:-4]
    if kind == "noise":
        return b":spot:" + bytes(range(255, 0, -1))
    if kind == "topic alone":
        return b":spot:"
    if kind == "empty spot":
        return message([{}])
    vector = 0
    if kind == "null element":
        builder.StartVector(4, 1, 4)
        builder.PrependUint32(0)
        vector = builder.EndVector()
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, vector, 0)
    builder.Finish(builder.EndObject())
    return b":spot:" + bytes(builder.Output())


class Publisher:
    def __init__(self, address: str) -> None:
        self.subscribers = 0
        self.changed = threading.Condition()
        self.socket = pynng.Pub0(send_buffer_size=8192)
        self.socket.add_post_pipe_connect_cb(self.joined)
        self.socket.listen(address)

    def joined(self, _) -> None:
        with self.changed:
            self.subscribers += 1
            self.changed.notify_all()

    def wait(self, count: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.subscribers >= count, 50)

    def spots(self, spots: list) -> int:
        for part in (b":spot:[start spot]", message(spots), b":spot:[end spot]"):
            self.socket.send(part)
        return len(spots)

    def broken(self, kind: str) -> int:
        for part in (b":spot:[start spot]", broken(kind), b":spot:[end spot]"):
            self.socket.send(part)
        return 0


publisher = Publisher(sys.argv[1])
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    name, argument = json.loads(line)
    print(json.dumps(getattr(publisher, name)(argument)), flush=True)
