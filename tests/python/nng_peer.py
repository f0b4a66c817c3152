"""A peer of the quotation bus and of the query server, on pynng.

usage: nng_peer.py sub ADDRESS ROUNDS [CA CERT KEY]
       nng_peer.py pub ADDRESS [CA CERT KEY]
       nng_peer.py req ADDRESS [CA CERT KEY]

Does as tests/peers/nng-1.11 does: messages are hexadecimal digits, one a line. With certificates it
shows one of its own and asks for those of the other side.
"""

import sys

import pynng

import script

TOPIC = b":spot:"
END = TOPIC + b"[end spot]"
TIMEOUT_MS = 60_000


def tls(mode, files):
    """Certificates for a socket; nothing for an address without TLS."""
    if not files:
        return {}
    ca, cert, key = (open(file, encoding="ascii").read() for file in files)
    config = pynng.TLSConfig(
        mode, server_name="127.0.0.1" if mode == pynng.TLSConfig.MODE_CLIENT else None,
        ca_string=ca, own_cert_string=cert, own_key_string=key,
        auth_mode=pynng.TLSConfig.AUTH_MODE_REQUIRED)
    return {"tls_config": config}


def tell(message):
    print(message.hex(), flush=True)


def sub(address, rounds, *files):
    options = tls(pynng.TLSConfig.MODE_CLIENT, files)
    with pynng.Sub0(recv_timeout=TIMEOUT_MS, **options) as socket:
        socket.subscribe(TOPIC)
        socket.dial(address, block=True)
        rounds = int(rounds)
        while rounds:
            message = socket.recv()
            rounds -= message == END
            tell(message)


def pub(address, *files):
    with pynng.Pub0(**tls(pynng.TLSConfig.MODE_SERVER, files)) as socket:
        socket.listen(address)
        for line in sys.stdin:
            socket.send(bytes.fromhex(line))


def req(address, *files):
    options = tls(pynng.TLSConfig.MODE_CLIENT, files)
    with pynng.Req0(recv_timeout=TIMEOUT_MS, send_timeout=TIMEOUT_MS, **options) as socket:
        socket.dial(address, block=True)
        for line in sys.stdin:
            socket.send(bytes.fromhex(line))
            tell(socket.recv())


def main(role, *arguments):
    {"sub": sub, "pub": pub, "req": req}[role](*arguments)


if __name__ == "__main__":
    script.run(main)
