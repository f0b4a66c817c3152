"""A current ClickHouse behind its HTTP interface: the engine is chdb's, the interface is this file.

usage: clickhouse_engine.py FOLDER

Prints the address and serves until it is killed. What an insert brings is read by the engine
itself, byte for byte: frames as the column of a table that keeps its columns in such frames, blocks
from a file of their format.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from chdb import session

import script

INTERFACE = {"query", "decompress", "wait_end_of_query"}


class Engine:
    """One query at a time."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.session = session.Session(str(folder / "engine"))
        self.lock = threading.Lock()
        self.ask("CREATE DATABASE frames")
        self.ask("CREATE TABLE frames.plain (byte UInt8) ENGINE = TinyLog")

    def ask(self, sql: str, format: str = "TabSeparated") -> bytes:
        return self.session.query(sql, format).bytes()

    def plain(self, frames: bytes) -> bytes:
        """What the engine finds in the frames; it checks their sums."""
        self.ask("TRUNCATE TABLE frames.plain")
        self.ask("INSERT INTO frames.plain VALUES (0)")
        column = next((self.folder / "engine").glob("store/*/*/byte.bin"))
        column.write_bytes(frames)
        sizes = {"clickhouse": {"byte%2Ebin": {"size": str(len(frames))}}}
        (column.parent / "sizes.json").write_text(json.dumps(sizes))
        self.ask("DETACH TABLE frames.plain")
        self.ask("ATTACH TABLE frames.plain")
        return self.ask("SELECT byte FROM frames.plain", "RowBinary")

    def serve(self, parameters: dict, body: bytes) -> bytes:
        with self.lock:
            if "query" not in parameters:
                return self.ask(body.decode())
            if parameters.get("decompress") == "1":
                body = self.plain(body)
            block = self.folder / "block.native"
            block.write_bytes(body)
            settings = {name: it for name, it in parameters.items() if name not in INTERFACE}
            settings = ", ".join(f"{name} = '{it}'" for name, it in settings.items())
            source = f" FROM INFILE '{block}' SETTINGS {settings} FORMAT Native"
            return self.ask(parameters["query"].replace(" FORMAT Native", source))


def handler(engine: Engine):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            parameters = dict(parse_qsl(urlsplit(self.path).query))
            code = None
            try:
                answer = engine.serve(parameters, body)
            except Exception as error:
                text = str(error)
                code = re.match(r"Code: (\d+)", text)
                answer = text.encode()
            self.send_response(500 if code else 200)
            if code:
                self.send_header("x-clickhouse-exception-code", code[1])
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    return Handler


def main(folder: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(Engine(Path(folder))))
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    script.run(main)
