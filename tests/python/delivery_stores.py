"""All records of each store, in the order in which the store has them."""

import importlib
import json
import struct
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Iterator

from delivery_record import BOOK, Record, record, shanghai_us

NUMBERS = ("pre_close", "open", "high", "low", "close", "amount", "volume")


def clickhouse(url: str, table: str) -> Iterator[Record]:
    """Rows that `FINAL` leaves, of each security in the order of their numbers."""
    columns = ", ".join(("symbol", "time_us", *NUMBERS, *BOOK))
    sql = f"SELECT {columns} FROM {table} FINAL ORDER BY symbol, sequence FORMAT TabSeparated"
    with urllib.request.urlopen(url, data=sql.encode()) as answer:
        text = answer.read().decode()
    for line in text.splitlines():
        cells = line.split("\t")
        yield record(cells[0], cells[1], cells[2:9], map(json.loads, cells[9:]))


def redis_entries(port: int, is_cluster: bool, stream: str) -> Iterator[tuple]:
    """Every entry of a stream, a page at a time; ids must grow."""
    import redis

    kind = redis.RedisCluster if is_cluster else redis.Redis
    with kind(host="127.0.0.1", port=port, socket_timeout=60) as client:
        last = "-"
        while page := client.xrange(stream, min=last, count=5_000):
            yield from page
            last = "(" + page[-1][0].decode()


def redis_fields(port: int, is_cluster: bool, streams: list) -> Iterator[Record]:
    for stream in streams:
        for _, entry in redis_entries(port, is_cluster, stream):
            cell = {name.decode(): value.decode() for name, value in entry.items()}
            cell["volume"] = cell["vol"]
            sides = (cell[side].split(",") for side in ("bid", "bid_vol", "ask", "ask_vol"))
            book = ([float(level) if level else 0 for level in side] for side in sides)
            numbers = (cell[name] for name in NUMBERS)
            yield record(cell["symbol"], shanghai_us(cell["frame"]), numbers, book)


def redis_lists(port: int, is_cluster: bool, streams: list, schema: str) -> Iterator[Record]:
    """Records of entries that hold a FlatBuffer each; sizes are in lots there."""
    reader = spot_list_reader(schema)
    for stream in streams:
        for _, entry in redis_entries(port, is_cluster, stream):
            spots = reader.GetRootAs(entry[b"payload"])
            assert spots.SpotLength() == int(entry[b"n"]), entry[b"n"]
            for place in range(spots.SpotLength()):
                yield of_spot(spots.Spot(place))


def of_spot(spot) -> Record:
    symbol = f"{spot.Code().decode()}.{spot.Market().decode()}"
    numbers = (
        spot.YesterdayClose(),
        spot.Open(),
        spot.High(),
        spot.Low(),
        spot.Close(),
        spot.AmountCny(),
        spot.VolumeShares(),
    )
    bid, bid_lots, ask, ask_lots = (doubles(spot, field) for field in (11, 12, 13, 14))
    bid_volume, ask_volume = ([round(lots * 100) for lots in side] for side in (bid_lots, ask_lots))
    return record(symbol, spot.TimeUs(), numbers, (bid, bid_volume, ask, ask_volume))


def doubles(spot, field: int) -> tuple:
    """A vector in one step; the generated code takes one for every element."""
    table = spot._tab
    offset = table.Offset(4 + 2 * field)
    if not offset:
        return ()
    return struct.unpack_from(f"<{table.VectorLen(offset)}d", table.Bytes, table.Vector(offset))


def spot_list_reader(schema: str):
    """Code that flatc makes of the schema."""
    folder = tempfile.mkdtemp()
    flatc = Path(sys.executable).with_name("flatc")
    subprocess.run([flatc, "--python", "-o", folder, schema], check=True)
    sys.path.insert(0, folder)
    return importlib.import_module("hikyuu.flat.SpotList").SpotList


def parquet(lake: str) -> Iterator[Record]:
    """Rows in the order of the files' names within each folder."""
    import pyarrow.parquet

    for path in sorted(Path(lake).rglob("*.parquet")):
        table = pyarrow.parquet.ParquetFile(path).read(use_threads=False)
        times = table["time"].cast("int64").to_pylist()
        columns = (table[name].to_pylist() for name in ("symbol", *NUMBERS, *BOOK))
        for time_us, symbol, *cells in zip(times, *columns):
            yield record(symbol, time_us, cells[:7], cells[7:])


def overlaps(lake: str) -> list:
    """Files whose range of batch numbers overlaps that of another file in their folder."""
    import pyarrow.parquet

    found = []
    ends = {}
    for path in sorted(Path(lake).rglob("*.parquet")):
        metadata = pyarrow.parquet.read_metadata(path).metadata
        for source, numbers in json.loads(metadata[b"dataserver.sequences"]).items():
            key = (path.parent, source)
            if numbers["first"] <= ends.get(key, 0):
                found.append(path.name)
            ends[key] = numbers["last"]
    return found
