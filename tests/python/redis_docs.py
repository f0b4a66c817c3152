"""Runs the code of docs/REDIS.md: the hash against its table, the consumer against a server.

usage: redis_docs.py REDIS_MD PORT STREAM
"""

import itertools
import re
from pathlib import Path

import script


def main(page: str, port: str, stream: str) -> None:
    text = Path(page).read_text()
    hashing, reading = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {}
    exec(hashing, names)
    rows = re.findall(r"^\| `(\w+\.\w+)` \| (\d+) \| (\d) \|$", text, re.MULTILINE)
    assert len(rows) == 3, rows
    for symbol, crc, shard in rows:
        assert names["zlib"].crc32(symbol.encode()) == int(crc), symbol
        assert names["stream_of"]("s", symbol, 8) == f"s:{{{shard}}}", symbol
    exec(reading, names)
    quotes = list(itertools.islice(names["follow"](int(port), stream, "docs", "reader"), 50))
    assert all(close == 10.0 for _, close, _ in quotes), quotes
    print(len({symbol for symbol, _, _ in quotes}), "symbols")


if __name__ == "__main__":
    script.run(main)
