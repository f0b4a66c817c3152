"""A running host, over HTTP."""

from __future__ import annotations

import pytest
from conftest import PATIENCE, free_port, morning

import dataserver as ds

TOKEN = "a token of more than sixteen characters"


@pytest.fixture
def running(start_host, tmp_path):
    """A host with a token, whose feed has a subscriber."""
    port = free_port()
    feed = f"ipc://{tmp_path}/feed.ipc"
    start_host(
        ["replay", "nng-pub", "null"],
        f'[host]\nhttp = "127.0.0.1:{port}"\ntoken = "{TOKEN}"\n{morning(speed=1.0)}\n'
        f'[sinks.feed]\nplugin = "nng-pub"\ninputs = ["morning"]\nlisten = ["{feed}"]\n'
        '[sinks.nothing]\nplugin = "null"\ninputs = ["morning"]\n',
    )
    with ds.subscribe(feed, timeout=PATIENCE) as rounds:
        next(rounds)
        yield f"http://127.0.0.1:{port}"


def test_a_host_tells_and_does_what_it_is_asked(running):
    host = ds.Host(running, token=TOKEN, timeout=PATIENCE)
    pipeline = host.pipeline()
    assert {it["id"] for it in pipeline["components"]} == {"morning", "feed", "nothing"}
    assert host.health()["status"] == "healthy"

    record = next(iter(host.tap("morning", limit=1, fields=["symbol", "close"])))
    assert {"symbol", "close"} <= set(record) and "volume" not in record
    [quote] = host.quotes(record["symbol"])
    assert quote["symbol"] == record["symbol"] and quote["source"] == "morning"
    assert host.search(record["symbol"][:6])[0]["symbol"] == record["symbol"]
    assert host.minutes(record["symbol"])["symbol"] == record["symbol"]

    host.pause("nothing")
    assert {it["id"]: it["state"] for it in host.pipeline()["components"]}["nothing"] == "paused"
    host.resume("nothing")
    [reader] = [it for it in host.readers() if it["component"] == "feed"]
    assert reader["kind"] == "subscriber"
    assert host.act(reader["id"], "disconnect", preview=True)
    assert host.reload(check=True)["checked"] is True
    assert host.reload()["outcome"] == "unchanged"
    assert host.plugins() and host.log(limit=5) is not None
    assert host.dead_letters("feed", limit=1)["total"] == 0
    assert TOKEN not in repr(host)


def test_a_token_that_is_wrong_or_missing_is_told_with_the_remedy(running):
    for token in (None, "another token of that length"):
        with pytest.raises(ds.AccessDenied) as fault:
            ds.Host(running, token=token, timeout=PATIENCE).pipeline()
        assert fault.value.status == 401 and "Host(url, token=" in str(fault.value)
        assert isinstance(fault.value, PermissionError) and "another token" not in str(fault.value)


def test_what_a_host_refuses_is_told_in_its_words(running):
    host = ds.Host(running, token=TOKEN, timeout=PATIENCE)
    with pytest.raises(ds.HostError) as fault:
        host.pause("absent")
    assert fault.value.status == 404 and "absent" in str(fault.value)
    with pytest.raises(ds.HostError):
        next(host.tap("absent"))
    with pytest.raises(ds.HostError):
        host.days("2021-12-01")


def test_a_host_that_is_not_there_is_named(tmp_path):
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ds.NotReachable, match="no host answers at"):
        ds.Host(url).pipeline()
    with pytest.raises(ds.OptionError, match="is no address of a host"):
        ds.Host("127.0.0.1:9280")
