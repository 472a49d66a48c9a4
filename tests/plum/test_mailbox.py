"""The mailbox of `./plum up`: a real process on a socket that keeps every message as a whole file."""

import email
import signal
import subprocess
import sys
import threading
from email.policy import default
from pathlib import Path

import pytest

from plum_site.lib.mail import SocketSMTP
from plum_site.local.mailbox import keep
from plum_site.local.services import mailbox_answers
from tests.faults.lab import wait_for


@pytest.fixture
def box(tmp_path: Path, checkout: Path):
    """Socket and folder of a running mailbox."""
    path, folder = tmp_path / "mail.sock", tmp_path / "mail"
    command = [sys.executable, "-m", "plum_site.local.mailbox", str(path), str(folder)]
    with subprocess.Popen(command, cwd=checkout, stderr=subprocess.PIPE) as process:
        wait_for(lambda: mailbox_answers(path), "the mailbox")
        yield path, folder
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b"", "it says nothing where nothing is wrong"


def hand_in(path: Path, subject: str) -> None:
    with SocketSMTP(str(path)) as line:
        line.sendmail("plum@localhost", ["ada@example.org"], f"Subject: {subject}\r\n\r\nbody of {subject}\r\n".encode())


def test_every_message_that_was_accepted_is_a_private_file(box) -> None:
    path, folder = box
    assert path.stat().st_mode & 0o077 == 0
    senders = [threading.Thread(target=hand_in, args=(path, f"number {number}")) for number in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()

    files = sorted(folder.iterdir())
    read = [email.message_from_bytes(file.read_bytes(), policy=default) for file in files]

    assert sorted(message["Subject"] for message in read) == [f"number {number}" for number in range(8)]
    assert {file.suffix for file in files} == {".eml"}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_message_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        keep(tmp_path, b"half")

    assert list(tmp_path.iterdir()) == []


def test_nobody_answers_where_nobody_is(tmp_path: Path) -> None:
    assert not mailbox_answers(tmp_path / "mail.sock")
