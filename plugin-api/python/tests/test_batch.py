"""Batches: from every kind of table and back, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import duckdb
import pandas
import polars
import pyarrow
import pytest
from samples import bar, payload, quote

import dataserver as ds

DERIVED = {"market", "code", "phase"}


def taken(records: list[dict]) -> list[dict]:
    """Records without what follows from other columns."""
    return [{name: value for name, value in it.items() if name not in DERIVED} for it in records]


@pytest.mark.parametrize(("kind", "record"), [("spot", quote), ("bar", bar)])
def test_what_goes_in_as_dicts_comes_out_of_every_table(kind, record):
    records = [record(number) for number in range(3)]
    batch = ds.Batch.of(kind, iter(records))
    assert (batch.kind, len(batch)) == (kind, 3)
    assert taken(batch.records()) == records
    for table in (batch.to_arrow(), batch.to_pandas(), batch.to_polars(), batch):
        again = ds.Batch.of(kind, table)
        assert again.payload == batch.payload, type(table)
        assert ds.Batch(kind, again.payload).records() == batch.records()


@pytest.mark.parametrize("kind", ["spot", "bar"])
def test_columns_are_those_of_the_stores_with_times_in_the_exchanges_zone(kind):
    batch = ds.Batch.of(kind, [{"spot": quote, "bar": bar}[kind]()])
    names = [column.name for column in ds.columns(kind)]
    assert batch.columns == names == batch.to_arrow().column_names == list(batch.to_pandas())
    assert names == batch.to_polars().columns
    assert batch.to_arrow().schema.field("time").type == pyarrow.timestamp("us", "Asia/Shanghai")
    assert str(batch.to_pandas()["time"].dt.tz) == "Asia/Shanghai"
    first = batch.records()[0]
    assert first["time"].utcoffset().total_seconds() == 8 * 3600
    assert batch.to_pandas()["time"][0] == first["time"] == batch.to_polars()["time"][0]


def test_numbers_of_a_frame_are_numpys_and_texts_and_levels_stay_in_arrow():
    frame = ds.Batch.of("spot", [quote(1), quote(2)]).to_pandas()
    assert (frame.close.dtype, frame.volume.dtype, frame.amount.dtype) == ("float64", "uint64", "float64")
    assert isinstance(frame.symbol.dtype, pandas.ArrowDtype) and isinstance(frame.bid.dtype, pandas.ArrowDtype)
    assert frame[frame.symbol == "600001.SH"].close.item() == 10.01
    assert list(frame.bid[0]) == [10.0, 9.99, 9.98, 9.97, 9.96]


def test_a_side_of_the_book_is_as_long_as_it_is():
    short = quote(bid=[10.0], bid_volume=[100], ask=[], ask_volume=None)
    batch = ds.Batch.of("spot", [short])
    read = batch.records()[0]
    assert (read["bid"], read["bid_volume"], read["ask"], read["ask_volume"]) == ([10.0], [100], [], [])
    # tables have five levels, empty where there is none
    assert batch.to_arrow()["bid"].to_pylist() == [[10.0, None, None, None, None]]
    assert ds.Batch.of("spot", batch.to_polars()).payload == batch.payload


def test_duckdb_reads_a_batch_by_its_name():
    batch = ds.Batch.of("spot", [quote(number) for number in range(5)])
    for quotes in (batch, batch.to_arrow()):
        assert len(quotes) == 5
        assert duckdb.sql("SELECT max(close), sum(volume) FROM quotes").fetchall() == [(10.04, 5_000_010)]


def test_memory_is_shared_and_outlives_the_batch():
    batch = ds.Batch.of("spot", [quote(number) for number in range(100)])
    one, other = batch.to_arrow(), pyarrow.table(batch)
    addresses = [table["close"].chunk(0).buffers()[1].address for table in (one, other)]
    assert addresses[0] == addresses[1]
    del batch, other
    assert one["close"].to_pylist()[99] == 10.99
    as_polars = polars.DataFrame(ds.Batch.of("spot", [quote()]))
    assert as_polars["close"].to_list() == [10.0]


def test_what_may_be_left_out_is_empty():
    least = {key: value for key, value in quote().items() if key not in (
        "name", "recv_time", "bid", "bid_volume", "ask", "ask_volume", "source", "quality_score")}
    read = ds.Batch.of("spot", [least]).records()[0]
    assert (read["name"], read["recv_time"], read["quality_score"], read["bid"]) == (None, None, None, [])
    least = {key: value for key, value in bar().items() if key not in ("closed", "source", "quality_score")}
    assert ds.Batch.of("bar", [least]).records()[0]["closed"] is True
    assert len(ds.Batch.of("spot", [])) == 0


def test_securities_are_taken_in_every_common_spelling():
    spelled = [quote(symbol=text) for text in ("sh600000", "600000.XSHG", "000001.SZ", "00700.HK")]
    symbols = [record["symbol"] for record in ds.Batch.of("spot", spelled).records()]
    assert symbols == ["600000.SH", "600000.SH", "000001.SZ", "00700.HK"]


def of_pandas(**columns: object) -> pandas.DataFrame:
    frame = ds.Batch.of("spot", [quote(number) for number in range(3)]).to_pandas()
    for name, values in columns.items():
        if values is None:
            frame = frame.drop(columns=name)
        else:
            frame[name] = values
    return frame


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        # what is given, what is said of it
        (of_pandas(close=None), "the column `close` is missing; add it: numbers (last price, CNY)"),
        (of_pandas(symbol=None), "`symbol` is missing; add it: text such as 600000.SH"),
        (of_pandas(change=0.5), "no column `change`; drop it"),
        (of_pandas(close="10"), "`close` holds LargeUtf8; give numbers"),
        (of_pandas(close=float("nan")), "`close` is empty in row 0; fill it, or drop the row"),
        (of_pandas(close=float("inf")), "`close` is inf in row 0"),
        (of_pandas(volume=[1, 2, -3]), "`volume`"),
        (of_pandas(volume=1.5), "`volume` is 1.5 in row 0; give whole numbers"),
        (of_pandas(symbol=["600000.SH", "six", "600002.SH"]), '`symbol` is "six" in row 1'),
        (of_pandas(bid=1.0), "`bid` holds Float64; give lists of numbers"),
        (of_pandas(time=pandas.Timestamp("2026-11-27 09:30")), 'tz_localize("Asia/Shanghai")'),
        ([quote(), {**quote(), "close": "10"}], "`close` of row 1 is '10'"),
        ([quote(time=quote()["time"].replace(tzinfo=None))], "tzinfo=dataserver.ZONE"),
        ([{"symbol": "600000.SH"}], "row 0: the column `time` is missing; add it"),
        ([quote(change=1.0)], "no `change`, which row 0 has; drop it"),
        ([("600000.SH", 1.0)], "give dicts, or a table of pandas, polars or pyarrow"),
    ],
)
def test_a_column_that_cannot_be_sent_is_named_with_the_remedy(rows, said):
    with pytest.raises(ValueError) as fault:
        ds.Batch.of("spot", rows)
    assert isinstance(fault.value, ds.BadData) and said in str(fault.value), fault.value


def test_a_frame_that_was_filtered_has_an_index_and_is_taken():
    frame = of_pandas()
    assert len(ds.Batch.of("spot", frame[frame.close > 10.0])) == 2


@pytest.mark.parametrize("kind", ["spot", "bar"])
def test_bytes_that_are_no_list_are_refused(kind):
    good = ds.Batch.of(kind, [{"spot": quote, "bar": bar}[kind]()]).payload
    assert ds.Batch(kind, memoryview(good)).payload == good
    for bad in (b"", b"no list", good[: len(good) // 2], bytes(len(good))):
        with pytest.raises(ds.BadData):
            ds.Batch(kind, bad)


def test_no_damage_to_a_byte_does_more_than_change_a_value():
    good = payload(*range(5))
    refused = 0
    for place in range(len(good)):
        damaged = bytearray(good)
        damaged[place] ^= 0xFF
        try:
            ds.Batch("spot", damaged).to_arrow()
        except ds.BadData:
            refused += 1
    assert 0 < refused < len(good)


def test_another_kind_is_named_with_those_there_are():
    with pytest.raises(ds.OptionError, match='no records of kind "tick"; use "spot" or "bar"'):
        ds.Batch("tick", b"")
    with pytest.raises(ds.OptionError):
        ds.columns("tick")


def test_pandas_polars_and_pyarrow_are_asked_for_only_when_they_are_used():
    script = (
        "import sys\n"
        "for name in ('pandas', 'polars', 'pyarrow', 'numpy'): sys.modules[name] = None\n"
        "import samples, dataserver as ds\n"
        "batch = ds.Batch.of('spot', [samples.quote()])\n"
        "assert batch.records()[0]['close'] == 10.0\n"
        "for call in (batch.to_pandas, batch.to_polars, batch.to_arrow):\n"
        "    try: call()\n"
        "    except ImportError as error: assert 'pip install' in str(error), error\n"
        "    else: raise AssertionError(call)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=__file__.rpartition("/")[0])
