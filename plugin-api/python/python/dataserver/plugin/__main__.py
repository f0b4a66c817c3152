"""``python -m dataserver.plugin test FILE.py``: tries whether a plugin keeps its contract."""

from __future__ import annotations

import argparse
import json

from ._contract import check


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m dataserver.plugin", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    test = verbs.add_parser("test", help="start the plugin as the host does, and try every call")
    test.add_argument("file", help="the plugin's file")
    test.add_argument(
        "--options", type=json.loads, default={}, metavar="JSON", help="options that must be given"
    )
    arguments = parser.parse_args()
    for line in check(arguments.file, arguments.options):
        print(line)


main()
