# /// dataserver
# id = "py-store"
# kind = "sink"
# version = "0.1.0"
# api = 1
# description = "Keeps the names of batches in SQLite"
# ///
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from dataserver.plugin import Sink, run


@dataclass
class Options:
    path: Path  #: The database.


class Store(Sink):
    Options = Options

    def open(self):
        self.database = sqlite3.connect(self.options.path)
        self.database.execute(
            "CREATE TABLE IF NOT EXISTS batches (sequence, part, records, PRIMARY KEY (sequence, part))"
        )

    def write(self, batch):
        # a batch that comes again is there already
        with self.database:
            self.database.execute(
                "INSERT OR IGNORE INTO batches VALUES (?, ?, ?)",
                (batch.sequence, batch.part, len(batch)),
            )


run(Store)
