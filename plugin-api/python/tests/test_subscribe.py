"""Subscriptions: every publisher, what is lost, what is damaged, and how waiting ends."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import END, PATIENCE, START, TOPIC, Publisher, free_port, morning, shared_fixture
from samples import payload, quote

import dataserver as ds


def codes(rows: ds.Round) -> list[str]:
    return [record["symbol"][:6] for record in rows.records()]


def test_rounds_of_a_host_come_whole_and_in_order(start_host, tmp_path):
    feed = f"ipc://{tmp_path}/feed.ipc"
    start_host(
        ["replay", "nng-pub"],
        f'{morning()}\n[sinks.feed]\nplugin = "nng-pub"\ninputs = ["morning"]\n'
        f'listen = ["{feed}"]\nwait_subscribers = 1\nslow_subscriber = "wait"\n',
        until=None,
    )
    quotes, last = 0, None
    with ds.subscribe(feed, timeout=PATIENCE) as rounds:
        for round in rounds:
            assert round.missed == 0 and len(round) > 0
            assert last is None or round.time >= last, "times only grow"
            quotes, last = quotes + len(round), round.time
            if quotes == 21_995:
                break
        assert rounds.bad == rounds.bad_quotes == 0
    assert last.isoformat().startswith("2021-12-01T10:30")
    assert sum(1 for _ in rounds) == 0, "it is closed"


def test_a_publisher_on_pynng_is_read_and_what_is_no_list_is_passed_over(publisher):
    with ds.subscribe(publisher.address, timeout=PATIENCE) as rounds:
        threading.Thread(target=play, args=(publisher,)).start()
        first, second, third = next(rounds), next(rounds), next(rounds)
        assert codes(first) == ["600000", "600001", "600002"] and first.complete and first.missed == 0
        assert codes(second) == ["600003"] and second.complete
        assert (rounds.bad, codes(third)) == (2, ["600004"])
        assert first.time == quote(2)["time"] and rounds.connected


def play(publisher: Publisher) -> None:
    publisher.wait_for_subscriber()
    publisher.send_round(payload(0, 1), payload(2))
    publisher.send(START, TOPIC + b"\xff" * 100, TOPIC + payload(3), TOPIC + payload(3)[:40], END)
    publisher.send(b"other:message")
    publisher.send_round(payload(4))


def test_a_round_without_its_end_is_told(publisher):
    with ds.subscribe(publisher.address, timeout=PATIENCE) as rounds:
        threading.Thread(target=lambda: (
            publisher.wait_for_subscriber(),
            publisher.send(START, TOPIC + payload(0), START, TOPIC + payload(1), END),
            publisher.send_round(payload(2)),
        )).start()
        assert [next(rounds).complete for _ in range(3)] == [False, True, True]


def numbered(first: int, count: int) -> bytes:
    """A list as a host sends it, each quote with its number at its source."""
    import flatbuffers

    builder = flatbuffers.Builder()
    tables = []
    for number in range(first, first + count):
        texts = [builder.CreateString(text) for text in ("SH", f"{number:06}", "2026-11-27 09:30:00", "qq")]
        builder.StartObject(22)
        for field, text in zip((0, 1, 3, 19), texts):
            builder.PrependUOffsetTRelativeSlot(field, text, 0)
        builder.PrependUint64Slot(20, number, 0)
        tables.append(builder.EndObject())
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    vector = builder.EndVector()
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, vector, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def test_holes_in_the_publishers_numbers_are_missed_quotes(publisher):
    with ds.subscribe(publisher.address, timeout=PATIENCE) as rounds:
        threading.Thread(target=lambda: (
            publisher.wait_for_subscriber(),
            publisher.send_round(numbered(1, 10)),
            publisher.send_round(numbered(31, 10)),
            publisher.send_round(numbered(41, 10)),
        )).start()
        assert [(len(it), it.missed) for it in (next(rounds), next(rounds), next(rounds))] == [
            (10, 0), (10, 20), (10, 0)]


def test_a_loop_that_is_slower_than_the_feed_is_told_what_gave_way(publisher):
    sent, is_sent, is_over = 2_000, threading.Event(), threading.Event()

    def flood() -> None:
        publisher.wait_for_subscriber()
        publisher.send_round(payload(0))
        one = payload(1)
        for _ in range(sent):
            publisher.send_round(one)
        is_sent.set()
        while not is_over.wait(0.01):  # a feed goes on
            publisher.send_round(payload(2))

    with ds.subscribe(publisher.address, timeout=PATIENCE, receive_buffer=1 << 16) as rounds:
        flooding = threading.Thread(target=flood)
        flooding.start()
        got = [next(rounds)]
        assert is_sent.wait(PATIENCE)
        while codes(got[-1]) != ["600002"]:
            got.append(next(rounds))
        is_over.set()
        flooding.join()
    came = sum(map(len, got)) - 2
    assert came < sent and came + sum(it.missed for it in got) >= sent


def test_only_the_securities_that_are_asked_for_come(publisher):
    with ds.subscribe(publisher.address, ["sh600001", "600003.SH", "000001.SZ"], timeout=PATIENCE) as rounds:
        threading.Thread(target=lambda: (
            publisher.wait_for_subscriber(),
            publisher.send_round(payload(0, 1, 2)),
            publisher.send_round(payload(4)),
            publisher.send_round(payload(3, 5)),
        )).start()
        assert [codes(next(rounds)) for _ in range(2)] == [["600001"], ["600003"]]


def test_a_publisher_that_comes_back_is_read_on(tmp_path):
    address = f"tcp://127.0.0.1:{free_port()}"
    with ds.subscribe(address, timeout=PATIENCE) as rounds:
        for number in range(2):
            publisher = Publisher(address)
            threading.Thread(target=lambda publisher=publisher, number=number: (
                publisher.wait_for_subscriber(), publisher.send_round(payload(number)))).start()
            assert codes(next(rounds)) == [f"60000{number}"]
            publisher.close()


def test_nobody_is_waited_for_longer_than_said(tmp_path, caplog):
    address = f"ipc://{tmp_path}/nobody.ipc"
    begun = time.monotonic()
    with caplog.at_level(logging.WARNING, "dataserver"), pytest.raises(ds.NotReachable) as fault:
        next(ds.subscribe(address, timeout=0.2))
    assert 0.2 <= time.monotonic() - begun < 10
    assert address in str(fault.value) and "start the collector" in str(fault.value)
    assert isinstance(fault.value, ConnectionError)
    assert "no publisher answers" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        # what is given, what is said of it
        ({"addresses": "udp://127.0.0.1:1"}, "udp://127.0.0.1:1"),
        ({"addresses": []}, "dial is empty"),
        ({"addresses": "tls+tcp://127.0.0.1:1"}, "needs the certificate"),
        ({"addresses": "tls+tcp://127.0.0.1:1", "tls": "/absent.pem"}, "/absent.pem cannot be read"),
        ({"addresses": "ipc:///a", "symbols": ["600000"]}, '"600000" is no security'),
        ({"addresses": "ipc:///a", "symbols": []}, "symbols is empty"),
        ({"addresses": "ipc:///a", "receive_buffer": 1}, "receive_buffer is 1B; use at least 64KiB"),
    ],
)
def test_arguments_that_cannot_work_are_refused_at_once(arguments, said):
    with pytest.raises(ds.OptionError) as fault:
        ds.subscribe(**arguments)
    assert said in str(fault.value)


def test_a_loop_can_be_async(publisher):
    async def read() -> list[list[str]]:
        read = []
        async with ds.subscribe(publisher.address, timeout=PATIENCE) as rounds:
            async for round in rounds:
                read.append(codes(round))
                if len(read) == 3:
                    return read

    async def others() -> int:
        """What else an event loop does meanwhile."""
        turns = 0
        while True:
            await asyncio.sleep(0)
            turns += 1
            if turns == 1:
                threading.Thread(target=lambda: (
                    publisher.wait_for_subscriber(),
                    [publisher.send_round(payload(number)) for number in range(3)])).start()
            if turns > 100:
                return turns

    async def both() -> list:
        return await asyncio.gather(read(), others())

    rounds, turns = asyncio.run(asyncio.wait_for(both(), PATIENCE))
    assert rounds == [["600000"], ["600001"], ["600002"]] and turns > 100


def test_a_wait_that_is_cancelled_costs_no_round(publisher):
    async def read() -> list[str]:
        rounds = ds.subscribe(publisher.address, timeout=PATIENCE)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext_of(rounds), 0.01)
        threading.Thread(target=lambda: (
            publisher.wait_for_subscriber(),
            [publisher.send_round(payload(number)) for number in range(5)])).start()
        got = []
        while len(got) < 5:
            try:
                got += codes(await asyncio.wait_for(anext_of(rounds), 0.001))
            except asyncio.TimeoutError:
                pass
        rounds.close()
        return got

    assert asyncio.run(asyncio.wait_for(read(), PATIENCE)) == [f"60000{number}" for number in range(5)]


def anext_of(rounds: ds.Subscription):
    return rounds.__anext__()


def test_ctrl_c_ends_a_wait_at_once(tmp_path):
    script = (
        "import dataserver as ds, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"rounds = ds.subscribe('ipc://{tmp_path}/nobody.ipc')\n"
        "try:\n"
        "    print('waiting', flush=True)\n"
        "    next(rounds)\n"
        "except KeyboardInterrupt: print('interrupted', flush=True)\n"
    )
    waiting = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert waiting.stdout.readline() == "waiting\n"
    waiting.send_signal(signal.SIGINT)
    begun = time.monotonic()
    assert waiting.stdout.readline() == "interrupted\n"
    assert time.monotonic() - begun < 5
    assert waiting.wait(PATIENCE) == 0
    waiting.stdout.close()


def test_other_threads_run_while_one_waits(tmp_path):
    rounds = ds.subscribe(f"ipc://{tmp_path}/nobody.ipc", timeout=0.5)
    turns, ended = 0, threading.Event()

    def wait() -> None:
        with pytest.raises(ds.NotReachable):
            next(rounds)
        ended.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not ended.is_set():
        turns += 1
    waiting.join()
    assert turns > 1_000


def test_messages_of_hikyuus_own_encoder_give_the_records_they_were_made_of(publisher):
    folder = shared_fixture("hikyuu/vectors")
    records = json.loads((folder / "records.json").read_text())
    message = (folder / "spot_message_60.bin").read_bytes()
    with ds.subscribe(publisher.address, timeout=PATIENCE) as rounds:
        threading.Thread(target=lambda: (
            publisher.wait_for_subscriber(), publisher.send(START, message, END))).start()
        read = next(rounds).records()
    read.reverse()  # the encoder writes its list from behind
    assert len(read) == 60
    for got, made in zip(read, records):
        assert got["symbol"] == f"{made['code']}.{made['market']}" and got["name"] == made["name"]
        assert got["time"].strftime("%Y-%m-%d %H:%M:%S") == made["datetime"][:19]
        for name in ("open", "high", "low", "close", "bid", "ask"):
            assert got[name] == made[name], name
        assert got["pre_close"] == made["yesterday_close"]
        assert got["amount"] == pytest.approx(made["amount"] * 10_000)
        assert got["bid_volume"] == [round(lots * 100) for lots in made["bid_amount"]]


def test_a_feed_in_tls_is_read_by_whoever_has_its_ca(start_host, tmp_path):
    port = free_port()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE",
         "-keyout", key, "-out", cert],
        check=True, stderr=subprocess.DEVNULL,
    )
    os.chmod(key, 0o600)
    start_host(
        ["replay", "nng-pub"],
        f'{morning()}\n[sinks.feed]\nplugin = "nng-pub"\ninputs = ["morning"]\nwait_subscribers = 1\n'
        f'listen = ["tls+tcp://127.0.0.1:{port}"]\ntls = {{ cert = "{cert}", key = "{key}" }}\n',
        until=None,
    )
    with ds.subscribe(f"tls+tcp://127.0.0.1:{port}", tls=str(cert), timeout=PATIENCE) as rounds:
        assert len(next(rounds)) > 0


def test_fifty_rounds_a_second_are_kept_up_with(publisher):
    """As many rounds as come in four seconds at that pace, none of them slower than the next comes."""
    one = payload(*range(500))
    with ds.subscribe(publisher.address, timeout=PATIENCE) as rounds:
        threading.Thread(target=lambda: (
            publisher.wait_for_subscriber(), [publisher.send_round(one) for _ in range(200)])).start()
        got = [next(rounds) for _ in range(200)]
    assert sum(map(len, got)) == 100_000 and all(it.complete for it in got)


def test_nothing_is_left_open(publisher, tmp_path):
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def once() -> None:
        rounds = ds.subscribe(publisher.address, timeout=PATIENCE)
        threading.Thread(target=lambda: (
            publisher.wait_for_subscriber(), publisher.send_round(payload(0)))).start()
        next(rounds)
        rounds.close()
        rounds.close()

    once()
    before = open_files()
    for _ in range(5):
        once()
    deadline = time.monotonic() + PATIENCE
    # the publisher notices that they left when it can
    while open_files() > before + 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert open_files() <= before + 2
