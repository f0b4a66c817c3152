"""Plugins of the host in Python.

A file in a plugin folder that has a block of comments such as this one is a plugin::

    # /// dataserver
    # id = "my-alert"
    # kind = "sink"
    # version = "0.1.0"
    # api = 1
    # ///
    from dataserver.plugin import Sink, run

    class Alert(Sink):
        def write(self, batch):
            print(len(batch), batch.kind)

    run(Alert)

The host starts the file as a process of its own, one for each component, and calls one method after
the other. ``python -m dataserver.plugin test FILE.py`` tries whether a plugin keeps its contract.
"""

from ._batch import Batch
from ._errors import BadData, ConfigError, Fatal, PluginError, Retry
from ._options import Duration
from ._roles import DELIVERED, END, HELD, Context, Sink, Source, Transform
from ._run import run

__all__ = [
    "BadData",
    "Batch",
    "ConfigError",
    "Context",
    "DELIVERED",
    "Duration",
    "END",
    "Fatal",
    "HELD",
    "PluginError",
    "Retry",
    "Sink",
    "Source",
    "Transform",
    "run",
]
