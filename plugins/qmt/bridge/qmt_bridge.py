#!/usr/bin/env python3
"""Sends the quotes of a QMT terminal to dataserver, losing none while the host is away.

Runs beside QMT (miniQMT, or a full terminal that serves xtquant) on Windows, with Python 3.8 or
newer and xtquant; nothing else is needed. docs/QMT.md tells how to install it.

    xtquant callback -> queue in memory -> writer: packs columns, numbers them, appends to the spool
    on disk -> link: sends what the host has not confirmed, forgets what it has

With history_port a process of its own answers what a source of history asks, see docs/QMT.md.

Nothing that the callback thread of xtquant does can wait. What does not fit any more is counted and
told. Every frame keeps its number for ever, so the host recognises what comes twice.
"""

import argparse
import bisect
import calendar
import collections
import configparser
import hashlib
import hmac
import importlib
import json
import logging
import logging.handlers
import os
import platform
import queue
import re
import secrets
import selectors
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import zlib
from array import array
from itertools import chain
from operator import itemgetter

BRIDGE_VERSION = "0.2.0"
PROTOCOL = 1
log = logging.getLogger("qmt_bridge")

# ---------------------------------------------------------------------------------------------------
# frames: body length u32, kind u8, sequence u64, CRC-32 of kind, sequence and body

HEADER = struct.Struct("<IBQI")
CHECKED = struct.Struct("<BQ")
HELLO, AUTH, WELCOME, REFUSED, BATCH, ACK, HEARTBEAT, STATUS, BYE = range(1, 10)
REFUSAL_TOKEN, REFUSAL_VERSION, REFUSAL_REPLACED = 1, 2, 3
MOST_FROM_HOST = 64 * 1024


def frame(kind, body=b"", sequence=0):
    crc = zlib.crc32(body, zlib.crc32(CHECKED.pack(kind, sequence)))
    return HEADER.pack(len(body), kind, sequence, crc) + body


class Frames:
    """Takes bytes as they come and gives whole frames."""

    def __init__(self):
        self.buffer = bytearray()

    def feed(self, data):
        self.buffer += data
        while len(self.buffer) >= HEADER.size:
            length, kind, sequence, crc = HEADER.unpack_from(self.buffer)
            if length > MOST_FROM_HOST:
                raise ConnectionError("the host announced %d bytes; it is no dataserver" % length)
            end = HEADER.size + length
            if len(self.buffer) < end:
                return
            body = bytes(self.buffer[HEADER.size:end])
            if zlib.crc32(body, zlib.crc32(CHECKED.pack(kind, sequence))) != crc:
                raise ConnectionError("a frame of the host is damaged")
            del self.buffer[:end]
            yield kind, sequence, body


# ---------------------------------------------------------------------------------------------------
# packing: ticks as shuffled columns of doubles, the few odd ones as JSON

SCALARS = ("time", "lastPrice", "open", "high", "low", "lastClose", "amount", "volume", "pvolume",
           "openInt")
SIDES = ("askPrice", "bidPrice", "askVol", "bidVol")
BATCH_HEAD = struct.Struct("<QQQIBI")
INNER_HEAD = struct.Struct("<I4BIII")
FLAG_SNAPSHOT, FLAG_PACKED = 1, 2
MOST_LEVELS = 10
NAN = float("nan")
NUMBERS = frozenset((int, float))
# a value with one of these is a tick, not ticks by time
TICK_KEYS = frozenset(SCALARS + SIDES + ("timetag", "stime", "close"))
DIGITS = frozenset("0123456789")


def is_tick(value):
    return isinstance(value, dict) and (not value or not TICK_KEYS.isdisjoint(value))


def count_ticks(value):
    """How many records the host finds under one code, in whatever shape."""
    if isinstance(value, dict):
        nested = [inner for key, inner in value.items() if str(key)[:1] in DIGITS]
        own = 1 if len(nested) < len(value) or not value else 0
        return own + sum(map(count_ticks, nested))
    if isinstance(value, (list, tuple)):
        return sum(map(count_ticks, value))
    return 1


def count_payload(value):
    """The same of a whole payload, or of one within an envelope."""
    if isinstance(value, dict):
        return sum(count_payload(inner) if key == "data" else count_ticks(inner)
                   for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return sum(map(count_payload, value))
    return 0


def flatten(data):
    """Pairs of code and tick in order, and what has no such form, by code."""
    pairs, odd = [], {}
    for code, value in data.items():
        if type(code) is not str or "\n" in code:
            odd[str(code)] = value
        elif is_tick(value):
            pairs.append((code, value))
        elif isinstance(value, (list, tuple)) and value and all(map(is_tick, value)):
            pairs.extend((code, tick) for tick in value)
        else:
            odd[code] = value
    return pairs, odd


def columns_of(ticks):
    """Bytes of all columns, levels of the sides and times as text; raises for what is no column."""
    first = ticks[0]
    scalars = [name for name in SCALARS if name in first]
    sides = [name for name in SIDES if name in first]
    names = scalars + sides
    if "lastPrice" not in first or len(names) < 2:
        raise ValueError("no tick")
    values = dict(zip(names, zip(*map(itemgetter(*names), ticks))))
    expected = len(names)
    if len(first) != expected:
        # a field that the first lacks must not get lost in the others
        missing = [name for name in SCALARS + SIDES if name not in first]
        for tick in ticks:
            for name in missing:
                if name in tick:
                    raise ValueError(name)
    out, levels = [], []
    for name in SCALARS:
        column = values.get(name)
        if column and not NUMBERS.issuperset(map(type, column)):
            raise TypeError(name)  # a truth value would pass for a number
        out.append(array("d", column) if column else array("d", [NAN]) * len(ticks))
    for name in SIDES:
        column = values.get(name)
        if not column:
            levels.append(0)
            continue
        depth = len(column[0])
        if depth > MOST_LEVELS or any(len(side) != depth for side in column):
            raise ValueError(name)
        levels.append(depth)
        if not NUMBERS.issuperset(map(type, chain.from_iterable(column))):
            raise TypeError(name)
        flat = array("d", chain.from_iterable(column))
        if len(flat) != depth * len(ticks):
            raise ValueError(name)
        out.append(flat)
    times = []
    if "time" not in values:
        times = [tick.get("stime", tick.get("timetag", "")) for tick in ticks]
        if not all(type(text) is str and "\n" not in text for text in times):
            raise ValueError("timetag")
    for column in out:
        if sys.byteorder != "little":
            column.byteswap()
    block = b"".join(column.tobytes() for column in out)
    shuffled = b"".join(block[place::8] for place in range(8))
    return shuffled, levels, "\n".join(times)


def is_plain(tick):
    """Whether a tick fits into columns: numbers, lists of numbers, texts for times."""
    if "lastPrice" not in tick:
        return False
    for name in SCALARS:
        value = tick.get(name, 0)
        if type(value) not in (int, float) or (type(value) is int and abs(value) > 2 ** 53):
            return False
    for name in SIDES:
        value = tick.get(name, ())
        if type(value) not in (list, tuple) or len(value) > MOST_LEVELS:
            return False
        if not all(type(item) in (int, float) for item in value):
            return False
    return True


def shape_of(tick):
    return (tuple(name in tick for name in SCALARS), tuple(len(tick.get(name, ())) for name in SIDES))


def jsonable(value):
    for method in ("tolist", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    return str(value)


def pack(pairs, odd, compress=True):
    """The inner body and the number of records in it."""
    rows, shuffled, levels, times = [], b"", (0, 0, 0, 0), ""
    if pairs:
        try:
            shuffled, levels, times = columns_of([tick for _, tick in pairs])
            rows = pairs
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
            # columns take what most ticks look like; codes with any other tick go as JSON
            rows, rest = separate(pairs)
            odd = dict(odd, **rest)
            if rows:
                shuffled, levels, times = columns_of([tick for _, tick in rows])
    count = len(rows) + count_payload(odd)
    codes = "\n".join(code for code, _ in rows).encode("utf-8", "replace")
    times = times.encode("utf-8", "replace")
    text = json.dumps(odd, default=jsonable, separators=(",", ":")).encode() if odd else b""
    inner = INNER_HEAD.pack(len(rows), *levels, len(codes), len(times), len(text))
    inner = b"".join((inner, codes, times, shuffled, text))
    return (zlib.compress(inner, 1) if compress else inner), len(inner), count


def separate(pairs):
    shapes = collections.Counter(shape_of(tick) for _, tick in pairs if is_plain(tick))
    usual = shapes.most_common(1)[0][0] if shapes else None
    odd_codes = {
        code for code, tick in pairs
        if usual is None or not is_plain(tick) or shape_of(tick) != usual
        or ("time" not in tick and not all(
            type(tick.get(name, "")) is str and "\n" not in tick.get(name, "")
            for name in ("stime", "timetag")))
    }
    rest = {}
    for code, tick in pairs:
        if code in odd_codes:
            rest.setdefault(code, []).append(tick)
    return [pair for pair in pairs if pair[0] not in odd_codes], rest


def batch_body(previous, first_record, received_us, inner, inner_len, count, snapshot):
    flags = FLAG_PACKED | (FLAG_SNAPSHOT if snapshot else 0)
    return BATCH_HEAD.pack(previous, first_record, received_us, count, flags, inner_len) + inner


def tick_ms(tick):
    """Exchange time of a tick in milliseconds since 1970 UTC, or None."""
    value = tick.get("time")
    if type(value) in (int, float) and value == value:
        return value
    text = tick.get("stime") or tick.get("timetag")
    digits = re.sub(r"\D", "", text) if isinstance(text, str) else ""
    if len(digits) < 14:
        return None
    parts = [int(digits[a:b]) for a, b in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))]
    try:
        seconds = calendar.timegm(tuple(parts) + (0, 0, 0)) - 8 * 3600
    except (ValueError, OverflowError):
        return None
    return seconds * 1000 + int((digits[14:17] + "000")[:3])


# ---------------------------------------------------------------------------------------------------
# spool: frames in files, in the order of their numbers

SEGMENT_HEAD = struct.Struct("<8sQQQQ")  # magic, identity, first sequence, previous, first record
SEGMENT_MAGIC = b"DSQMTSP1"
ACKED = struct.Struct("<QQI")
SEGMENT_BYTES = 8 << 20
SYNC_EVERY = 1.0
# after an end that was not in order, numbers of frames that the disk may have lost are never given
# again: the host could take new ones for them
JUMP = 1000000


class Segment:
    def __init__(self, path):
        self.path = path
        self.entries = []
        self.size = 0


class SpoolInUse(Exception):
    pass


class Spool:
    """Append-only files with checksums; bounded: the oldest file goes when there is no room."""

    def __init__(self, folder, max_bytes):
        self.folder = folder
        self.max_bytes = max_bytes
        self.segment_bytes = max(64 << 10, min(SEGMENT_BYTES, max_bytes // 8))
        self.lock = threading.RLock()
        self.segments = collections.deque()
        self.file = None
        self.reader = None
        self.reader_path = None
        self.identity = 0
        self.next_sequence = 1
        self.previous = 0
        self.next_record = 1
        self.acked = 0
        self.acked_written = 0
        self.dropped_records = 0
        self.synced_at = time.monotonic()
        self.dirty = False
        os.makedirs(folder, exist_ok=True)
        self._lock_folder()
        self._recover()
        self._begin_segment()

    def _lock_folder(self):
        self.lock_file = open(os.path.join(self.folder, "lock"), "a+b")
        try:
            if os.name == "nt":
                import msvcrt
                self.lock_file.seek(0)
                msvcrt.locking(self.lock_file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl
                fcntl.flock(self.lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SpoolInUse("another bridge uses %s; end it, or give this one another --spool"
                             % self.folder)

    def _recover(self):
        paths = sorted(os.path.join(self.folder, name) for name in os.listdir(self.folder)
                       if re.match(r"\d{20}\.seg$", name))
        clean_path = os.path.join(self.folder, "clean")
        clean = os.path.exists(clean_path)
        if clean:
            os.remove(clean_path)
        for path in paths:
            self._read_segment(path)
        if not self.identity:
            self.identity = secrets.randbits(63) | 1
            return
        try:
            with open(os.path.join(self.folder, "acked"), "rb") as file:
                identity, acked, crc = ACKED.unpack(file.read(ACKED.size))
                if identity == self.identity and crc == zlib.crc32(struct.pack("<QQ", identity, acked)):
                    self.acked = acked
        except (OSError, struct.error):
            pass  # the host knows too
        if not clean:
            self.next_sequence += JUMP
            log.info("the last run did not end in order; %d batches of it wait on disk",
                     self.waiting()[0])
        self._forget()

    def _read_segment(self, path):
        with open(path, "rb") as file:
            data = file.read()
        try:
            magic, identity, first, previous, record = SEGMENT_HEAD.unpack_from(data)
        except struct.error:
            magic, identity = b"", 0
        if magic != SEGMENT_MAGIC or (self.identity and identity != self.identity):
            if data:
                log.error("%s is no file of this spool and is left alone", path)
                os.replace(path, path + ".bad")
            else:
                os.remove(path)
            return
        self.identity = identity
        self.next_sequence = max(self.next_sequence, first)
        self.previous = max(self.previous, previous)
        self.next_record = max(self.next_record, record)
        segment = Segment(path)
        at = SEGMENT_HEAD.size
        while at + HEADER.size <= len(data):
            length, kind, sequence, crc = HEADER.unpack_from(data, at)
            body = data[at + HEADER.size:at + HEADER.size + length]
            sound = (len(body) == length and kind == BATCH and length >= BATCH_HEAD.size
                     and zlib.crc32(body, zlib.crc32(CHECKED.pack(kind, sequence))) == crc)
            if not sound:
                break
            _, record, _, count, _, _ = BATCH_HEAD.unpack_from(body)
            segment.entries.append((sequence, at, HEADER.size + length, count))
            self.next_sequence = max(self.next_sequence, sequence + 1)
            self.previous = max(self.previous, sequence)
            self.next_record = max(self.next_record, record + count)
            at += HEADER.size + length
        if at < len(data):
            log.warning("%s ends with %d bytes that were not written completely; they are cut off",
                        path, len(data) - at)
        segment.size = at
        self.segments.append(segment)

    def _begin_segment(self):
        if self.file:
            self._sync()
            self.file.close()
        path = os.path.join(self.folder, "%020d.seg" % self.next_sequence)
        segment = Segment(path)
        # an empty one of a run before gives way; it said where the numbers go on
        empty = [old for old in self.segments if not old.entries]
        self.file = open(path, "wb")
        head = SEGMENT_HEAD.pack(SEGMENT_MAGIC, self.identity, self.next_sequence, self.previous,
                                 self.next_record)
        self.file.write(head)
        self.file.flush()
        os.fsync(self.file.fileno())
        segment.size = len(head)
        for old in empty:
            self.segments.remove(old)
            if old.path != path:
                self._unlink(old)
        self.segments.append(segment)

    def append(self, received_us, inner, inner_len, count, snapshot):
        with self.lock:
            if self.segments[-1].size >= self.segment_bytes:
                self._begin_segment()
            sequence = self.next_sequence
            body = batch_body(self.previous, self.next_record, received_us, inner, inner_len, count,
                              snapshot)
            data = frame(BATCH, body, sequence)
            self._make_room(len(data))
            segment = self.segments[-1]
            try:
                self.file.write(data)
                self.file.flush()
            except OSError as error:
                # what was written of it is cut off by the next
                self.file.seek(segment.size)
                self.file.truncate()
                self.dropped_records += count
                self.next_record += count
                log.error("cannot write to %s: %s; %d records are lost; free space there",
                          segment.path, error, count)
                return None
            segment.entries.append((sequence, segment.size, len(data), count))
            segment.size += len(data)
            self.previous = sequence
            self.next_sequence += 1
            self.next_record += count
            self.dirty = True
            if time.monotonic() - self.synced_at > SYNC_EVERY:
                self._sync()
            return sequence

    def _make_room(self, size):
        while sum(segment.size for segment in self.segments) + size > self.max_bytes:
            if len(self.segments) == 1:
                if not self.segments[0].entries:
                    return
                self._begin_segment()
            oldest = self.segments.popleft()
            lost = sum(entry[3] for entry in oldest.entries if entry[0] > self.acked)
            if lost:
                self.dropped_records += lost
                log.error("the spool is full (%d bytes): the oldest %d records are lost; bring the host "
                          "back, or raise spool_max_bytes", self.max_bytes, lost)
            self._unlink(oldest)

    def _unlink(self, segment):
        if self.reader_path == segment.path:
            self.reader.close()
            self.reader = self.reader_path = None
        try:
            os.remove(segment.path)
        except OSError as error:
            log.warning("cannot remove %s: %s", segment.path, error)

    def _sync(self):
        self.synced_at = time.monotonic()
        if self.dirty:
            self.dirty = False
            try:
                os.fsync(self.file.fileno())
            except OSError as error:
                log.error("cannot sync %s: %s", self.folder, error)

    def tick(self):
        """What has to be done now and then."""
        with self.lock:
            if time.monotonic() - self.synced_at > SYNC_EVERY:
                self._sync()
                self._write_acked()

    def _write_acked(self):
        if self.acked_written == self.acked:
            return
        path = os.path.join(self.folder, "acked")
        pair = struct.pack("<QQ", self.identity, self.acked)
        try:
            with open(path + ".new", "wb") as file:
                file.write(pair + struct.pack("<I", zlib.crc32(pair)))
            os.replace(path + ".new", path)
            self.acked_written = self.acked
        except OSError as error:
            log.warning("cannot write %s: %s", path, error)

    def ack(self, sequence):
        with self.lock:
            if sequence > self.acked:
                self.acked = sequence
                self._forget()

    def _forget(self):
        while len(self.segments) > 1 and self.segments[0].entries and \
                self.segments[0].entries[-1][0] <= self.acked:
            self._unlink(self.segments.popleft())

    def skip_to(self, sequence):
        """The host has taken frames that this spool does not know: it is an old copy."""
        with self.lock:
            if sequence >= self.next_sequence:
                log.warning("the host knows frames up to %d and this spool only up to %d; the numbers "
                            "go on behind them", sequence, self.next_sequence - 1)
                self.next_sequence = sequence + 1

    def first_kept(self):
        with self.lock:
            for segment in self.segments:
                begin = bisect.bisect_left(segment.entries, (self.acked + 1,))
                if begin < len(segment.entries):
                    return segment.entries[begin][0]
            return self.next_sequence

    def after(self, sequence, most_bytes=1 << 20):
        """Frames behind that number, as bytes, and the number of the last; nothing: (b"", number)."""
        with self.lock:
            out, size, last = [], 0, sequence
            for segment in self.segments:
                if not segment.entries or segment.entries[-1][0] <= last:
                    continue
                if self.reader_path != segment.path:
                    if self.reader:
                        self.reader.close()
                    self.reader = open(segment.path, "rb")
                    self.reader_path = segment.path
                begin = bisect.bisect_left(segment.entries, (last + 1,))
                for number, at, length, _ in segment.entries[begin:]:
                    if size and size + length > most_bytes:
                        return b"".join(out), last
                    self.reader.seek(at)
                    data = self.reader.read(length)
                    out.append(data)
                    size += length
                    last = number
            return b"".join(out), last

    def waiting(self):
        """Batches and bytes that are not confirmed."""
        with self.lock:
            batches = size = 0
            for segment in self.segments:
                begin = bisect.bisect_left(segment.entries, (self.acked + 1,))
                if begin < len(segment.entries):
                    batches += len(segment.entries) - begin
                    size += segment.size - segment.entries[begin][1]
            return batches, size

    def close(self):
        with self.lock:
            if self.file:
                self._sync()
                self._write_acked()
                self.file.close()
                self.file = None
                if self.reader:
                    self.reader.close()
                with open(os.path.join(self.folder, "clean"), "wb"):
                    pass
                self.lock_file.close()


# ---------------------------------------------------------------------------------------------------
# feed: between the callback thread and the writer

# most ticks of a batch
CHUNK_TICKS = 8192
# callbacks with fewer ticks wait so long, in seconds, for others to join them
SMALL_TICKS = 256
LINGER = 0.005
# seconds after a failed snapshot
SNAPSHOT_PAUSE = 5.0


class Feed:
    """Never makes its caller wait: what does not fit is counted."""

    def __init__(self, max_ticks):
        self.max_ticks = max_ticks
        self.items = collections.deque()
        self.ticks = 0
        self.dropped = 0
        self.offered = 0
        self.condition = threading.Condition()

    def offer(self, data):
        if not data:
            return
        now_us = time.time_ns() // 1000
        size = len(data)
        with self.condition:
            if self.ticks and self.ticks + size > self.max_ticks:
                self.dropped += size
                return
            self.items.append((now_us, data, size))
            self.ticks += size
            self.offered += size
            self.condition.notify()

    def take(self, timeout):
        with self.condition:
            if not self.items:
                self.condition.wait(timeout)
            if not self.items:
                return None
            now_us, data, size = self.items.popleft()
            self.ticks -= size
            return now_us, data

    def wake(self):
        with self.condition:
            self.condition.notify()


class Writer(threading.Thread):
    """Packs what the feed has into the spool, and takes snapshots in between."""

    SETTLES_AFTER = 60.0

    def __init__(self, feed, spool, snapshot, on_append):
        super().__init__(name="writer", daemon=True)
        self.feed = feed
        self.spool = spool
        self.snapshot = snapshot  # gives {code: tick} of everything
        self.on_append = on_append
        self.wanted = None
        self.not_before = 0.0
        self.stopping = False
        self.latest = {}
        self.snapshot_ms = {}
        self.snapshot_at = 0.0
        self.superseded = 0
        self.records = 0
        self.failed = 0

    def want_snapshot(self, reason):
        self.wanted = reason
        self.feed.wake()

    def stop(self):
        self.stopping = True
        self.feed.wake()

    def run(self):
        while True:
            if self.wanted and not self.stopping and time.monotonic() >= self.not_before:
                reason, self.wanted = self.wanted, None
                self.take_snapshot(reason)
            items = self.gather()
            self.spool.tick()
            if items:
                self.write(items)
            elif self.stopping:
                return

    def gather(self):
        """The next callbacks; small ones are joined, as a full terminal calls once a security."""
        item = self.feed.take(0.5)
        if item is None:
            return []
        items, size = [item], len(item[1])
        deadline = time.monotonic() + LINGER
        while size < SMALL_TICKS and not self.stopping:
            rest = deadline - time.monotonic()
            item = self.feed.take(max(0, rest))
            if item is None:
                break
            items.append(item)
            size += len(item[1])
        return items

    def write(self, items, snapshot=False):
        try:
            pairs, odd = [], []
            for _, data in items:
                some, other = flatten(data)
                pairs.extend(some)
                odd.extend((code, value) for code, value in other.items())
            if self.snapshot_ms:
                pairs = self.not_superseded(pairs)
            for code, tick in pairs:
                ms = tick.get("time")
                if type(ms) in (int, float):
                    self.latest[code] = ms
            now_us = items[0][0]
            for start in range(0, len(pairs), CHUNK_TICKS):
                self.append(now_us, pairs[start:start + CHUNK_TICKS], {}, snapshot)
            while odd:
                # a code that came twice goes into two batches
                once = {}
                odd = [(code, value) for code, value in odd
                       if once.setdefault(code, value) is not value]
                self.append(now_us, [], once, snapshot)
            self.on_append()
        except Exception:  # one strange callback must not end the feed
            size = sum(len(data) for _, data in items)
            self.failed += size
            log.exception("a callback of xtquant could not be packed; its %d entries are lost", size)

    def append(self, now_us, pairs, odd, snapshot):
        inner, inner_len, count = pack(pairs, odd)
        self.spool.append(now_us, inner, inner_len, count, snapshot)
        self.records += count

    def not_superseded(self, pairs):
        """Leaves out what is older than the snapshot that went out before it."""
        if time.monotonic() - self.snapshot_at > self.SETTLES_AFTER:
            self.snapshot_ms = {}
            return pairs
        kept = []
        for pair in pairs:
            known = self.snapshot_ms.get(pair[0])
            ms = tick_ms(pair[1]) if known is not None else None
            if ms is not None and ms < known:
                self.superseded += 1
            else:
                kept.append(pair)
        return kept

    def take_snapshot(self, reason):
        try:
            data = self.snapshot()
        except Exception as error:
            log.warning("no snapshot (%s): get_full_tick failed: %s; it is tried again", reason, error)
            self.wanted = self.wanted or reason
            self.not_before = time.monotonic() + SNAPSHOT_PAUSE
            return
        now_us = time.time_ns() // 1000
        # what came in meanwhile is older or the same
        for _ in range(len(self.feed.items)):
            item = self.feed.take(0)
            if item is None:
                break
            self.write([item])
        fresh, times = {}, {}
        for code, tick in (data or {}).items():
            if not isinstance(tick, dict) or not tick:
                continue
            ms = tick_ms(tick)
            known = self.latest.get(code)
            if ms is not None and known is not None and ms < known:
                continue
            fresh[code] = tick
            if ms is not None:
                times[code] = ms
        log.info("full snapshot of %d securities (%s)", len(fresh), reason)
        if fresh:
            self.write([(now_us, fresh)], snapshot=True)
        self.snapshot_ms = times
        self.snapshot_at = time.monotonic()


# ---------------------------------------------------------------------------------------------------
# link: one connection to the host

BRIDGE_PROOF = b"dataserver qmt bridge"
HOST_PROOF = b"dataserver qmt host"
HELLO_BODY = struct.Struct("<5sHH32s")
AUTH_HEAD = struct.Struct("<H32sQQQ")
TOLD = struct.Struct("<QQH")
MISSED_HEARTBEATS = 3
CONNECT_TIMEOUT = 10.0
REPLACED_PAUSE = 60.0
MOST_UNSENT = 4 << 20


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def prove(token, *parts):
    return hmac.new(token.encode("utf-8"), b"".join(parts), hashlib.sha256).digest()


class Tls:
    """Certificates: whom to believe, and what to show."""

    def __init__(self, ca, cert, key, name):
        self.files = (ca, cert, key)
        self.name = name
        self.context()  # what cannot be used is told at the start

    def context(self):
        """Made anew for each connection, so that renewed files are read."""
        ca, cert, key = self.files
        try:
            context = ssl.create_default_context(cafile=ca or None)
        except (OSError, ValueError) as error:
            raise ConnectionError("ca %s cannot be used: %s; name a file with certificates in PEM"
                                  % (ca, error))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if cert:
            try:
                # an encrypted key would have Python ask for its password
                context.load_cert_chain(cert, key or None, password=lambda: "")
            except (OSError, ValueError) as error:
                raise ConnectionError("cert %s and key %s cannot be used: %s; name a certificate in PEM "
                                      "and its key, which must not be encrypted" % (cert, key, error))
        return context

    def wrap(self, plain, host):
        try:
            return self.context().wrap_socket(plain, server_hostname=self.name or host)
        except ssl.SSLCertVerificationError as error:
            plain.close()
            raise ConnectionError("its certificate is not accepted (%s); give the CA that it comes from "
                                  "as ca, and the name that is in it as host or tls_name"
                                  % error.verify_message)
        except ssl.SSLError as error:
            plain.close()
            raise ConnectionError("it does not agree on TLS (%s); does it listen at tls+tcp://?" % (
                error.reason or error))
        except BaseException:
            plain.close()
            raise


class Link(threading.Thread):
    """Connects, sends what is not confirmed, hears what is; for ever."""

    protocol = PROTOCOL

    def __init__(self, host, port, token, spool, on_connect, status, news, max_backoff=30.0, tls=None):
        super().__init__(name="link", daemon=True)
        self.address = (host, port)
        self.tls = tls
        self.token = token
        self.spool = spool
        self.on_connect = on_connect
        self.status = status  # gives a dict for the host now and then
        self.news = news  # what the host should know at once
        self.max_backoff = max_backoff
        self.stopping = False
        self.connected = False
        self.connections = 0
        self.sent = 0
        self.wake_in, self.wake_out = socket.socketpair()
        self.wake_in.setblocking(False)
        self.wake_out.setblocking(False)
        self.stopped = threading.Event()

    def wake(self):
        try:
            self.wake_out.send(b"x")
        except OSError:
            pass  # it is awake already, or gone

    def stop(self):
        self.stopping = True
        self.stopped.set()
        self.wake()

    def run(self):
        backoff = 0.5
        while not self.stopping:
            pause = 0.0
            began = time.monotonic()
            try:
                self.connect_and_serve()
            except Refused as error:
                log.error("the host refused: %s", error)
                pause = REPLACED_PAUSE if error.code == REFUSAL_REPLACED else \
                    self.max_backoff if error.code in (REFUSAL_TOKEN, REFUSAL_VERSION) else 0.0
            except (OSError, ValueError, struct.error) as error:
                if not self.stopping:
                    log.warning("no connection to the host at %s:%d: %s; %s", self.address[0],
                                self.address[1], error, self.waits())
            finally:
                self.connected = False
            if time.monotonic() - began > 10:
                backoff = 0.5
            self.stopped.wait(max(pause, backoff * (0.5 + secrets.randbelow(1000) / 1000)))
            backoff = min(self.max_backoff, backoff * 2)

    def waits(self):
        batches, size = self.spool.waiting()
        return "%d batches (%.1f MB) wait on disk" % (batches, size / 1e6)

    def connect_and_serve(self):
        plain = socket.create_connection(self.address, timeout=CONNECT_TIMEOUT)
        with plain if self.tls is None else self.tls.wrap(plain, self.address[0]) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            frames = Frames()
            backlog = []
            confirmed, taken, heartbeat = self.shake_hands(connection, frames, backlog)
            self.spool.skip_to(max(confirmed, taken))
            self.spool.ack(confirmed)
            connection.setblocking(False)
            self.connected = True
            self.connections += 1
            self.tell_connected(confirmed)
            self.on_connect()
            self.serve(connection, frames, backlog, max(confirmed, taken), heartbeat)

    def tell_connected(self, confirmed):
        log.info("connected to the host at %s:%d; it has everything up to batch %d; %s",
                 self.address[0], self.address[1], confirmed, self.waits())

    def read_frame(self, connection, frames, backlog):
        while not backlog:
            data = connection.recv(65536)
            if not data:
                raise ConnectionError("the host closed the connection before it said anything%s" % (
                    "" if self.tls else "; if it listens at tls+tcp://, set tls = yes and ca"))
            backlog.extend(frames.feed(data))
        return backlog.pop(0)

    def shake_hands(self, connection, frames, backlog):
        kind, _, body = self.read_frame(connection, frames, backlog)
        if kind != HELLO or len(body) != HELLO_BODY.size:
            raise ConnectionError("it is no dataserver")
        magic, lowest, highest, challenge = HELLO_BODY.unpack(body)
        if magic != b"DSQMT":
            raise ConnectionError("it is no dataserver")
        if not lowest <= self.protocol <= highest:
            remedy = "take the bridge of the host's release" if self.protocol == PROTOCOL else \
                "it takes quotes and asks for no history; set history_port to the port of a source that does"
            raise Refused(REFUSAL_VERSION, "it speaks versions %d to %d and this bridge %d; %s"
                          % (lowest, highest, self.protocol, remedy))
        own = secrets.token_bytes(32)
        head = AUTH_HEAD.pack(self.protocol, own, self.spool.identity, self.spool.first_kept(),
                              self.spool.next_sequence)
        name = ("qmt_bridge %s, Python %s, %s" % (
            BRIDGE_VERSION, platform.python_version(), socket.gethostname())).encode("utf-8")[:200]
        proof = prove(self.token, BRIDGE_PROOF, challenge, head, name)
        connection.sendall(frame(AUTH, head + proof + name))
        kind, _, body = self.read_frame(connection, frames, backlog)
        if kind == REFUSED:
            raise Refused(body[0] if body else 0, body[1:].decode("utf-8", "replace"))
        if kind != WELCOME or len(body) != 32 + TOLD.size:
            raise ConnectionError("the host answered with something strange")
        told = body[32:]
        if not hmac.compare_digest(body[:32], prove(self.token, HOST_PROOF, own, challenge, told)):
            raise Refused(REFUSAL_TOKEN, "it does not know the token itself; is this the right host?")
        return TOLD.unpack(told)

    def serve(self, connection, frames, backlog, position, heartbeat):
        heartbeat = max(1, heartbeat)
        status_at = 0.0

        def hear(kind, sequence, body):
            if kind == ACK:
                self.spool.ack(sequence)

        def fill(unsent, now):
            nonlocal position, status_at
            if len(unsent) < MOST_UNSENT // 4:
                data, position = self.spool.after(position)
                unsent += data
            if now - status_at >= heartbeat or self.news or self.stopping:
                status_at = now
                status = self.status()
                if status:
                    unsent += frame(STATUS, json.dumps(status).encode("utf-8"))
            return not self.stopping or bool(self.spool.after(position, 1)[0])

        unsent = self.exchange(connection, frames, backlog, heartbeat, hear, fill)
        unsent += frame(BYE)
        connection.settimeout(CONNECT_TIMEOUT)
        connection.sendall(bytes(unsent))
        if self.tls is None:  # within TLS that would end both directions
            connection.shutdown(socket.SHUT_WR)
        self.hear_the_rest(connection, frames)

    def exchange(self, connection, frames, backlog, heartbeat, hear, fill):
        """Gives what comes to `hear`, and sends what `fill` adds to what is unsent until that is over.

        `fill` says with each call whether it goes on; what is unsent in the end is returned.
        """
        unsent = bytearray()
        heard = said = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self.wake_in, selectors.EVENT_READ)
            selector.register(connection, selectors.EVENT_READ)
            while True:
                for kind, sequence, body in backlog:
                    if kind == REFUSED:
                        raise Refused(body[0] if body else 0, body[1:].decode("utf-8", "replace"))
                    hear(kind, sequence, body)
                backlog = []
                now = time.monotonic()
                if not fill(unsent, now):
                    return unsent
                if not unsent and now - said >= heartbeat:
                    unsent += frame(HEARTBEAT)
                if now - heard > heartbeat * MISSED_HEARTBEATS:
                    raise ConnectionError("nothing came from it for %d s" % (now - heard))
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if unsent else 0)
                selector.modify(connection, wanted)
                for key, events in selector.select(0.5):
                    if key.fileobj is self.wake_in:
                        self.drain_wakes()
                        continue
                    if events & selectors.EVENT_READ:
                        for data in self.available(connection):
                            heard = time.monotonic()
                            backlog.extend(frames.feed(data))
                    if events & selectors.EVENT_WRITE and unsent:
                        sent = self.send_some(connection, unsent)
                        del unsent[:sent]
                        self.sent += sent
                        said = time.monotonic() if sent else said

    @staticmethod
    def available(connection):
        """What can be read without waiting. Within TLS the selector does not see all of it."""
        while True:
            try:
                data = connection.recv(65536)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            if not data:
                raise ConnectionError("it closed the connection")
            yield data
            if not (isinstance(connection, ssl.SSLSocket) and connection.pending()):
                return

    @staticmethod
    def send_some(connection, unsent):
        # within TLS, what did not leave must be offered again as it was; it only grows at its end
        view = memoryview(unsent)[:1 << 18]
        try:
            return connection.send(view)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        finally:
            view.release()

    def hear_the_rest(self, connection, frames):
        """Confirmations that were under way; the host closes when it has read the last word."""
        deadline = time.monotonic() + 2
        try:
            while time.monotonic() < deadline:
                connection.settimeout(max(0.05, deadline - time.monotonic()))
                data = connection.recv(65536)
                if not data:
                    return
                for kind, sequence, _ in frames.feed(data):
                    if kind == ACK:
                        self.spool.ack(sequence)
        except OSError:
            pass  # what is not confirmed is sent again

    def drain_wakes(self):
        try:
            while self.wake_in.recv(4096):
                pass
        except OSError:
            pass


# ---------------------------------------------------------------------------------------------------
# xtquant

WHOLE, PER_STOCK, POLLING = "whole_quote", "per_stock", "polling"
MARKETS = ("SH", "SZ", "BJ")


class Quotes(threading.Thread):
    """Keeps a subscription of some kind alive, and says which."""

    CHECK_EVERY = 5.0

    def __init__(self, options, feed, on_change):
        super().__init__(name="quotes", daemon=True)
        self.options = options
        self.feed = feed
        self.on_change = on_change
        self.xtdata = None
        self.mode = None
        self.last_text = None
        # xtquant does not say whether two threads may ask it at once
        self.asking = threading.Lock()
        self.stopping = threading.Event()
        self.codes = []
        self.subscriptions = []
        self.polled = []
        self.last_polled = {}
        self.heard_at = time.monotonic()
        self.generation = 0
        self.callbacks = 0

    # called by xtquant's own thread
    def on_quotes(self, generation, data):
        if generation == self.generation:
            self.callbacks += 1
            self.heard_at = time.monotonic()
            self.feed.offer(data)

    def stop(self):
        self.stopping.set()

    def run(self):
        backoff = 1.0
        while not self.stopping.is_set():
            try:
                self.connect()
                self.subscribe()
                backoff = 1.0
                self.watch()
            except Exception as error:
                self.change(None, "error", "QMT is not there: %s; start miniQMT and log in" % error)
            self.unsubscribe()
            if not self.stopping.wait(backoff):
                backoff = min(30.0, backoff * 2)

    def change(self, mode, level, text):
        is_news = (mode, text) != (self.mode, self.last_text)
        # first, because a snapshot is asked for as soon as others hear of it
        self.mode, self.last_text = mode, text
        if is_news:
            getattr(log, level)("%s", text)
            self.on_change(level, text)

    def connect(self):
        if self.xtdata is None:
            if self.options.xtquant_path:
                sys.path.insert(0, self.options.xtquant_path)
            self.xtdata = importlib.import_module("xtquant.xtdata")
        if self.options.xtquant_port and hasattr(self.xtdata, "connect"):
            self.xtdata.connect(port=self.options.xtquant_port)
        self.codes = self.stock_list()
        if not self.codes:
            raise RuntimeError("the stock list is empty")

    def stock_list(self):
        if self.options.codes:
            return list(self.options.codes)
        codes = []
        for sector in self.options.sectors:
            try:
                found = self.xtdata.get_stock_list_in_sector(sector) or []
            except Exception as error:
                log.warning("sector %s cannot be listed: %s", sector, error)
                continue
            if not found:
                log.warning("sector %s is empty; run xtdata.download_sector_data() once", sector)
            codes.extend(found)
        return list(dict.fromkeys(codes))

    def subscribe(self):
        self.generation += 1
        generation = self.generation
        callback = lambda data: self.on_quotes(generation, data)
        modes = [self.options.mode] if self.options.mode != "auto" else [WHOLE, PER_STOCK, POLLING]
        self.polled = []
        for mode in modes:
            if mode == WHOLE and self.subscribe_whole(callback):
                return self.change(WHOLE, "info", "mode whole_quote: one subscription for %d securities"
                                   % len(self.codes))
            if mode == PER_STOCK and self.subscribe_each(callback):
                text = "mode per_stock: %d subscriptions" % len(self.subscriptions)
                if self.polled:
                    text += "; %d securities were refused and are polled" % len(self.polled)
                return self.change(PER_STOCK, "warning", text)
            if mode == POLLING:
                self.polled = list(self.codes)
                return self.change(POLLING, "warning", "mode polling: %d securities every %g s, because "
                                   "subscriptions fail" % (len(self.codes), self.options.poll_interval))
        raise RuntimeError("mode %s does not work here" % self.options.mode)

    def subscribe_whole(self, callback):
        try:
            with self.asking:
                number = self.xtdata.subscribe_whole_quote(self.codes, callback=callback)
        except Exception as error:
            log.warning("subscribe_whole_quote failed: %s", error)
            return False
        if not isinstance(number, int) or number <= 0:
            log.warning("subscribe_whole_quote was refused (%r)", number)
            return False
        self.subscriptions = [number]
        return True

    def subscribe_each(self, callback):
        refused = []
        for code in self.codes:
            if self.stopping.is_set():
                break
            try:
                with self.asking:
                    number = self.xtdata.subscribe_quote(code, period="tick", count=0,
                                                         callback=callback)
            except Exception as error:
                number = error
            if isinstance(number, int) and number > 0:
                self.subscriptions.append(number)
            else:
                refused.append(code)
        if refused:
            log.warning("subscribe_quote was refused for %d of %d securities, e.g. %s", len(refused),
                        len(self.codes), refused[0])
        self.polled = refused
        return bool(self.subscriptions)

    def unsubscribe(self):
        self.generation += 1
        for number in self.subscriptions:
            try:
                with self.asking:
                    self.xtdata.unsubscribe_quote(number)
            except Exception:
                pass  # the terminal is gone, and its subscriptions with it
        self.subscriptions = []

    def watch(self):
        """Polls what has to be polled and returns when the subscription is dead."""
        self.heard_at = time.monotonic()
        next_poll = next_check = time.monotonic()
        while not self.stopping.is_set():
            now = time.monotonic()
            if self.polled and now >= next_poll:
                next_poll = now + self.options.poll_interval
                self.poll()
            if now >= next_check:
                next_check = now + self.CHECK_EVERY
                if not self.is_connected():
                    raise RuntimeError("the connection of xtquant is gone")
                if self.subscriptions and now - self.heard_at > self.options.silence and \
                        self.is_deaf():
                    log.warning("quotes change but nothing is called; subscribing again")
                    return
            pause = min(next_check, next_poll if self.polled else next_check) - time.monotonic()
            self.stopping.wait(max(0.02, pause))

    def is_connected(self):
        try:
            client = self.xtdata.get_client()
            return bool(client.is_connected())
        except AttributeError:
            return True  # xtquant of another version

    def is_deaf(self):
        """Whether quotes move though the callback is silent."""
        sample = self.codes[:: max(1, len(self.codes) // 50)][:50]
        before = self.full_tick(sample)
        if self.stopping.wait(min(6.0, self.options.silence)):
            return False
        after = self.full_tick(sample)
        return time.monotonic() - self.heard_at > self.options.silence and before != after

    def full_tick(self, codes):
        out = {}
        for start in range(0, len(codes), 1000):
            with self.asking:
                out.update(self.xtdata.get_full_tick(codes[start:start + 1000]) or {})
        return out

    def poll(self):
        changed = {}
        for code, tick in self.full_tick(self.polled).items():
            if tick and self.last_polled.get(code) != tick:
                self.last_polled[code] = changed[code] = tick
        self.feed.offer(changed)
        self.heard_at = time.monotonic()

    def snapshot(self):
        if self.xtdata is None or self.mode is None:
            raise RuntimeError("QMT is not there yet")
        return self.full_tick(self.codes)


# ---------------------------------------------------------------------------------------------------
# history: a process of its own, so that neither its memory nor its waiting touches live quotes

HISTORY_PROTOCOL = 2
ASK, PAGE = 10, 11
PAGE_HEAD = struct.Struct("<I")
REFUSAL_ENDS = 4
HISTORY_PERIODS = {"1m": "1m", "5m": "5m", "day": "1d", "tick": "tick"}
BAR_FIELDS = ("time", "open", "high", "low", "close", "volume", "amount", "preClose", "suspendFlag")
# xtquant takes no more securities in one download
MOST_DOWNLOADED = 500
# rows of one read, estimated; what xtquant has read it holds in memory
READ_ROWS = 20000
ROWS_A_DAY = {"1m": 241, "5m": 49, "1d": 1, "tick": 5000}
PAGE_ROWS = 20000
# rows after which the process gives way to a fresh one, as xtquant gives little memory back
RECYCLE_ROWS = 5000000
# seconds without a callback after which a download counts as stuck
DOWNLOAD_STALL = 60.0
HISTORY_PAUSE = 1.0
# part of history_wait that the rest is waited for once some rows have come
QUIET_SHARE = 0.2


class Gone(Exception):
    """Nobody waits for the answer any more."""


class Outgoing:
    """Bytes between the worker and the connection; a full one has the worker wait."""

    def __init__(self, most, wake):
        self.most = most
        self.wake = wake
        self.parts = collections.deque()
        self.size = 0
        self.closed = False
        self.condition = threading.Condition()

    def put(self, data):
        with self.condition:
            while self.size and self.size + len(data) > self.most and not self.closed:
                self.condition.wait(1.0)
            if self.closed:
                raise Gone()
            self.parts.append(data)
            self.size += len(data)
        self.wake()

    def take(self):
        with self.condition:
            data = self.parts.popleft() if self.parts else b""
            self.size -= len(data)
            self.condition.notify_all()
            return data

    def close(self):
        with self.condition:
            self.closed = True
            self.condition.notify_all()


def number(value):
    """A number of a frame as a double; NaN where there is none, infinite where it is none at all."""
    if value is None:
        return NAN
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("inf")


def times_of(frame):
    """Labels in milliseconds since 1970 UTC; where `time` is missing, out of `stime` or the index."""
    times = [number(value) for value in column_of(frame, "time")]
    if all(value == value for value in times):
        return times
    texts = column_of(frame, "stime")
    if not any(isinstance(text, str) for text in texts):
        texts = [str(label) for label in frame.index]
    found = []
    for value, text in zip(times, texts):
        digits = re.sub(r"\D", "", str(text))
        if value != value and len(digits) in (8, 14):
            value = tick_ms({"stime": digits.ljust(14, "0")})
        found.append(NAN if value is None else value)
    return found


def column_of(frame, name):
    return frame[name].tolist() if name in frame.columns else [None] * len(frame)


def shuffle(columns):
    for column in columns:
        if sys.byteorder != "little":
            column.byteswap()
    block = b"".join(column.tobytes() for column in columns)
    return b"".join(block[place::8] for place in range(8))


def bar_page(frame):
    """Rows of bars, packed."""
    columns = [array("d", times_of(frame))]
    columns += [array("d", map(number, column_of(frame, name))) for name in BAR_FIELDS[1:]]
    return zlib.compress(shuffle(columns), 1)


def plain(value):
    """A value of a tick in Python's own types; whole numbers stay whole."""
    for method in ("tolist", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    return list(value) if isinstance(value, tuple) else value


def tick_page(code, frame):
    """Ticks, packed as live ones are, and the length before packing."""
    names = [name for name in frame.columns if name in TICK_KEYS]
    columns = [column_of(frame, name) for name in names]
    ticks = [{name: plain(value) for name, value in zip(names, row)} for row in zip(*columns)]
    for tick, ms in zip(ticks, times_of(frame)):
        if ms == ms:
            tick["time"] = ms
        elif "time" in tick:
            del tick["time"]
    inner, length, _ = pack([(code, tick) for tick in ticks], {})
    return inner, length


def has_trades(frame):
    """Whether a window holds more than padding."""
    return frame is not None and len(frame) > 0 and any(
        number(value) > 0 for value in column_of(frame, "volume"))


class Terminal:
    """What a worker asks of xtquant."""

    def __init__(self, options):
        self.options = options
        self.xtdata = None

    def connect(self):
        if self.xtdata is None:
            if self.options.xtquant_path and self.options.xtquant_path not in sys.path:
                sys.path.insert(0, self.options.xtquant_path)
            self.xtdata = importlib.import_module("xtquant.xtdata")
        if self.options.xtquant_port and hasattr(self.xtdata, "connect"):
            self.xtdata.connect(port=self.options.xtquant_port)
        client = self.xtdata.get_client() if hasattr(self.xtdata, "get_client") else None
        if hasattr(client, "is_connected") and not client.is_connected():
            raise RuntimeError("xtquant is not connected")

    def download(self, codes, period, span, on_progress):
        """Has the terminal fetch that; the texts of what went wrong, by code, "" for all of them.

        It returns before the data can be read, and its last callback may never come.
        """
        progress = {"finished": 0, "total": 0, "moved": time.monotonic(), "error": None, "done": False}
        faults = {}

        def on_callback(data):
            progress["moved"] = time.monotonic()
            progress["finished"] = data.get("finished", 0)
            progress["total"] = data.get("total", 0)
            code, text = data.get("stockcode") or "", data.get("message") or ""
            # real terminals have the code in `message`, the manual's example in `stockcode`
            if code and text and text != code:
                faults[code] = text

        def run():
            try:
                if hasattr(self.xtdata, "download_history_data2"):
                    self.xtdata.download_history_data2(list(codes), period, span[0], span[1], on_callback)
                else:
                    for place, code in enumerate(codes):
                        self.xtdata.download_history_data(code, period, span[0], span[1])
                        on_callback({"finished": place + 1, "total": len(codes)})
            except Exception as error:
                progress["error"] = str(error)
            progress["done"] = True

        # a call that never returns costs a thread and not the answer
        thread = threading.Thread(target=run, name="download", daemon=True)
        thread.start()
        while not progress["done"]:
            thread.join(1.0)
            on_progress("downloads %s: %d of %d" % (period, progress["finished"], progress["total"]))
            if 0 < progress["total"] <= progress["finished"]:
                break
            if time.monotonic() - progress["moved"] > DOWNLOAD_STALL:
                faults[""] = "the download did not move for %g s" % DOWNLOAD_STALL
                break
        if progress["error"]:
            faults[""] = progress["error"]
        return faults

    def read(self, codes, period, span):
        """What the terminal has on disk and in memory: frames by code."""
        if hasattr(self.xtdata, "get_market_data_ex"):
            read = self.xtdata.get_market_data_ex
        else:
            read = self.xtdata.get_local_data
        found = read(field_list=[], stock_list=list(codes), period=period, start_time=span[0],
                     end_time=span[1], count=-1, dividend_type="none", fill_data=False)
        return {code: frame for code, frame in (found or {}).items() if len(frame)}


class HistoryWorker(threading.Thread):
    """Answers what the host asks, one question after the other."""

    def __init__(self, terminal, outgoing, wait):
        super().__init__(name="history", daemon=True)
        self.terminal = terminal
        self.outgoing = outgoing
        self.wait = wait  # seconds for data to appear after its download
        self.asks = queue.Queue()
        self.rows = 0

    def run(self):
        while True:
            ask = self.asks.get()
            if ask is None:
                return
            try:
                self.answer(ask)
            except Gone:
                return
            except Exception as error:  # a question that nobody thought of must not end the others
                log.exception("a question could not be answered")
                self.try_to_say({"id": ask.get("id", 0), "error": "the bridge failed: %s" % error})

    def try_to_say(self, head):
        try:
            self.say(head)
        except Gone:
            pass

    def say(self, head, data=b""):
        text = json.dumps(head).encode("utf-8")
        body = PAGE_HEAD.pack(len(text)) + text + data
        self.outgoing.put(frame(PAGE, body, head["id"]))

    def answer(self, ask):
        ident, codes = ask["id"], ask["symbols"]
        period = HISTORY_PERIODS.get("tick" if ask["kind"] == "spot" else ask["period"])
        if period is None:
            return self.say({"id": ident, "error": "this bridge has no bars of %s" % ask["period"]})
        self.say({"id": ident, "progress": "asked for %d securities" % len(codes)})
        try:
            self.terminal.connect()
        except Exception as error:
            return self.say({"id": ident, "error": "QMT is not there: %s; start miniQMT and log in" % error})
        days = (ask["from"], ask["to"])
        log.info("asked for %s of %d securities from %s to %s", period, len(codes), *days)
        for start in range(0, len(codes), MOST_DOWNLOADED):
            self.answer_some(ident, codes[start:start + MOST_DOWNLOADED], period, days)
        self.say({"id": ident, "end": True})

    def answer_some(self, ident, codes, period, days):
        span = days if period == "1d" else (days[0] + "000000", days[1] + "235959")
        faults = self.terminal.download(
            codes, period, span, lambda text: self.say({"id": ident, "progress": text}))
        if period != "1d":
            # bars of days prove whether minutes and ticks are whole
            self.terminal.download(codes, "1d", days,
                                   lambda text: self.say({"id": ident, "progress": text}))
        # nothing comes of a download that failed, but it may lie on disk
        wait = 0.0 if "" in faults else self.wait
        waiting, pause, until = list(codes), 0.1, time.monotonic() + wait
        while waiting:
            is_last, before = time.monotonic() >= until, len(waiting)
            waiting = self.read_some(ident, waiting, period, span, days, faults, is_last)
            if len(waiting) < before:
                # what does not come soon behind the others is suspended, as a rule
                until = min(until, time.monotonic() + wait * QUIET_SHARE)
            if waiting and not is_last:
                self.say({"id": ident, "progress": "waits for %d securities" % len(waiting)})
                time.sleep(min(pause, max(0.0, until - time.monotonic())))
                pause = min(2.0, pause * 2)

    def read_some(self, ident, codes, period, span, days, faults, is_last):
        """Sends what is there; the codes of which nothing is. The last time all are settled."""
        rows = ROWS_A_DAY[period] * max(1, days_between(*days))
        step, rest = max(1, min(100, READ_ROWS // rows)), []
        for start in range(0, len(codes), step):
            some, fault = codes[start:start + step], None
            frames, of_days = {}, {}
            try:
                frames = self.terminal.read(some, period, span)
                of_days = self.terminal.read(some, "1d", days) if period != "1d" else {}
            except Exception as error:
                fault = str(error)
            for code in some:
                found = frames.get(code)
                if not is_last and not has_trades(found):
                    rest.append(code)
                    continue
                fault_of_code = fault or faults.get(code) or faults.get("")
                self.send(ident, code, period, found, of_days.get(code), fault_of_code)
        return rest

    def send(self, ident, code, period, found, of_days, fault):
        if found is None:
            self.say({"id": ident, "symbol": code, "error": fault or "the terminal has no rows of it"})
            return
        if of_days is not None and len(of_days):
            self.say({"id": ident, "symbol": code, "what": "day", "rows": len(of_days)},
                     bar_page(of_days))
        what = "spot" if period == "tick" else "bar"
        for start in range(0, len(found), PAGE_ROWS):
            part = found.iloc[start:start + PAGE_ROWS]
            head = {"id": ident, "symbol": code, "what": what, "rows": len(part)}
            if start + PAGE_ROWS >= len(found):
                head["last"] = True
            if what == "spot":
                data, head["unpacked"] = tick_page(code, part)
            else:
                data = bar_page(part)
            self.say(head, data)
        self.rows += len(found)


def days_between(first, last):
    days = [calendar.timegm((int(day[:4]), int(day[4:6]), int(day[6:8]), 0, 0, 0)) // 86400
            for day in (first, last)]
    return days[1] - days[0] + 1


class NoSpool:
    """History is asked for again when it was not taken, so nothing of it is kept."""

    def __init__(self):
        self.identity = secrets.randbits(63) | 1
        self.next_sequence = 1

    def first_kept(self):
        return 1

    def skip_to(self, sequence):
        pass

    def ack(self, sequence):
        pass

    def waiting(self):
        return 0, 0


class HistoryLink(Link):
    """Looks for a host that asks, again and again, and answers."""

    protocol = HISTORY_PROTOCOL

    def __init__(self, options, tls=None):
        super().__init__(options.host, options.history_port, options.token, NoSpool(), lambda: None,
                         dict, (), options.max_backoff, tls)
        self.options = options
        self.terminal = Terminal(options)
        self.rows = 0
        self.last_fault = None

    def run(self):
        while not self.stopping and self.rows < RECYCLE_ROWS:
            pause = min(HISTORY_PAUSE, self.max_backoff)
            try:
                self.spool = NoSpool()
                self.connect_and_serve()
            except Refused as error:
                if error.code != REFUSAL_ENDS:
                    pause = self.max_backoff
                    self.tell("the host refused: %s" % error)
            except (OSError, ValueError, struct.error) as error:
                # nobody listens as long as nothing is asked
                if not isinstance(error, ConnectionRefusedError):
                    self.tell("no connection to %s:%d: %s" % (*self.address, error))
            finally:
                self.connected = False
            self.stopped.wait(pause)

    def tell_connected(self, confirmed):
        log.info("history: the host at %s:%d asks", *self.address)

    def tell(self, text):
        if text != self.last_fault:
            self.last_fault = text
            log.warning("history: %s", text)

    def serve(self, connection, frames, backlog, position, heartbeat):
        self.last_fault = None
        outgoing = Outgoing(MOST_UNSENT, self.wake)
        worker = HistoryWorker(self.terminal, outgoing, self.options.history_wait)
        worker.start()

        def hear(kind, sequence, body):
            if kind == ASK:
                worker.asks.put(json.loads(body.decode("utf-8")))

        def fill(unsent, now):
            if len(unsent) < MOST_UNSENT // 4:
                unsent += outgoing.take()
            return not self.stopping

        try:
            self.exchange(connection, frames, backlog, max(1, heartbeat), hear, fill)
        finally:
            outgoing.close()
            worker.asks.put(None)
            self.rows += worker.rows


class HistoryProcess(threading.Thread):
    """Keeps the process that answers questions alive."""

    PAUSE = 5.0

    def __init__(self, arguments):
        super().__init__(name="history process", daemon=True)
        self.command = [sys.executable, os.path.abspath(__file__), *arguments, "--history-worker"]
        self.stopping = threading.Event()

    def run(self):
        surroundings = dict(os.environ)
        if sys.dont_write_bytecode:
            surroundings["PYTHONDONTWRITEBYTECODE"] = "1"
        if sys.flags.utf8_mode:
            surroundings["PYTHONUTF8"] = "1"
        while not self.stopping.is_set():
            try:
                child = subprocess.Popen(self.command, stdin=subprocess.PIPE, env=surroundings)
            except OSError as error:
                log.error("no process for history: %s", error)
                self.stopping.wait(self.PAUSE)
                continue
            while child.poll() is None and not self.stopping.wait(0.2):
                pass
            self.end(child)
            if child.returncode and not self.stopping.is_set():
                log.warning("the process for history ended with %d; it is started again", child.returncode)
                self.stopping.wait(self.PAUSE)

    @staticmethod
    def end(child):
        child.stdin.close()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def stop(self):
        self.stopping.set()


def end_with_parent():
    """The bridge holds the other end of the pipe, also when it is killed."""
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    os._exit(0)


def run_history(options):
    """What the process for history does."""
    for name in ("SIGINT", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=end_with_parent, name="parent", daemon=True).start()
    log.info("history: a host may ask at %s:%d", options.host, options.history_port)
    HistoryLink(options, tls_of(options)).run()
    log.info("history: this process gives way to a fresh one")
    # a download that hangs must not hold it up
    os._exit(0)


# ---------------------------------------------------------------------------------------------------
# the program

DEFAULTS = {
    "host": "127.0.0.1", "port": 9300, "token": "", "token_file": "", "tls": "no", "ca": "", "cert": "",
    "key": "", "tls_name": "", "spool": "qmt_spool",
    "spool_max_bytes": 2 << 30, "queue_max_ticks": 400000, "mode": "auto", "codes": "",
    "codes_file": "", "sectors": "沪深A股,京市A股", "poll_interval": 3.0,
    "silence": 60.0, "xtquant_path": "", "xtquant_port": 0, "log_file": "", "log_level": "info",
    "status_every": 60.0, "max_backoff": 30.0, "history_port": 0, "history_wait": 20.0,
}
YES, NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")
HELP = {
    "host": "machine of dataserver",
    "port": "port of its qmt source",
    "token": "the source's token; better in a file or in the environment (QMT_BRIDGE_TOKEN)",
    "token_file": "file with the token",
    "tls": "yes when the source listens at tls+tcp://",
    "ca": "file with the certificates in PEM that the host's must come from; empty for those that the "
          "system trusts",
    "cert": "file with a certificate in PEM to show, when the host asks for one (its tls.client_ca)",
    "key": "file with its key, in PEM and not encrypted",
    "tls_name": "name in the host's certificate, when it is not `host`",
    "spool": "folder for what the host has not confirmed",
    "spool_max_bytes": "bound of the spool; then the oldest is dropped and counted",
    "queue_max_ticks": "bound of the queue in memory, in ticks; then the newest is dropped and counted",
    "mode": "auto, whole_quote, per_stock or polling",
    "codes": "securities, separated by commas; or markets such as SH,SZ,BJ",
    "codes_file": "file with securities, one a line",
    "sectors": "sectors of QMT whose securities are subscribed when no codes are given",
    "poll_interval": "seconds between two polls of get_full_tick",
    "silence": "seconds without a callback after which the subscription is examined",
    "xtquant_path": "folder that contains the package xtquant, unless it is installed",
    "xtquant_port": "port of QMT's quote service; 0 leaves it to xtquant",
    "log_file": "file for the log, which is rotated at 10 MB; empty for the console",
    "log_level": "debug, info, warning or error",
    "status_every": "seconds between lines that tell what was done",
    "max_backoff": "longest pause in seconds before the next try to reach the host",
    "history_port": "port of the host's source that asks for history; 0: none is answered",
    "history_wait": "seconds that rows may take to appear after their download",
}


def parse_options(arguments):
    parser = argparse.ArgumentParser(
        description="Sends the quotes of a QMT terminal to dataserver.",
        epilog="Every option may stand in a file too: qmt_bridge.ini, section [bridge], "
               "or TOML with a table [bridge]; what the command line says wins.")
    parser.add_argument("--config", help="file with options, .ini or .toml")
    parser.add_argument("--version", action="version", version="qmt_bridge " + BRIDGE_VERSION)
    parser.add_argument("--history-worker", dest="is_worker", action="store_true",
                        help=argparse.SUPPRESS)
    for name, default in DEFAULTS.items():
        parser.add_argument("--" + name.replace("_", "-"), dest=name, type=type(default),
                            help="%s (default %s)" % (HELP[name], default or "none"))
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items()
             if value is not None}
    values = dict(DEFAULTS)
    config, is_worker = given.pop("config", None), given.pop("is_worker")
    if config:
        for name, value in read_config(config).items():
            if name not in DEFAULTS:
                parser.error("%s: option %s is unknown; known are %s"
                             % (config, name, ", ".join(DEFAULTS)))
            try:
                values[name] = type(DEFAULTS[name])(value)
            except ValueError:
                parser.error("%s: option %s is %r; write a number" % (config, name, value))
    values.update(given)
    options = argparse.Namespace(is_worker=is_worker, **values)
    if options.token_file:
        with open(options.token_file, encoding="utf-8-sig") as file:
            options.token = file.read().strip()
    options.token = options.token or os.environ.get("QMT_BRIDGE_TOKEN", "")
    if len(options.token) < 8:
        parser.error("the token is missing or shorter than 8 characters; give --token-file")
    if str(options.tls).lower() not in YES + NO:
        parser.error("tls is %s; write yes or no" % options.tls)
    options.tls = str(options.tls).lower() in YES
    given = [name for name in ("ca", "cert", "key", "tls_name") if getattr(options, name)]
    if given and not options.tls:
        parser.error("%s is given, but tls is no; write tls = yes" % given[0])
    if options.key and not options.cert:
        parser.error("key is given without cert; name the certificate's file too")
    if options.mode not in ("auto", WHOLE, PER_STOCK, POLLING):
        parser.error("mode is %s; use auto, whole_quote, per_stock or polling" % options.mode)
    if options.spool_max_bytes < 1 << 20:
        parser.error("spool_max_bytes is %d; the least is %d" % (options.spool_max_bytes, 1 << 20))
    if min(options.poll_interval, options.silence, options.max_backoff, options.status_every,
           options.history_wait) <= 0:
        parser.error("poll_interval, silence, max_backoff, status_every and history_wait must be above 0")
    if options.history_port and options.history_port == options.port:
        parser.error("history_port is %d, as port is; the host's source of history listens at a port of "
                     "its own" % options.port)
    codes = [code.strip() for code in options.codes.split(",") if code.strip()]
    if options.codes_file:
        with open(options.codes_file, encoding="utf-8-sig") as file:
            codes += [line.split("#")[0].strip() for line in file if line.split("#")[0].strip()]
    options.codes = codes
    options.sectors = [name.strip() for name in options.sectors.split(",") if name.strip()]
    return options


def read_config(path):
    with open(path, encoding="utf-8-sig") as file:
        text = file.read()
    if path.lower().endswith(".toml"):
        try:
            import tomllib
        except ImportError:
            sys.exit("%s: Python older than 3.11 reads no TOML; write it as .ini" % path)
        return tomllib.loads(text).get("bridge", {})
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text, source=path)
    return dict(parser["bridge"]) if parser.has_section("bridge") else {}


def set_up_logging(options):
    if options.is_worker and options.log_file:
        # two processes cannot rotate one file
        options.log_file = "%s_history%s" % os.path.splitext(options.log_file)
    handler = logging.handlers.RotatingFileHandler(
        options.log_file, maxBytes=10 << 20, backupCount=5, encoding="utf-8") \
        if options.log_file else logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    log.addHandler(handler)
    log.setLevel(options.log_level.upper())


def tls_of(options):
    return Tls(options.ca, options.cert, options.key, options.tls_name) if options.tls else None


class Bridge:
    def __init__(self, options, arguments=()):
        self.options = options
        self.spool = Spool(options.spool, options.spool_max_bytes)
        self.feed = Feed(options.queue_max_ticks)
        self.quotes = Quotes(options, self.feed, self.on_change)
        self.writer = Writer(self.feed, self.spool, self.quotes.snapshot, lambda: self.link.wake())
        self.news = collections.deque(maxlen=20)
        self.link = Link(options.host, options.port, options.token, self.spool, self.on_connect,
                         self.status, self.news, options.max_backoff, tls_of(options))
        self.history = HistoryProcess(arguments) if options.history_port else None
        self.last_change = None
        self.reported = {"bridge_queue_full": 0, "bridge_spool_full": 0}
        self.stop_event = threading.Event()

    def on_change(self, level, text):
        self.last_change = (level, text)
        self.news.append((level, text))
        # the terminal may have been away; what changed meanwhile is not called again
        if level != "error":
            self.writer.want_snapshot("subscribed")
        self.link.wake()

    def on_connect(self):
        if self.last_change and not self.news:
            self.news.append(self.last_change)
        if self.quotes.mode:
            self.writer.want_snapshot("connected to the host")

    def status(self):
        """What the host is told: the latest news, and what was dropped since the last time."""
        status = {"spooled": self.spool.waiting()[0]}
        if self.news:
            status["level"], status["text"] = self.news.popleft()
        # what a cut connection swallows is in the log of this side alone
        dropped = {"bridge_queue_full": self.feed.dropped + self.writer.failed,
                   "bridge_spool_full": self.spool.dropped_records}
        news = {name: total - self.reported[name] for name, total in dropped.items()
                if total > self.reported[name]}
        if news:
            status["dropped"] = news
            self.reported = dropped
        return status

    def report(self):
        batches, size = self.spool.waiting()
        log.info("%s to the host, mode %s: %d records so far, %d callbacks; %d batches (%.1f MB) wait on "
                 "disk; dropped: %d queue full, %d spool full; %d superseded",
                 "connected" if self.link.connected else "NOT connected", self.quotes.mode,
                 self.writer.records, self.quotes.callbacks, batches, size / 1e6,
                 self.feed.dropped + self.writer.failed, self.spool.dropped_records,
                 self.writer.superseded)

    def run(self):
        log.info("qmt_bridge %s, spool %s (%016x), host %s:%d", BRIDGE_VERSION, self.spool.folder,
                 self.spool.identity, self.options.host, self.options.port)
        for thread in filter(None, (self.writer, self.link, self.quotes, self.history)):
            thread.start()
        # short waits, because Windows wakes no waiting main thread for Ctrl-C
        reported_at = time.monotonic()
        while not self.stop_event.wait(0.2):
            if time.monotonic() - reported_at >= self.options.status_every:
                reported_at = time.monotonic()
                self.report()
        if self.history:
            self.history.stop()
        self.quotes.stop()
        self.quotes.join(10)
        self.quotes.unsubscribe()
        self.writer.stop()
        self.writer.join(30)
        self.link.stop()
        self.link.join(30)
        if self.history:
            self.history.join(10)
        self.report()
        self.spool.close()
        log.info("ended in order")


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse_options(arguments)
    set_up_logging(options)
    try:
        if options.is_worker:
            return run_history(options)
        bridge = Bridge(options, arguments)
    except (OSError, SpoolInUse) as error:
        log.error("%s", error)
        return 1
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: bridge.stop_event.set())
    bridge.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
