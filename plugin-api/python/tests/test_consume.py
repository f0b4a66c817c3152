"""Consumers of groups: every format of the sink, what is acknowledged when, and whom nobody answers for."""

from __future__ import annotations

import logging
import threading

import pytest
from conftest import PATIENCE, free_port, morning

import dataserver as ds

GROUP = "readers"


def write(start_host, redis_server, more: str = "", source: str = "") -> None:
    """Has a host write a recorded morning to streams."""
    host = start_host(
        ["replay", "filter", "redis-stream"],
        f'{source or morning()}\n[transforms.one]\nplugin = "filter"\ninputs = ["morning"]\n'
        f'symbols = ["605303.SH"]\n[sinks.out]\nplugin = "redis-stream"\ninputs = ["one"]\n'
        f'url = "{redis_server.url}"\n{more}\n',
        until=None,
    )
    assert host.wait() == 0, host.lines


def read(consumer: ds.Consumer, wanted: int) -> list[dict]:
    records = []
    for batch in consumer:
        records += batch.records()
        if len(records) >= wanted:
            break
    return records


@pytest.mark.parametrize(
    ("more", "arguments"),
    [
        # how the sink writes, how the stream is read
        ("", {}),
        ('format = "flatbuffers"', {}),
        ("shards = 3", {"shards": 3}),
        ('format = "flatbuffers"\nshards = 2', {"shards": 2, "mode": "broadcast"}),
    ],
)
def test_every_format_and_number_of_shards_gives_the_records_that_were_written(
    start_host, redis_server, more, arguments
):
    write(start_host, redis_server, more)
    with ds.consume(
        redis_server.url, "spot_stream", GROUP, create="all", timeout=PATIENCE, **arguments
    ) as consumer:
        records = read(consumer, 505)
    assert len(records) == 505 and {record["symbol"] for record in records} == {"605303.SH"}
    times = [record["time"] for record in records]
    assert times == sorted(times) and times[0].isoformat().startswith("2021-12-01T09:")
    assert all(record["close"] >= 0 and len(record["bid"]) == 5 for record in records)


def test_a_batch_is_acknowledged_when_the_loop_comes_back(start_host, redis_server):
    write(start_host, redis_server)
    client = redis_server.client

    def pending() -> int:
        return client.xpending("spot_stream", GROUP)["pending"]

    options = {"create": "all", "batch_records": 50, "timeout": PATIENCE}
    consumer = ds.consume(redis_server.url, "spot_stream", GROUP, "one", **options)
    first, second = next(consumer), next(consumer)
    consumer.close()
    # what the loop did not come back from comes first when it comes again, under its name
    again = ds.consume(redis_server.url, "spot_stream", GROUP, "one", **options)
    records = read(again, 505 - len(first))
    assert records[: len(second)] == second.records() and len(records) + len(first) == 505
    assert pending() > 0, "the last batch is not acknowledged while the loop is at work on it"
    threading.Timer(0.3, again.close).start()
    assert list(again) == [] and pending() == 0


def test_a_group_that_is_not_there_is_named_with_the_remedy(redis_server):
    with pytest.raises(ds.OptionError) as fault:
        ds.consume(redis_server.url, "spot_stream", "absent", timeout=PATIENCE)
    for part in ("no group absent reads the stream spot_stream", "XGROUP CREATE spot_stream absent 0 MKSTREAM"):
        assert part in str(fault.value)
    assert redis_server.client.exists("spot_stream") == 0, "nothing was made"


def test_entries_of_other_writers_are_read_and_what_is_no_record_is_set_aside(redis_server, caplog):
    client = redis_server.client
    fields = {"symbol": "600000.SH", "frame": "2025-06-05 10:30:00", "open": 1, "high": 2, "low": 1, "close": 2,
              "vol": 100, "amount": 200.5}
    client.xadd("minute_bar_stream", fields)
    client.xadd("minute_bar_stream", {"symbol": "no record"})
    client.xadd("minute_bar_stream", {**fields, "period": "5m"})
    with ds.consume(redis_server.url, "minute_bar_stream", GROUP, create="all", timeout=PATIENCE) as consumer:
        records = read(consumer, 2)
    assert [(record["period"], record["amount"]) for record in records] == [("1m", 200.5), ("5m", 200.5)]
    assert client.xlen("minute_bar_stream:dead") == 1


def test_nobody_is_waited_for_longer_than_said(caplog):
    url = f"redis://user:secret@127.0.0.1:{free_port()}"
    with caplog.at_level(logging.WARNING, "dataserver"), pytest.raises(ds.NotReachable) as fault:
        ds.consume(url, timeout=0.2)
    assert "no server answered at redis://127.0.0.1" in str(fault.value) and "start it" in str(fault.value)
    assert "secret" not in str(fault.value) + caplog.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"redis_url": "http://127.0.0.1"}, "`url` is no address of a Redis server"),
        ({"redis_url": "redis://127.0.0.1", "stream": []}, "`stream` names no stream"),
        ({"redis_url": "redis://127.0.0.1", "mode": "sharded"}, "needs `shards`"),
        ({"redis_url": "redis://127.0.0.1", "mode": "solo"}, "unknown variant `solo`"),
        ({"redis_url": "redis://127.0.0.1", "create": "some"}, "unknown variant `some`"),
        ({"redis_url": "redis://127.0.0.1", "own": [1]}, "`own` without `shards`"),
    ],
)
def test_arguments_that_cannot_work_are_refused_at_once(arguments, said):
    with pytest.raises(ds.OptionError) as fault:
        ds.consume(**arguments)
    assert said in str(fault.value), fault.value
