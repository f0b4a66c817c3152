"""Frames over the socket to the host, byte by byte as docs/PROCESS.md has them."""

from __future__ import annotations

import array
import os
import select
import socket
import struct
import threading
from collections import deque
from typing import Deque, List, Optional, Tuple

PROTOCOL = 1
#: Payloads of one frame that have more bytes together lie in shared memory.
MAX_INLINE = 64 << 10
_HEADER = struct.Struct("<IB3x")
BATCH = struct.Struct("<BBBBIQQQQqQII")
BLOB = struct.Struct("<BBHIQ")
_CHUNK = 256 << 10
_ANCILLARY = socket.CMSG_SPACE(4 * array.array("i").itemsize)
_MIN_MEMORY = 1 << 20

MEMORY = 0x01
OPEN, CHECK, COMMAND, NEXT, CONFIRM, APPLY, WRITE, TICK = range(0x10, 0x18)
FLUSH, EXPORT_STATE, IMPORT_STATE, READERS, ACT, CLOSE = range(0x18, 0x1E)
STOPPING = 0x20
HELLO, DONE, FAILED, ANSWER, STATE = range(0x40, 0x45)
PUSH, LOG, DROPPED, COUNT, GAUGE, EXPECT, DEAD_LETTER = range(0x60, 0x67)

#: Places of a payload.
INLINE, SHARED, UNCHANGED, NOTHING = range(4)


class Broken(Exception):
    """What came is no frame of this protocol."""


class Channel:
    """One end of the socket. One thread reads it; any may send."""

    def __init__(self, sock: socket.socket) -> None:
        self.is_stopping = False
        self._socket = sock
        self._inbox = bytearray()
        self._descriptors: Deque[int] = deque()
        self._frames: Deque[Tuple[int, bytes]] = deque()
        self._theirs: Optional[int] = None
        self._memory: Optional[int] = None
        self._size = self._used = 0
        self.lock = threading.RLock()
        self._reader = threading.get_ident()

    @property
    def has_frame(self) -> bool:
        """Whether a frame has come that was not taken."""
        return bool(self._frames)

    def next(self) -> Optional[Tuple[int, bytes]]:
        """The next frame, waiting for it; None when the other side has closed its end."""
        while not self._frames:
            if not self._receive():
                return None
        return self._frames.popleft()

    def look(self) -> None:
        """Takes what has come during a call: that the host wants the component to end, or no more."""
        if threading.get_ident() == self._reader and select.select([self._socket], [], [], 0)[0]:
            self._receive()

    def _receive(self) -> bool:
        data, ancillary, _, _ = self._socket.recvmsg(_CHUNK, _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors = array.array("i")
                descriptors.frombytes(content[: len(content) // descriptors.itemsize * descriptors.itemsize])
                self._descriptors.extend(descriptors)
        if not data:
            return False
        inbox = self._inbox
        inbox += data
        at = 0
        while len(inbox) - at >= _HEADER.size:
            length, kind = _HEADER.unpack_from(inbox, at)
            end = at + _HEADER.size + length
            if len(inbox) < end:
                break
            if kind == STOPPING:
                self.is_stopping = inbox[at + _HEADER.size] != 0
            elif kind == MEMORY:
                self._take_memory()
            else:
                self._frames.append((kind, bytes(inbox[at + _HEADER.size : end])))
            at = end
        del inbox[:at]
        return True

    def _take_memory(self) -> None:
        if not self._descriptors:
            raise Broken("a frame tells of memory that did not come")
        if self._theirs is not None:
            os.close(self._theirs)
        self._theirs = self._descriptors.popleft()

    def payload(self, body: bytes, at: int, place: int, length: int, offset: int) -> Tuple[bytes, int]:
        """A payload by its place, and where the rest of the body begins."""
        if place == INLINE:
            if at + length > len(body):
                raise Broken("a frame ends within a payload")
            return body[at : at + length], at + length
        if place != SHARED or self._theirs is None:
            raise Broken(f"a payload has the place {place}")
        content = os.pread(self._theirs, length, offset)
        if len(content) != length:
            raise Broken(f"a payload of {length} bytes at {offset} ends after {len(content)}")
        return content, at

    def begin(self) -> None:
        """Begins the answer to a call: what lies in the own memory is not needed any more."""
        self._used = 0

    def share(self, payload: bytes) -> int:
        """Puts a payload into memory that the other side sees; its offset."""
        with self.lock:
            if self._memory is None or self._used + len(payload) > self._size:
                self._make_memory(len(payload))
            offset = self._used
            view = memoryview(payload)
            while view:
                view = view[os.pwrite(self._memory, view, offset + len(payload) - len(view)) :]
            self._used += len(payload)
            return offset

    def _make_memory(self, length: int) -> None:
        size = max(_MIN_MEMORY, 1 << (length - 1).bit_length())
        memory = os.memfd_create("dataserver-batches", os.MFD_CLOEXEC)
        os.ftruncate(memory, size)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [memory]))]
        sent = self._socket.sendmsg([_HEADER.pack(0, MEMORY)], rights)
        self._socket.sendall(_HEADER.pack(0, MEMORY)[sent:])
        if self._memory is not None:
            os.close(self._memory)
        self._memory, self._size, self._used = memory, size, 0

    def send(self, kind: int, *parts: bytes) -> None:
        """Sends a frame."""
        body = b"".join(parts)
        with self.lock:
            self._socket.sendall(_HEADER.pack(len(body), kind) + body)

    def send_blob(self, kind: int, text: str, content: Optional[bytes]) -> None:
        """Sends a text and bytes, which may be missing."""
        told = text.encode("utf-8", "replace")[:4096]
        payload = content or b""
        with self.lock:
            place, offset = INLINE, 0
            if len(payload) > MAX_INLINE:
                place, offset = SHARED, self.share(payload)
            head = BLOB.pack(content is not None, place, len(told), len(payload), offset)
            self.send(kind, head, told, payload if place == INLINE else b"")

    def blob(self, body: bytes) -> Tuple[str, Optional[bytes]]:
        """A text and bytes, which may be missing."""
        given, place, text, length, offset = BLOB.unpack_from(body)
        end = BLOB.size + text
        told = body[BLOB.size : end].decode("utf-8", "replace")
        if not given:
            return told, None
        return told, self.payload(body, end, place, length, offset)[0]


def numbered(number: int, text: str) -> List[bytes]:
    """A number and a text, as a body."""
    return [struct.pack("<Q", number), text.encode("utf-8", "replace")]
