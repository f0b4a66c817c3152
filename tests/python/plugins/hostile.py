# /// dataserver
# id = "hostile"
# kind = "transform"
# version = "0.1.0"
# api = 1
# description = "Does what no plugin should"
# ///
import os
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass

from dataserver.plugin import BadData, Fatal, Retry, Transform, _wire, run


@dataclass
class Options:
    how: str  #: What it does in its first call.
    at_open: bool = False  #: Does it when it is opened.
    file: str = ""  #: Where it writes the number of a process that it starts.


class Hostile(Transform):
    Options = Options

    def open(self):
        if self.options.at_open:
            self.misbehave()

    def apply(self, batch):
        return self.misbehave(batch)

    def misbehave(self, batch=None):
        return getattr(self, "do_" + self.options.how)(batch)

    @property
    def socket(self):
        return self.context._channel._socket

    def do_nothing(self, batch):
        return batch

    def do_exit(self, batch):
        print("no more of this", flush=True)
        os._exit(3)

    def do_kill(self, batch):
        os.kill(os.getpid(), signal.SIGKILL)

    def do_crash(self, batch):
        os.kill(os.getpid(), signal.SIGSEGV)

    def do_sleep(self, batch):
        time.sleep(3600)

    def do_ignore_sigterm(self, batch):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        time.sleep(3600)

    def do_spin(self, batch):
        while True:
            pass

    def do_garbage(self, batch):
        self.socket.sendall(b"\xff" * 4096)
        time.sleep(3600)

    def do_cut(self, batch):
        self.socket.sendall(struct.pack("<IB3x", 1000, _wire.PUSH) + b"0123456789")
        self.socket.shutdown(socket.SHUT_RDWR)
        time.sleep(3600)

    def do_huge_frame(self, batch):
        self.socket.sendall(struct.pack("<IB3x", 0xFFFFFFFF, _wire.PUSH))
        time.sleep(3600)

    def do_no_memory(self, batch):
        self.socket.sendall(struct.pack("<IB3x", 0, _wire.MEMORY))
        time.sleep(3600)

    def do_beyond_memory(self, batch):
        self.context._channel.share(b"x" * 100_000)
        head = _wire.BATCH.pack(0, 0, _wire.SHARED, 0, 1, 0, 0, 0, 0, 0, 1 << 40, 1 << 30, 0)
        self.context._channel.send(_wire.PUSH, head)

    def do_short_memory(self, batch):
        channel = self.context._channel
        offset = channel.share(b"x" * 100_000)
        os.ftruncate(channel._memory, 10)
        head = _wire.BATCH.pack(0, 0, _wire.SHARED, 0, 1, 0, 0, 0, 0, 0, offset, 100_000, 0)
        channel.send(_wire.PUSH, head)

    def do_malformed(self, batch):
        batch.payload = b"no list of records"
        return [batch]

    def do_wrong_place(self, batch):
        batch.payload = bytes(batch.payload)
        return [batch.numbered(1, (1 << 64) - 1)]

    def do_odd_answer(self, batch):
        self.context._channel.send(_wire.ANSWER, b"{}")

    def do_call_of_the_host(self, batch):
        self.context._channel.send(_wire.APPLY)

    def do_flood_stdout(self, batch):
        while True:
            sys.stdout.write("noise " * 1000 + "\n")
            sys.stderr.write("noise " * 1000 + "\n")

    def do_some_output(self, batch):
        for _ in range(20_000):
            print("flood")
        print("x" * 1_000_000)
        return batch

    def do_flood_log(self, batch):
        while True:
            self.context.info("noise")

    def do_names(self, batch):
        for number in range(5_000):
            self.context.count(f"metric_{number}")
            self.context.dropped(f"reason {number}", 1)
        return batch

    def do_dead_letters(self, batch):
        while True:
            self.context.dead_letter("too much", b"x" * (8 << 20))

    def do_ugly_error(self, batch):
        raise BadData("a\nb\x1b[31mc" + "x" * 100_000)

    def do_retry(self, batch):
        raise Retry("the server is away")

    def do_fatal(self, batch):
        raise Fatal("no use")

    def do_raise(self, batch):
        return {}["missing"]

    def do_allocate(self, batch):
        kept = []
        while True:
            kept.append(bytearray(1 << 20))

    def do_fork(self, batch):
        child = os.fork()
        if child == 0:
            time.sleep(3600)
        with open(self.options.file, "w") as file:
            file.write(str(child))
        os._exit(0)

    def do_fork_and_stay(self, batch):
        child = os.fork()
        if child == 0:
            time.sleep(3600)
        with open(self.options.file, "w") as file:
            file.write(str(child))
        return batch

    def do_tell(self, batch):
        for number in os.listdir("/proc/self/fd"):
            try:
                self.context.info(f"fd {number} {os.readlink('/proc/self/fd/' + number)}")
            except OSError:
                pass
        for name in sorted(os.environ):
            self.context.info(f"env {name}")
        self.context.info(f"session {os.getsid(0) == os.getpid()} nice {os.nice(0)} cwd {os.getcwd()}")
        return batch


run(Hostile)
