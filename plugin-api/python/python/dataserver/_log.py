"""Where the package tells what happens: the logger ``dataserver`` of Python's logging."""

from __future__ import annotations

import logging
from typing import List, Tuple

LOGGER = logging.getLogger("dataserver")


def forward(lines: List[Tuple[int, str]]) -> None:
    """Passes lines on that came up outside of Python."""
    for level, line in lines:
        LOGGER.log(level, "%s", line)
