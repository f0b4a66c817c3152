"""Stands in for the robots of Feishu, DingTalk and WeCom, and for a plain receiver.

usage: chat_robots.py SECRET LOG

Prints the port on 127.0.0.1. Checks signatures by itself, as the vendors' documents have it, and
appends a line of JSON to LOG for each message: the path, the text, what it answered, the body. The
first part of the path says who answers: feishu, dingtalk, wecom, json, broken (status 500), silent
(never answers). Uses the standard library only.
"""

import base64
import hashlib
import hmac
import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import script

HOUR = 3600
WRITING = threading.Lock()


def signature(key: str, text: str) -> str:
    return base64.b64encode(hmac.digest(key.encode(), text.encode(), hashlib.sha256)).decode()


def is_recent(seconds: float) -> bool:
    return abs(time.time() - seconds) < HOUR


def feishu(secret: str, query: dict, body: dict) -> tuple[int, dict, str]:
    stamp = body.get("timestamp", "0")
    expected = signature(f"{stamp}\n{secret}", "")
    if not (is_recent(int(stamp)) and body.get("sign") == expected):
        return 200, {"code": 19021, "msg": "sign match fail or timestamp is not within one hour"}, ""
    if body["msg_type"] != "text":
        return 400, {"code": 9499, "msg": "Bad Request", "data": {}}, ""
    return 200, {"code": 0, "msg": "success", "data": {}}, body["content"]["text"]


def dingtalk(secret: str, query: dict, body: dict) -> tuple[int, dict, str]:
    stamp = query.get("timestamp", "0")
    expected = signature(secret, f"{stamp}\n{secret}")
    if query.get("access_token") != "right-token":
        return 200, {"errcode": 300001, "errmsg": "token is not exist"}, ""
    if not (is_recent(int(stamp) / 1000) and query.get("sign") == expected):
        return 200, {"errcode": 310000, "errmsg": "sign not match"}, ""
    if body["msgtype"] != "text":
        return 200, {"errcode": 400105, "errmsg": "unsupported msgtype"}, ""
    return 200, {"errcode": 0, "errmsg": "ok"}, body["text"]["content"]


def wecom(secret: str, query: dict, body: dict) -> tuple[int, dict, str]:
    if query.get("key") != "right-key":
        return 200, {"errcode": 93000, "errmsg": f"invalid webhook url, key {query.get('key')}"}, ""
    text = body["text"]["content"]
    if body["msgtype"] != "text" or len(text.encode()) > 2048:
        return 200, {"errcode": 40058, "errmsg": "invalid message"}, ""
    return 200, {"errcode": 0, "errmsg": "ok"}, text


def plain(secret: str, query: dict, body: dict) -> tuple[int, dict, str]:
    return 200, {}, body["text"]


def broken(secret: str, query: dict, body: dict) -> tuple[int, dict, str]:
    return 500, {}, ""


def silent(secret: str, query: dict, body: dict) -> tuple[int, dict, str]:
    time.sleep(HOUR)
    return 500, {}, ""


WHO = {
    "feishu": feishu,
    "dingtalk": dingtalk,
    "wecom": wecom,
    "json": plain,
    "broken": broken,
    "silent": silent,
}


def main(secret: str, log: str) -> None:
    class Robots(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(url.query))
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            assert self.headers["content-type"].startswith("application/json"), self.headers
            who = url.path.split("/")[1]
            status, answer, text = WHO[who](secret, query, body)
            line = {"who": who, "text": text, "answer": answer, "status": status, "body": body}
            with WRITING, open(log, "a", encoding="utf-8") as out:
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Robots)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    script.run(main)
