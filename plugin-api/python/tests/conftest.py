"""Real peers for the tests: the host with its plugins, publishers of NNG's, Redis.

They are found in the build folder, which DATASERVER_BUILD names (``make test-python`` sets it).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("DATASERVER_BUILD", REPOSITORY / "target/debug"))
#: Far more than anything here takes, seconds.
PATIENCE = 60

TOPIC = b":spot:"
START = TOPIC + b"[start spot]"
END = TOPIC + b"[end spot]"


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def shared_fixture(path: str) -> Path:
    """A recording that lies beside the repository; a test that lacks it is left out if TEST_SKIPS says so, and
    told in the list of what was left out."""
    file = REPOSITORY.parent / "shared/fixtures" / path
    if not file.exists():
        assert "fixtures" in os.environ.get("TEST_SKIPS", "").split(","), f"{file} is missing"
        test = os.environ["PYTEST_CURRENT_TEST"].split(" ")[0]
        with open(os.environ.get("TEST_SKIPPED", REPOSITORY / "target/skipped.txt"), "a") as skipped:
            skipped.write(f"fixtures: {test}: there was no shared/fixtures/{path}\n")
        pytest.skip(f"no {path}")
    return file


class Host:
    """A host that runs a pipeline in a folder of its own."""

    def __init__(self, folder: Path, plugins: list[str], pipeline: str) -> None:
        (folder / "plugins").mkdir(parents=True, exist_ok=True)
        for plugin in plugins:
            library = BUILD / f"libdataserver_{plugin.replace('-', '_')}.so"
            assert library.exists(), f"{library} is missing; `make test` builds it first"
            link = folder / "plugins" / f"lib{plugin}.so"
            if not link.exists():
                link.symlink_to(library)
        self.folder = folder
        (folder / "pipeline.toml").write_text(pipeline)
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [BUILD / "dataserver", "run"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with self._process.stderr as lines:
            for line in lines:
                with self._changed:
                    self.lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self.lines.append("(ended)")
            self._changed.notify_all()

    def wait_for(self, text: str) -> None:
        def is_told() -> bool:
            return any(text in line for line in self.lines) or "(ended)" in self.lines

        with self._changed:
            self._changed.wait_for(is_told, PATIENCE)
            assert any(text in line for line in self.lines), f"no {text!r} in\n{''.join(self.lines)}"

    def wait(self) -> int:
        """The exit code, at the end."""
        return self._process.wait(PATIENCE)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@pytest.fixture
def start_host(tmp_path):
    """Starts hosts, which are stopped at the end."""
    started = []

    def start(plugins: list[str], pipeline: str, folder: Path = tmp_path, until="the pipeline runs") -> Host:
        host = Host(folder, plugins, pipeline)
        started.append(host)
        if until:
            host.wait_for(until)
        return host

    yield start
    for host in started:
        host.stop()


#: A morning of 20 stocks of Shanghai, as the demo has it.
def morning(speed: float = 0.0) -> str:
    demo = (REPOSITORY / "config/demo.toml").read_text()
    source = demo[demo.index("[sources.morning]") : demo.index("[sinks.feed]")]
    source = source.replace('"samples/', f'"{REPOSITORY}/config/samples/')
    assert "speed  = 0.0" in source
    return source.replace("speed  = 0.0", f"speed = {speed}")


class Redis:
    """A server of the tests' own."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server", path=f"{os.environ['PATH']}:/usr/sbin:/usr/bin")
        assert program, "redis-server is missing; `make packages-test` installs it"
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._log = folder / "redis.log"
        self._process = subprocess.Popen(
            [program, "--port", str(self.port), "--save", "", "--dir", folder, "--logfile", self._log],
            stdin=subprocess.DEVNULL,
        )
        import redis

        self.client = redis.Redis(port=self.port)
        for _ in range(PATIENCE * 100):
            try:
                self.client.ping()
                return
            except redis.ConnectionError:
                self._process.poll()
                assert self._process.returncode is None, self._log.read_text()
                threading.Event().wait(0.01)
        raise AssertionError("redis-server does not answer")

    def stop(self) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait()


@pytest.fixture
def redis_server(tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir()
    server = Redis(folder)
    yield server
    server.stop()


class Publisher:
    """A collector on NNG's own socket, which knows when it has a subscriber."""

    def __init__(self, address: str) -> None:
        import pynng

        self.address = address
        self._connected = threading.Semaphore(0)
        self._socket = pynng.Pub0(send_buffer_size=8192)
        self._socket.add_post_pipe_connect_cb(lambda pipe: self._connected.release())
        self._socket.listen(address)

    def wait_for_subscriber(self) -> None:
        assert self._connected.acquire(timeout=PATIENCE), "nobody dials"

    def send(self, *messages: bytes) -> None:
        for message in messages:
            self._socket.send(message)

    def send_round(self, *payloads: bytes) -> None:
        self.send(START, *(TOPIC + payload for payload in payloads), END)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def publisher(tmp_path):
    publisher = Publisher(f"ipc://{tmp_path}/feed.ipc")
    yield publisher
    publisher.close()
