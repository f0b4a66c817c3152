# /// dataserver
# id = "py-pass"
# kind = "transform"
# version = "0.1.0"
# api = 1
# description = "Lets everything through"
# ///
import time
from dataclasses import dataclass
from typing import Optional

from dataserver.plugin import Duration, Transform, run


@dataclass
class Options:
    say: str = ""  #: Logs this when it opens.
    #: A call takes
    #: so long.
    delay: Duration = Duration()
    most: Optional[int] = None  #: Lets so many batches through at most.


class Pass(Transform):
    Options = Options

    def open(self):
        self.calls = 0
        if self.options.say:
            self.context.info(self.options.say)

    def apply(self, batch):
        self.calls += 1
        time.sleep(self.options.delay.total_seconds())
        if self.options.most is not None and self.calls > self.options.most:
            self.context.dropped("too_many", len(batch))
            return None
        return batch

    def export_state(self):
        return str(self.calls).encode()

    def import_state(self, state):
        self.calls = int(state)
        self.context.info(f"goes on after {self.calls} calls")


run(Pass)
