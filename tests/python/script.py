"""How every script of this folder ends."""

import os
import sys
from typing import Callable


def run(main: Callable[..., None]) -> None:
    """Calls `main` with the command line's arguments and leaves the process.

    The process ends without taking the interpreter apart: pyarrow's thread pools may still be
    winding down then, and now and then that ends in `terminate called without an active
    exception`, after everything was done and printed.
    """
    main(*sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
