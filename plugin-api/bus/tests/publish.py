"""A collector as Hikyuu has one: NNG's publisher, a start mark, lists, an end mark.

    publish.py FOLDER ADDRESS ROUNDS

Sends every file of FOLDER, in the order of their numbers, in each of ROUNDS rounds, as soon as
somebody has dialled; then stays until its stdin is closed.
"""

import sys
import threading
from pathlib import Path

import pynng

TOPIC = b":spot:"


def main(folder, address, rounds):
    files = sorted(Path(folder).iterdir(), key=lambda file: int(file.stem))
    messages = [file.read_bytes() for file in files]
    dialled = threading.Event()
    # NNG keeps so many messages for a subscriber and drops the next
    with pynng.Pub0(send_buffer_size=8192) as socket:
        socket.add_post_pipe_connect_cb(lambda pipe: dialled.set())
        socket.listen(address)
        assert dialled.wait(60), "nobody dials"
        for _ in range(int(rounds)):
            socket.send(TOPIC + b"[start spot]")
            for message in messages:
                socket.send(message)
            socket.send(TOPIC + b"[end spot]")
        # closing loses what is queued, and nothing tells when it has left
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
