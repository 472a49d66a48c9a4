"""
The client of the benchmarks: sends prepared requests over a few connections, in a process of its own.

    python client.py < JSON

It costs as little as it can: requests are ready bytes of a mapped file, one thread waits for all connections, and of an
answer only status and length are read. Standard library only, and nothing of Plum is imported: what it needs of the
processor shall not be taken for Plum's. It speaks to loopback alone.
"""

import json
import mmap
import selectors
import socket
import sys
import time
from array import array
from collections.abc import Iterator
from typing import Any

LOOPBACK = "127.0.0.1"
PATIENCE = 120  # seconds without any answer
CHUNK = 1 << 18
LENGTH = b"\r\ncontent-length:"


class Line:
    """One connection that is kept, with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((LOOPBACK, port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.rest = memoryview(b"")
        self.answer = b""
        self.began = 0.0

    def begin(self, request: memoryview) -> None:
        """Start to send."""
        self.rest, self.answer, self.began = request, b"", time.monotonic()
        self.push()

    def push(self) -> None:
        """Send what the kernel takes now."""
        while self.rest:
            try:
                sent = self.socket.send(self.rest)
            except BlockingIOError:
                return
            self.rest = self.rest[sent:]

    def pull(self) -> bytes | None:
        """The whole answer, or None while some of it is missing."""
        try:
            part = self.socket.recv(CHUNK)
        except BlockingIOError:
            return None
        if not part:
            raise ConnectionError(f"The server closed the connection after {self.answer[:300]!r}")
        self.answer = self.answer + part if self.answer else part
        end = self.answer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self.answer[:end].lower()
        start = head.find(LENGTH)
        if start < 0:
            raise ConnectionError(f"An answer without a length: {self.answer[:300]!r}")
        length = int(head[start + len(LENGTH) :].split(b"\r\n", 1)[0])
        return self.answer if len(self.answer) >= end + 4 + length else None


def send_all(requests: Iterator[memoryview], lines: list[Line]) -> tuple[list[float], dict[str, int], str]:
    """Send every request, each on the next connection that is free: seconds of each, statuses, the first that failed."""
    selector = selectors.DefaultSelector()
    seconds: list[float] = []
    statuses: dict[str, int] = {}
    fault, busy = "", 0

    def begin(line: Line, key: selectors.SelectorKey | None) -> bool:
        request = next(requests, None)
        if request is None:
            if key is not None:
                selector.unregister(line.socket)  # the server may close it now
            return False
        line.begin(request)
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if line.rest else 0)
        if key is None:
            selector.register(line.socket, wanted, line)
        elif key.events != wanted:
            selector.modify(line.socket, wanted, line)
        return True

    for line in lines:
        busy += begin(line, None)
    while busy:
        ready = selector.select(PATIENCE)
        if not ready:
            raise TimeoutError(f"No answer within {PATIENCE} s; {len(seconds)} requests were answered")
        for key, mask in ready:
            line = key.data
            if mask & selectors.EVENT_WRITE:
                line.push()
                if not line.rest:
                    selector.modify(line.socket, selectors.EVENT_READ, line)
            if not mask & selectors.EVENT_READ:
                continue
            answer = line.pull()
            if answer is None:
                continue
            seconds.append(time.monotonic() - line.began)
            status = answer[9:12].decode()
            statuses[status] = statuses.get(status, 0) + 1
            if not fault and status not in ("200", "201"):
                fault = answer[-1000:].decode(errors="replace")
            busy -= not begin(line, selector.get_key(line.socket))
    return seconds, statuses, fault


def main(order: dict[str, Any]) -> dict[str, Any]:
    """
    Send `count` requests from the `first` on.

    order: port, connections, first, count, requests (a file of whole requests one after the other), offsets (where each
    begins, and where the last ends, as 64-bit numbers). Instants are of the machine's monotonic clock.
    """
    offsets = array("Q")
    with open(order["offsets"], "rb") as file:
        offsets.frombytes(file.read())
    first, count = order["first"], order["count"]
    with open(order["requests"], "rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    requests = (view[offsets[number] : offsets[number + 1]] for number in range(first, first + count))
    lines = [Line(order["port"]) for _ in range(min(order["connections"], count))]
    processor, began = time.process_time(), time.monotonic()
    seconds, statuses, fault = send_all(requests, lines)
    ended, spent = time.monotonic(), time.process_time() - processor
    for line in lines:
        line.socket.close()
    return {"began": began, "ended": ended, "seconds": seconds, "statuses": statuses, "fault": fault, "cpu": spent}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.load(sys.stdin))))
