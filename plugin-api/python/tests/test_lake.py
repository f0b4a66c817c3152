"""A lake as tables: what is asked for and nothing else, of files that are written too."""

from __future__ import annotations

import logging
import shutil
from datetime import date, datetime

import pyarrow.parquet
import pytest
from conftest import Host, morning
from samples import quote

import dataserver as ds

DAY = "2021-12-01"
BARS = '\n[transforms.bars]\nplugin = "bars"\ninputs = ["morning"]\nperiods = ["1m", "5m"]\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The lake of a recorded morning, quotes and bars."""
    folder = tmp_path_factory.mktemp("lake")
    host = Host(
        folder,
        ["replay", "parquet", "bars"],
        f'{morning()}{BARS}[sinks.lake]\nplugin = "parquet"\ninputs = ["morning", "bars"]\npath = "lake"\n',
    )
    assert host.wait() == 0, host.lines
    return folder / "lake"


def test_a_day_of_quotes_is_as_pyarrow_reads_it(folder):
    table = ds.lake(folder).spots(DAY)
    assert len(table) == 21_995 and table.columns == [column.name for column in ds.columns("spot")]
    theirs = pyarrow.parquet.read_table(folder / "kind=spot" / f"date={DAY}", partitioning=None)
    ours = table.to_arrow()
    for name in ours.column_names:
        if name.endswith("time"):
            assert ours[name].cast("int64").equals(theirs[name].cast("int64")), name
            assert ours.schema.field(name).type.tz == "Asia/Shanghai"
        else:
            assert ours[name].to_pylist() == theirs[name].to_pylist(), name


def test_columns_and_securities_are_chosen(folder):
    lake = ds.lake(str(folder))
    table = lake.spots(date(2021, 12, 1), symbols="sh688339", columns=["close", "symbol"])
    frame = table.to_pandas()
    assert list(frame) == ["close", "symbol"] and set(frame.symbol) == {"688339.SH"}
    both = lake.spots(DAY, symbols=["688339.SH", "605303.SH"], columns=["symbol"]).to_polars()
    assert len(both) > len(frame) > 0 and both["symbol"].n_unique() == 2
    assert len(lake.spots(DAY, symbols="000001.SZ")) == 0


def test_a_part_of_a_day_is_read_by_the_exchanges_clock(folder):
    lake = ds.lake(folder)
    part = lake.spots(f"{DAY} 09:30:00", f"{DAY} 09:31:00", columns=["time"]).to_pandas()
    assert str(part.time.min()) >= f"{DAY} 09:30:00" and str(part.time.max()) <= f"{DAY} 09:31:00+08:00"
    begin = datetime(2021, 12, 1, 9, 30, tzinfo=ds.ZONE)
    assert len(lake.spots(begin, begin.replace(minute=31), columns=["time"])) == len(part) > 0
    assert len(lake.spots("2021-11-30")) == len(lake.spots("2021-12-02", "2021-12-31")) == 0
    assert len(lake.spots("2021-01-01", "2021-12-31")) == 21_995


def test_bars_of_one_period_are_read(folder):
    minutes, fives = (ds.lake(folder).bars(DAY, period=period) for period in ("1m", "5m"))
    assert set(minutes.to_pandas().period) == {"1m"} and set(fives.to_pandas().period) == {"5m"}
    assert len(minutes) > len(fives) > 0
    # as another library counts them
    theirs = pyarrow.parquet.read_table(folder / "kind=bar" / f"date={DAY}", partitioning=None)
    assert len(minutes) + len(fives) == theirs.num_rows


def test_what_lies_in_other_folders_is_not_even_opened(folder, tmp_path):
    lake = tmp_path / "lake"
    shutil.copytree(folder, lake)
    other = lake / "kind=spot" / "date=2021-12-02"
    other.mkdir()
    (other / "spot-20211202T011501.000000Z-lake-0.parquet").write_bytes(b"no Parquet")
    (lake / "kind=bar" / f"date={DAY}" / "foreign.parquet").write_bytes(b"no Parquet")
    assert len(ds.lake(lake).spots(DAY)) == 21_995


def test_files_that_are_none_of_the_lakes_are_named_or_skipped(folder, tmp_path, caplog):
    lake = tmp_path / "lake"
    shutil.copytree(folder, lake)
    damaged = lake / "kind=spot" / f"date={DAY}" / "notes.parquet"
    foreign = damaged.with_name("other.parquet")
    damaged.write_bytes(b"no Parquet at all")
    pyarrow.parquet.write_table(pyarrow.table({"a": [1, 2]}), foreign)
    with pytest.raises(ds.LakeError) as fault:
        ds.lake(lake).spots(DAY)
    assert str(damaged) in str(fault.value) and "(and 1 more)" in str(fault.value)
    assert "move it out of the lake" in str(fault.value)
    with caplog.at_level(logging.WARNING, "dataserver"):
        assert len(ds.lake(lake).spots(DAY, unreadable="skip")) == 21_995
    assert str(damaged) in caplog.text and str(foreign) in caplog.text


def test_files_of_other_writers_with_other_types_are_converted(folder, tmp_path):
    written = tmp_path / "kind=spot" / f"date={DAY}" / "theirs.parquet"
    written.parent.mkdir(parents=True)
    theirs = pyarrow.table(ds.Batch.of("spot", [quote(time=datetime(2021, 12, 1, 10, tzinfo=ds.ZONE))]))
    theirs = theirs.drop_columns(["bid", "phase"]).set_column(
        theirs.column_names.index("volume"), "volume", theirs["volume"].cast("int64"))
    pyarrow.parquet.write_table(theirs, written)
    read = ds.lake(tmp_path).spots(DAY).records()
    assert (read[0]["volume"], read[0]["bid"], read[0]["phase"]) == (1_000_000, None, None)


def test_a_file_that_is_being_written_is_read_as_far_as_it_is_committed(start_host, tmp_path):
    host = start_host(
        ["replay", "parquet"],
        f'{morning(speed=2000.0)}[sinks.lake]\nplugin = "parquet"\ninputs = ["morning"]\npath = "lake"\n'
        'flush_interval = "100ms"\n',
    )
    seen = 0
    while seen == 0:
        lake = tmp_path / "lake"
        seen = len(ds.lake(lake).spots(DAY, columns=["symbol"])) if lake.is_dir() else 0
        assert "(ended)" not in host.lines or seen > 0
    assert host.wait() == 0
    assert len(ds.lake(tmp_path / "lake").spots(DAY, columns=["symbol"])) == 21_995 >= seen


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        # what is asked, what is said of it
        ({"day_from": "soon"}, '"soon 00:00:00" is no time'),
        ({"day_from": DAY, "day_to": "2021-11-30"}, "swap them"),
        ({"day_from": DAY, "symbols": "six"}, '"six" is no security'),
        ({"day_from": DAY, "symbols": []}, "symbols is empty"),
        ({"day_from": DAY, "columns": ["price"]}, "no column `price`; choose of symbol, market"),
        ({"day_from": DAY, "unreadable": "ignore"}, '"raise" or "skip"'),
    ],
)
def test_what_cannot_be_asked_is_named(folder, arguments, said):
    with pytest.raises(ds.OptionError) as fault:
        ds.lake(folder).spots(**arguments)
    assert said in str(fault.value), fault.value


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(ds.OptionError, match="is no folder; name that of a lake"):
        ds.lake(tmp_path / "absent").spots(DAY)
