"""What plugins in Python are written with, as far as it needs no host."""

import enum
import os
import socket
import tempfile
import unittest
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional

from dataserver.plugin import Batch, ConfigError, Duration
from dataserver.plugin import _block, _options, _run, _wire
from dataserver.plugin import _batch as batches


class Side(enum.Enum):
    BUY = "buy"
    SELL = "sell"


@dataclass
class Options:
    path: Path  #: File to read.
    every: Duration = Duration(seconds=3)  #: Pause.
    #: Which
    #: side.
    side: Side = Side.BUY
    names: List[str] = field(
        default_factory=lambda: ["a"],  # not a description
    )  #: Names.
    most: Optional[int] = None  #: Most.
    factors: Dict[str, float] = field(default_factory=dict)  #: Factors.


class OptionsTest(unittest.TestCase):
    def test_a_dataclass_is_described_by_its_types_defaults_and_comments(self):
        schema = _options.schema(Options)
        self.assertEqual(schema["required"], ["path"])
        self.assertIs(schema["additionalProperties"], False)
        described = schema["properties"]
        self.assertEqual(
            described["every"],
            {
                "type": "string",
                "format": "duration",
                "pattern": "^[0-9]+(ms|s|m|h|d)$",
                "description": "Pause.",
                "default": "3s",
            },
        )
        self.assertEqual(described["side"]["enum"], ["buy", "sell"])
        self.assertEqual(described["side"]["default"], "buy")
        self.assertEqual(described["side"]["description"], "Which side.")
        self.assertEqual(described["names"]["description"], "Names.")
        self.assertEqual(described["most"]["anyOf"], [{"type": "integer"}, {"type": "null"}])
        self.assertEqual(described["path"]["description"], "File to read.")

    def test_values_of_a_pipeline_file_become_what_the_fields_say(self):
        values = {"path": "a.csv", "every": "2m", "side": "sell", "factors": {"x": 2}}
        read = _options.read(Options, values, Path("/etc"))
        self.assertEqual(read.path, Path("/etc/a.csv"))
        self.assertEqual(read.every.total_seconds(), 120)
        self.assertEqual((read.side, read.names, read.most), (Side.SELL, ["a"], None))
        self.assertEqual(read.factors, {"x": 2.0})

    def test_a_value_that_does_not_fit_is_named_with_its_option(self):
        for values, told in [
            ({}, "path"),
            ({"path": 1}, "path: 1 is no str"),
            ({"path": "a", "every": "3"}, "every: \"3\" is no duration"),
            ({"path": "a", "side": "hold"}, "side: 'hold'"),
            ({"path": "a", "names": [1]}, "names: 1 is no str"),
            ({"path": "a", "most": True}, "most: True"),
            ({"path": "a", "nmaes": []}, "there is no nmaes"),
        ]:
            with self.assertRaises(ConfigError) as raised:
                _options.read(Options, values, Path("/"))
            self.assertIn(told, str(raised.exception))

    def test_a_type_that_cannot_stand_in_a_pipeline_file_is_refused(self):
        @dataclass
        class Odd:
            what: object = None  #: Anything.

        with self.assertRaisesRegex(TypeError, "option what: its type"):
            _options.schema(Odd)
        with self.assertRaisesRegex(TypeError, "write @dataclass"):
            _options.schema(int)

    def test_durations_are_written_as_they_are_read(self):
        for text in ["0ms", "250ms", "3s", "1m", "90s", "2h", "1d"]:
            self.assertEqual(str(Duration.parse(text)), text)


class BlockTest(unittest.TestCase):
    def read(self, block):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "plugin.py")
            file.write_text('"""Text."""\n# /// dataserver\n' + block + "# ///\nimport os\n")
            return _block.read(str(file))

    def test_texts_and_numbers_are_read(self):
        block = self.read(
            "# id = \"a-b\"  # its id\n# kind = 'sink'\n#\n# version = \"0.1\"\n# api = 1\n"
            "# dependencies = [\n#   \"pandas\",\n# ]\n"
        )
        self.assertEqual(block, {"id": "a-b", "kind": "sink", "version": "0.1", "api": "1"})

    def test_what_is_missing_is_named(self):
        with self.assertRaisesRegex(SystemExit, "has no kind, api"):
            self.read('# id = "a"\n# version = "1"\n')

    def test_another_python_is_refused(self):
        for fits in ["", ">=3.9", ">=3.9,<4", "~=3.9"]:
            _block.check_python(fits)
        for other in [">=3.99", "<3.9", "==2.7"]:
            with self.assertRaisesRegex(SystemExit, "the plugin needs Python"):
                _block.check_python(other)
        with self.assertRaisesRegex(SystemExit, "is no requirement"):
            _block.check_python("newest")


class WireTest(unittest.TestCase):
    def setUp(self):
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        self.ours, self.theirs = _wire.Channel(ours), _wire.Channel(theirs)

    def test_batches_come_out_as_they_went_in_through_frames_and_memory(self):
        for size in [10, _wire.MAX_INLINE + 1, 3 << 20, 100]:
            batch = Batch("bar", os.urandom(size), first=True).numbered(7, 3, 1)
            batch.source = "day"
            self.ours.begin()
            self.ours.send(_wire.PUSH, batches.write(self.ours, batch))
            kind, body = self.theirs.next()
            read, end = batches.read(self.theirs, body, 0)
            self.assertEqual((kind, end), (_wire.PUSH, len(body)))
            self.assertEqual((read.kind, read.first, read.last), ("bar", True, False))
            self.assertEqual((read.epoch, read.sequence, read.part, read.source), (7, 3, 1, "day"))
            self.assertEqual(read.payload, batch.payload)

    def test_blobs_come_out_as_they_went_in(self):
        for text, content in [("why", b"abc"), ("", None), ("价", b"x" * 100_000)]:
            self.ours.send_blob(_wire.STATE, text, content)
            self.assertEqual(self.theirs.blob(self.theirs.next()[1]), (text, content))

    def test_a_stop_is_seen_while_a_call_runs(self):
        self.assertFalse(self.theirs.is_stopping)
        self.ours.send(_wire.STOPPING, b"\1")
        self.theirs.look()
        self.assertTrue(self.theirs.is_stopping)


class MadeTest(unittest.TestCase):
    def test_marks_of_a_round_go_to_the_first_and_the_last_of_several(self):
        given = Batch("spot", b"x", first=True, last=True).numbered(1, 2)
        made = [Batch("spot", b"a"), Batch("spot", b"b")]
        _run._mark(made, given)
        self.assertEqual([(it.first, it.last) for it in made], [(True, False), (False, True)])

    def test_what_is_no_batch_is_refused_where_none_was_given(self):
        with self.assertRaisesRegex(TypeError, "make one with Batch.of"):
            list(_run._several([object()], None))


if __name__ == "__main__":
    unittest.main()
