"""Requests that no client library sends, to a running server: answered before the body is read, in flat memory."""

import re
import socket
from pathlib import Path

import pytest

from tests.faults.lab import Lab, offspring
from tests.faults.load import PROGRAM, load_arguments, make_events, make_folder

pytestmark = pytest.mark.faults
GROWTH = 50 * 1024  # KiB
TYPE = "application/cloudevents-batch+json"


def resident(lab: Lab) -> int:
    """KiB that the largest of the web processes holds; the second may begin later than the first answers."""
    pids = offspring(lab.children["web"].pid)
    texts = [Path(f"/proc/{pid}/status").read_text(encoding="ascii") for pid in pids]
    return max(int(re.search(r"VmRSS:\s+(\d+)", text)[1]) for text in texts)  # type: ignore[index]


def ask(lab: Lab, secret: str, headers: str, body: bytes = b"", *, then_close: bool = False) -> int:
    """Send a request by hand and read the status; 0 where the line was closed without one."""
    with socket.create_connection(("127.0.0.1", lab.port), timeout=30) as line:
        head = f"POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\nContent-Type: {TYPE}\r\n"
        line.sendall(f"{head}{headers}\r\n".encode())
        try:
            line.sendall(body)
            if then_close:
                line.shutdown(socket.SHUT_WR)
            answer = line.recv(4096)
        except (BrokenPipeError, ConnectionResetError):
            return 0
    return int(answer.split(b" ")[1]) if answer else 0


def test_nothing_of_them_is_read_and_nobody_else_suffers(lab: Lab, tmp_path: Path) -> None:
    lab.manage(*load_arguments(make_folder(tmp_path / "folder", list(make_events(50))), "file"))
    made = lab.manage_json("create_token", "--program", PROGRAM, "--name", "odd", "--scopes", "events:write")
    secret = str(made["token"])
    lab.start_web()
    assert ask(lab, secret, "Content-Length: 2\r\n", b"[]") == 400
    before = resident(lab)
    for _ in range(5):
        # Announced as 5 GB: the answer comes although not one byte of it was sent.
        assert ask(lab, secret, "Content-Length: 5000000000\r\n") == 413
        assert ask(lab, secret, "Content-Length: 8388609\r\n") == 413
        # Chunks without an end.
        chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
        assert ask(lab, secret, "Transfer-Encoding: chunked\r\n", chunk * 50) in (411, 0)
        # Less than was announced, then silence; more than was announced.
        assert ask(lab, secret, "Content-Length: 1000\r\n", b"[]", then_close=True) in (400, 0)
        assert ask(lab, secret, "Content-Length: 2\r\n", b"[]" + b"x" * 1000) == 400
        # Lengths that contradict each other, or are none.
        assert ask(lab, secret, "Content-Length: 2\r\nContent-Length: 3\r\n", b"[]") in (400, 0)
        assert ask(lab, secret, "Content-Length: -1\r\n", b"[]") in (400, 0)
        assert ask(lab, secret, "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n") in (400, 411, 0)
    assert ask(lab, secret, "Content-Length: 2\r\n", b"[]") == 400
    assert resident(lab) - before < GROWTH
    assert "Traceback" not in lab.log("web")
