# /// dataserver
# id = "py-rows"
# kind = "transform"
# version = "0.1.0"
# api = 1
# description = "Gives rows in many forms"
# ///
from dataclasses import dataclass

from dataserver.plugin import Transform, run


@dataclass
class Options:
    form: str  #: Form of what it gives.


class Rows(Transform):
    Options = Options

    def apply(self, batch):
        return getattr(self, self.options.form)(batch)

    def dicts(self, batch):
        return list(batch.records())

    def pandas(self, batch):
        frame = batch.to_pandas()
        return frame[frame.close > 0]

    def arrow(self, batch):
        return batch.to_arrow()

    def several(self, batch):
        rows = list(batch.records())
        return [batch.with_rows(rows[:1]), batch.with_rows(rows[1:])]

    def missing(self, batch):
        return batch.to_pandas()[["symbol", "close"]]


run(Rows)
