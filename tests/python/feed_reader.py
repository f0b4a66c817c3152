"""Subscribes to a feed and reads it until it is killed.

usage: feed_reader.py ADDRESS

Prints `ready` when connected.
"""

import pynng

import script


def main(address: str) -> None:
    with pynng.Sub0(recv_buffer_size=8192, recv_max_size=0) as socket:
        socket.subscribe(b":spot:")
        socket.dial(address, block=True)
        print("ready", flush=True)
        while True:
            socket.recv()


if __name__ == "__main__":
    script.run(main)
