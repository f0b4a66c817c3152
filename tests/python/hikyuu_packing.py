"""Tells how small a Hikyuu data server keeps its ticks.

usage: hikyuu_packing.py ADDRESS

Prints the number of ticks, the bytes of memory that they take, and the bytes of their answers.
"""

import msgpack
import pynng

import script


def main(address: str) -> None:
    with pynng.Req0(dial=address, block_on_dial=True, recv_timeout=60_000, send_timeout=60_000) as socket:

        def ask(**request) -> tuple[object, int]:
            socket.send(msgpack.packb(request))
            answer = socket.recv()
            read = msgpack.unpackb(answer)
            assert read["ret"] == 0, read
            return read["data"], len(answer)

        stats, _ = ask(cmd="stats")
        symbols, _ = ask(cmd="symbols")
        answered = sum(
            ask(cmd="tick", market=symbol[:2], code=symbol[2:], datetime="1400-01-01 00:00:00")[1]
            for symbol in symbols
        )
        print(stats["ticks"], stats["bytes"], answered)


if __name__ == "__main__":
    script.run(main)
