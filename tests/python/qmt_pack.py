"""Packs payloads with the bridge's own code, for tests of the host's reader.

Prints a line for each payload of FILE (one JSON object a line): the body of a batch frame in
hexadecimal digits, or nothing for what is no object.

usage: qmt_pack.py BRIDGE FILE
"""

import importlib.util
import json
import sys


def main(bridge_path, path):
    spec = importlib.util.spec_from_file_location("qmt_bridge", bridge_path)
    bridge = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(bridge)
    with open(path, "rb") as file:
        lines = [line for line in file.read().split(b"\n") if line]
    for line in lines:
        try:
            data = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            print()
            continue
        pairs, odd = bridge.flatten(data)
        inner, inner_len, count = bridge.pack(pairs, odd)
        print(bridge.batch_body(0, 1, 1700000000000000, inner, inner_len, count, False).hex())


if __name__ == "__main__":
    main(*sys.argv[1:])
