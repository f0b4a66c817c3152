"""What a plugin tells the host when a call fails."""

from __future__ import annotations


class PluginError(Exception):
    """An error with what the host does next. Say what went wrong, with which value, and the remedy."""

    kind = 4


class ConfigError(PluginError):
    """The options cannot work: the host does not start."""

    kind = 1


class BadData(PluginError):
    """These records will never be accepted: the host sets them aside and goes on."""

    kind = 2


class Retry(PluginError):
    """A fault outside that passes: the host waits and repeats the call."""

    kind = 3


class Fatal(PluginError):
    """This instance is of no more use: the host starts another one after a pause."""

    kind = 4


#: Kind of any other exception: as after a panic, what was under way is set aside after some tries.
UNEXPECTED = 5
