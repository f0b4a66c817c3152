"""Tests of the bridge script alone: its queue, its spool, its options.

usage: qmt_bridge_test.py BRIDGE
"""

import ast
import importlib.util
import json
import logging
import os
import struct
import sys
import tempfile
import threading
import time
import unittest
import zlib

import pandas

BRIDGE = sys.argv.pop(1)
sys.dont_write_bytecode = True
_spec = importlib.util.spec_from_file_location("qmt_bridge", BRIDGE)
bridge = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(bridge)
logging.getLogger("qmt_bridge").addHandler(logging.NullHandler())

TICK = {"time": 1733118954000, "lastPrice": 11.39, "amount": 1139.0, "volume": 1, "pvolume": 100}


def spooled(spool):
    """Sequences, first records and counts of all frames that are not confirmed."""
    found, last = [], spool.acked
    while True:
        data, last = spool.after(last)
        if not data:
            return found
        at = 0
        while at < len(data):
            length, kind, sequence, _ = bridge.HEADER.unpack_from(data, at)
            assert kind == bridge.BATCH
            head = bridge.BATCH_HEAD.unpack_from(data, at + bridge.HEADER.size)
            found.append((sequence, head[0], head[1], head[3]))
            at += bridge.HEADER.size + length


class SpoolTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def open(self, max_bytes=1 << 30):
        return bridge.Spool(self.folder.name, max_bytes)

    def segments(self):
        names = [name for name in os.listdir(self.folder.name) if name.endswith(".seg")]
        return [os.path.join(self.folder.name, name) for name in sorted(names)]

    def append(self, spool, count=3, size=40):
        return spool.append(1, os.urandom(size), size, count, False)

    def kill(self, spool):
        """What is left of a process that was killed."""
        spool.file.close()
        spool.lock_file.close()

    def test_numbers_go_on_after_an_end_in_order(self):
        spool = self.open()
        self.assertEqual([self.append(spool) for _ in range(3)], [1, 2, 3])
        identity = spool.identity
        spool.ack(2)
        spool.close()
        spool = self.open()
        self.assertEqual((spool.identity, spool.acked, spool.next_sequence), (identity, 2, 4))
        self.assertEqual(spooled(spool), [(3, 2, 7, 3)])
        self.append(spool)
        self.assertEqual(spooled(spool)[-1], (4, 3, 10, 3))
        spool.close()

    def test_after_a_kill_no_number_is_given_again(self):
        spool = self.open()
        for _ in range(3):
            self.append(spool)
        self.kill(spool)
        spool = self.open()
        self.assertEqual([entry[0] for entry in spooled(spool)], [1, 2, 3])
        sequence = self.append(spool)
        self.assertEqual(sequence, 4 + bridge.JUMP)
        self.assertEqual(spooled(spool)[-1], (sequence, 3, 10, 3), "it says what came before it")
        spool.close()

    def test_a_tail_that_is_cut_at_any_byte_costs_the_last_frame_alone(self):
        spool = self.open()
        for _ in range(3):
            self.append(spool)
        self.kill(spool)
        path = self.segments()[0]
        with open(path, "rb") as file:
            whole = file.read()
        last = len(whole) - (bridge.HEADER.size + bridge.BATCH_HEAD.size + 40)
        for cut in range(last + 1, len(whole)):
            for extra in self.segments():
                os.remove(extra)
            with open(path, "wb") as file:
                file.write(whole[:cut])
            spool = self.open()
            self.assertEqual([entry[0] for entry in spooled(spool)], [1, 2], cut)
            self.kill(spool)

    def test_damage_ends_what_is_read_of_a_file(self):
        spool = self.open()
        for _ in range(3):
            self.append(spool)
        self.kill(spool)
        path = self.segments()[0]
        with open(path, "r+b") as file:
            file.seek(bridge.SEGMENT_HEAD.size + bridge.HEADER.size + bridge.BATCH_HEAD.size + 60)
            file.write(b"damage")
        spool = self.open()
        self.assertEqual([entry[0] for entry in spooled(spool)], [1])
        spool.close()

    def test_files_of_another_spool_are_put_aside(self):
        spool = self.open()
        self.append(spool)
        identity = spool.identity
        spool.close()
        with open(os.path.join(self.folder.name, "%020d.seg" % 9999), "wb") as file:
            file.write(bridge.SEGMENT_HEAD.pack(bridge.SEGMENT_MAGIC, identity ^ 2, 1, 0, 1))
        with open(os.path.join(self.folder.name, "%020d.seg" % 10000), "wb") as file:
            file.write(b"no spool at all, but as long as the head of one should be, or longer")
        spool = self.open()
        self.assertEqual(spool.identity, identity)
        self.assertEqual(len(spooled(spool)), 1)
        spool.close()

    def test_what_is_confirmed_leaves_the_disk(self):
        spool = self.open(1 << 20)
        for _ in range(100):
            self.append(spool, size=20000)
            spool.ack(spool.next_sequence - 1)
        self.assertLess(sum(map(os.path.getsize, self.segments())), 400000)
        self.assertEqual(spool.dropped_records, 0)
        spool.close()

    def test_the_bound_holds_and_the_oldest_is_counted(self):
        spool = self.open(1 << 20)
        for _ in range(200):
            self.append(spool, size=20000)
            self.assertLessEqual(sum(map(os.path.getsize, self.segments())), 1 << 20)
        kept = spooled(spool)
        self.assertEqual(kept[-1][0], 200)
        self.assertEqual([entry[0] for entry in kept], list(range(kept[0][0], 201)))
        self.assertEqual(spool.dropped_records + 3 * len(kept), 600)
        self.assertEqual(kept[0][1], kept[0][0] - 1, "the host sees that something is missing")
        spool.close()

    def test_a_full_disk_costs_what_does_not_fit_and_nothing_else(self):
        spool = self.open()
        self.append(spool)

        class Full:
            def __init__(self, file):
                self.file = file

            def write(self, data):
                self.file.write(data[:10])
                self.file.flush()
                raise OSError(28, "No space left on device")

            def __getattr__(self, name):
                return getattr(self.file, name)

        real, spool.file = spool.file, Full(spool.file)
        self.assertIsNone(self.append(spool))
        spool.file = real
        self.append(spool)
        self.assertEqual(spool.dropped_records, 3)
        self.assertEqual(spooled(spool), [(1, 0, 1, 3), (2, 1, 7, 3)])
        spool.close()
        spool = self.open()
        self.assertEqual(spooled(spool), [(1, 0, 1, 3), (2, 1, 7, 3)])
        spool.close()

    def test_a_spool_that_is_older_than_what_the_host_has_goes_on_behind_it(self):
        spool = self.open()
        self.append(spool)
        spool.skip_to(50)
        self.assertEqual(self.append(spool), 51)
        spool.close()

    def test_two_bridges_do_not_share_a_spool(self):
        spool = self.open()
        with self.assertRaises(bridge.SpoolInUse):
            self.open()
        spool.close()
        self.open().close()


class FeedTest(unittest.TestCase):
    def test_a_full_queue_never_makes_the_callback_wait_and_is_counted(self):
        feed = bridge.Feed(100)
        data = {"%06d.SH" % code: TICK for code in range(40)}
        began = time.monotonic()
        for _ in range(1000):
            feed.offer(data)
        self.assertLess(time.monotonic() - began, 1)
        self.assertEqual((feed.ticks, feed.dropped), (80, 998 * 40))
        huge = bridge.Feed(10)
        huge.offer(data)
        self.assertEqual(huge.ticks, 40, "one callback that is larger than the bound is taken")

    def test_what_is_older_than_a_snapshot_is_left_out(self):
        writer = bridge.Writer(bridge.Feed(100), None, None, None)
        writer.snapshot_ms, writer.snapshot_at = {"a": 5000}, time.monotonic()
        pairs = [("a", {"time": 4000}), ("a", {"time": 5000}), ("b", {"time": 1}), ("a", {})]
        self.assertEqual(writer.not_superseded(pairs), pairs[1:])
        self.assertEqual(writer.superseded, 1)


class PackTest(unittest.TestCase):
    def test_times_are_read_in_every_spelling(self):
        for tick in ({"time": 1759112021153}, {"timetag": "20250929 10:13:41.153"},
                     {"stime": "20250929101341.153", "timetag": "x"}):
            self.assertEqual(bridge.tick_ms(tick), 1759112021153)
        for tick in ({}, {"time": None}, {"timetag": "20250929"}, {"stime": 5}):
            self.assertIsNone(bridge.tick_ms(tick))

    def test_usual_ticks_are_columns_and_odd_ones_json(self):
        data = {"%06d.SH" % code: TICK for code in range(5)}
        pairs, odd = bridge.flatten(data)
        inner, length, count = bridge.pack(pairs, odd, compress=False)
        head = bridge.INNER_HEAD.unpack_from(inner)
        self.assertEqual((head[0], head[7], count, len(inner)), (5, 0, 5, length))
        pairs.append(("000009.SH", dict(TICK, volume="7")))
        inner, _, count = bridge.pack(pairs, {"x\ny": [TICK, TICK]}, compress=False)
        head = bridge.INNER_HEAD.unpack_from(inner)
        self.assertEqual((head[0], count), (5, 8))


class OptionsTest(unittest.TestCase):
    def parse(self, suffix, text, *more):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bridge" + suffix)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return bridge.parse_options(["--config", path, *more])

    def test_a_file_is_read_and_the_command_line_wins(self):
        options = self.parse(".ini", "[bridge]\ntoken = 12345678\nport = 9400\ncodes = SH, SZ\n")
        self.assertEqual((options.port, options.codes), (9400, ["SH", "SZ"]))
        options = self.parse(".ini", "[bridge]\ntoken = 12345678\nport = 9400\n", "--port", "9500")
        self.assertEqual((options.port, options.sectors), (9500, ["沪深A股", "京市A股"]))
        if sys.version_info >= (3, 11):
            options = self.parse(".toml", '[bridge]\ntoken = "12345678"\nport = 9400\n')
            self.assertEqual(options.port, 9400)

    def test_tls_is_switched_on_and_off_in_words(self):
        token = "[bridge]\ntoken = 12345678\n"
        for word, on in (("yes", True), ("True", True), ("no", False), ("off", False)):
            self.assertIs(self.parse(".ini", token + "tls = %s\n" % word).tls, on)
        self.assertIs(self.parse(".ini", token).tls, False)
        self.assertIs(self.parse(".ini", token + "tls = no\n", "--tls", "yes").tls, True)
        if sys.version_info >= (3, 11):
            options = self.parse(".toml", '[bridge]\ntoken = "12345678"\ntls = true\n')
            self.assertIs(options.tls, True)

    def test_what_cannot_work_is_refused(self):
        cases = ("token = short", "token = 12345678\nprot = 1", "token = 12345678\nport = x",
                 "token = 12345678\nmode = fast", "token = 12345678\nspool_max_bytes = 5",
                 "token = 12345678\ntls = maybe", "token = 12345678\nca = ca.pem",
                 "token = 12345678\ntls = yes\nkey = bridge.key")
        stderr, sys.stderr = sys.stderr, open(os.devnull, "w")
        try:
            for text in cases:
                with self.assertRaises(SystemExit, msg=text):
                    self.parse(".ini", "[bridge]\n" + text)
        finally:
            sys.stderr.close()
            sys.stderr = stderr

    def test_python_3_8_reads_the_script(self):
        with open(BRIDGE, encoding="utf-8") as file:
            ast.parse(file.read(), feature_version=(3, 8))


class HistoryTest(unittest.TestCase):
    def setUp(self):
        self.outgoing = bridge.Outgoing(1 << 20, lambda: None)

    def said(self):
        """Heads of the pages so far, without those that only tell how it goes."""
        heads = []
        while True:
            data = self.outgoing.take()
            if not data:
                return [head for head in heads if "progress" not in head]
            length, kind, sequence, _ = bridge.HEADER.unpack_from(data)
            assert kind == bridge.PAGE
            [size] = struct.unpack_from("<I", data, bridge.HEADER.size)
            begin = bridge.HEADER.size + 4
            heads.append(json.loads(data[begin:begin + size].decode("utf-8")))
            assert heads[-1]["id"] == sequence and bridge.HEADER.size + length == len(data)

    def worker(self, terminal, wait=0.3):
        return bridge.HistoryWorker(terminal, self.outgoing, wait)

    def ask(self, symbols, kind="bar", period="1m", days=("20260417", "20260417")):
        return {"id": 3, "symbols": symbols, "from": days[0], "to": days[1], "kind": kind,
                "period": period}

    def test_labels_are_read_in_every_spelling(self):
        ms = 1755052020000.0  # 2025-08-13 10:27
        frames = [
            pandas.DataFrame({"time": [1755052020000], "close": [1.0]}, index=["20250813102700"]),
            pandas.DataFrame({"stime": ["20250813 10:27:00"], "time": [float("nan")]}),
            pandas.DataFrame({"close": [1.0]}, index=["20250813102700"]),
        ]
        for frame in frames:
            self.assertEqual(bridge.times_of(frame), [ms])
        day = pandas.DataFrame({"close": [1.0]}, index=["20250102"])
        self.assertEqual(bridge.times_of(day), [1735747200000.0])
        for odd in (pandas.DataFrame({"close": [1.0]}, index=["soon"]), pandas.DataFrame({"close": [1.0]})):
            [label] = bridge.times_of(odd)
            self.assertNotEqual(label, label, "it is NaN")

    def test_columns_that_are_absent_or_no_numbers_do_not_pass_for_numbers(self):
        frame = pandas.DataFrame({"time": [1755052020000], "close": ["1.5"], "open": ["x"]})
        data = zlib.decompress(bridge.bar_page(frame))
        block = bytes(data[place] for at in range(9) for place in range(at, 72, 9))
        columns = struct.unpack("<9d", block)
        self.assertEqual((columns[0], columns[1], columns[4]), (1755052020000.0, float("inf"), 1.5))
        self.assertNotEqual(columns[5], columns[5], "no volume is none")

    def test_a_slow_host_makes_the_worker_wait_and_one_that_is_gone_ends_it(self):
        outgoing = bridge.Outgoing(100, lambda: None)
        outgoing.put(b"x" * 1000)
        waiting = threading.Thread(target=self.assertRaises, args=(bridge.Gone, outgoing.put, b"y"))
        waiting.start()
        self.assertEqual(outgoing.size, 1000)
        outgoing.close()
        waiting.join(10)
        self.assertFalse(waiting.is_alive())

    def test_no_more_than_500_securities_are_downloaded_at_once_and_few_are_read(self):
        calls = []

        class Terminal:
            def connect(self):
                pass

            def download(self, codes, period, span, on_progress):
                calls.append(("download", period, len(codes)))
                return {"000001.SZ": "no permission"}

            def read(self, codes, period, span):
                calls.append(("read", period, len(codes)))
                return {}

        codes = ["%06d.SZ" % code for code in range(1, 602)]
        self.worker(Terminal(), wait=0.01).answer(self.ask(codes))
        downloads = [call for call in calls if call[0] == "download"]
        self.assertEqual(downloads, [("download", "1m", 500), ("download", "1d", 500),
                                     ("download", "1m", 101), ("download", "1d", 101)])
        self.assertLessEqual(max(call[2] for call in calls if call[0] == "read"), 100)
        said = self.said()
        self.assertEqual(len(said), 602)
        self.assertEqual(said[0], {"id": 3, "symbol": "000001.SZ", "error": "no permission"})
        self.assertEqual(said[-1], {"id": 3, "end": True})

    def test_long_answers_come_in_pages_and_the_last_says_so(self):
        count = 2 * bridge.PAGE_ROWS + 1
        frame = pandas.DataFrame({"time": range(count), "volume": [1] * count})

        class Terminal:
            def connect(self):
                pass

            def download(self, codes, period, span, on_progress):
                return {}

            def read(self, codes, period, span):
                return {"600000.SH": frame}

        worker = self.worker(Terminal())
        worker.answer(self.ask(["600000.SH"], period="day"))
        said = self.said()
        self.assertEqual([head.get("rows") for head in said], [bridge.PAGE_ROWS] * 2 + [1, None])
        self.assertEqual([head.get("last") for head in said], [None, None, True, None])
        self.assertEqual(worker.rows, count)

    def test_what_does_not_come_with_the_others_is_not_waited_for_as_long(self):
        class Terminal:
            def connect(self):
                pass

            def download(self, codes, period, span, on_progress):
                return {}

            def read(self, codes, period, span):
                frame = pandas.DataFrame({"time": [1755052020000], "volume": [1]})
                return {code: frame for code in codes if code == "600000.SH"}

        for codes, least, most in ((["600000.SH", "600001.SH"], 0.4, 1.5), (["600001.SH"], 2.0, 9.0)):
            began = time.monotonic()
            self.worker(Terminal(), wait=2.0).answer(self.ask(codes))
            self.assertTrue(least <= time.monotonic() - began <= most, codes)
            self.assertEqual(self.said()[-2]["symbol"], "600001.SH")

    def test_a_question_that_fails_is_answered_with_the_reason(self):
        class Terminal:
            def connect(self):
                raise Exception("nobody is there")

        self.worker(Terminal()).answer(self.ask(["600000.SH"]))
        [head] = self.said()
        self.assertIn("QMT is not there: nobody is there", head["error"])
        self.worker(None).answer(self.ask(["600000.SH"], period="week"))
        [head] = self.said()
        self.assertIn("no bars of week", head["error"])

    def test_a_download_whose_callback_never_comes_ends(self):
        class Xtdata:
            @staticmethod
            def download_history_data2(codes, period, start, end, callback):
                hangs.wait(20)

        hangs = threading.Event()
        terminal = bridge.Terminal(None)
        terminal.xtdata = Xtdata
        stall, bridge.DOWNLOAD_STALL = bridge.DOWNLOAD_STALL, 0.2
        try:
            faults = terminal.download(["600000.SH"], "1m", ("", ""), lambda text: None)
        finally:
            bridge.DOWNLOAD_STALL = stall
            hangs.set()
        self.assertEqual(list(faults), [""])


class FramesTest(unittest.TestCase):
    def test_frames_come_whole_in_whatever_pieces_and_damage_ends_them(self):
        wire = bridge.frame(bridge.ACK, b"", 7) + bridge.frame(bridge.REFUSED, b"\x01no")
        frames = bridge.Frames()
        found = [item for byte in wire for item in frames.feed(bytes([byte]))]
        self.assertEqual(found, [(bridge.ACK, 7, b""), (bridge.REFUSED, 0, b"\x01no")])
        for at in range(len(wire)):
            damaged = bytearray(wire)
            damaged[at] ^= 1
            try:
                got = list(bridge.Frames().feed(bytes(damaged)))
            except ConnectionError:
                continue
            self.assertEqual(got, found[:len(got)], at)
        with self.assertRaises(ConnectionError):
            list(bridge.Frames().feed(struct.pack("<I", 1 << 30) + bytes(20)))


if __name__ == "__main__":
    unittest.main()
