"""Mail by real processes over real SMTP: within seconds of the commit, through whatever dies, each message once (I22, F25)."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.faults.lab import ROOT, Lab, wait_for
from tests.support.mail_server import MailServer

pytestmark = pytest.mark.faults

SECONDS = 5  # from the commit to the mail server


@pytest.fixture
def server(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """A mail server that the lab's processes are told to use."""
    made = MailServer().start()
    for name, value in {"HOST": "127.0.0.1", "PORT": str(made.port), "TLS": "none"}.items():
        monkeypatch.setenv(f"PLUM_SMTP_{name}", value)
    monkeypatch.setenv("PLUM_MAIL_FROM", "Plum <plum@example.org>")
    yield made
    made.stop()


def put_mails(lab: Lab, count: int, tag: str = "k") -> float:
    """Commit so many mails in a process of its own; the instant after the commit."""
    code = (
        "import django; django.setup()\n"
        "import plum_site.celery\n"
        "from django.db import transaction\n"
        "from plum_site.lib import jobs, mail\n"
        "at = jobs.database_now()\n"
        "with transaction.atomic():\n"
        f"    for n in range({count}):\n"
        "        mail.send(to=('', f'r{n}@example.org'), subject=f'Report {n}', text='x', html='<html><head></head>x</html>',\n"
        f"                  dedup_key=f'{tag}{{n}}', program_id=None, at=at)\n"
        "import time; print(time.time())\n"
        "jobs.SENDER.flush(20)\n"  # this process ends at once; a web server or a worker lives on
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=lab.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def start(lab: Lab) -> None:
    lab.start_broker()
    lab.start_worker()
    wait_for(lambda: "ready." in lab.log("worker"), "the worker")


def test_a_mail_is_with_the_server_seconds_after_the_commit(lab: Lab, server: MailServer) -> None:
    start(lab)
    committed = put_mails(lab, 8)

    wait_for(lambda: len(server.received) == 8, lambda: f"8 mails: {lab.log('worker')[-2000:]}", 30)
    spent = time.time() - committed

    assert spent <= SECONDS, f"{spent:.1f} s"
    wait_for(lambda: lab.count("SELECT COUNT(*) FROM plum_outbox WHERE state = 'sent'") == 8, "the marks")
    assert sorted(server.recipients) == [f"r{number}@example.org" for number in range(8)]


def test_a_mail_server_that_is_down_delays_and_loses_nothing(lab: Lab, server: MailServer) -> None:
    server.stop()
    lab.start_beat()
    start(lab)
    put_mails(lab, 3)
    wait_for(lambda: lab.count("SELECT COUNT(*) FROM plum_outboxattempt WHERE status = 'later'") >= 3, "attempts", 30)
    assert lab.count("SELECT COUNT(*) FROM plum_outbox WHERE state = 'waiting'") == 3

    server.start()

    wait_for(lambda: len(server.received) == 3, lambda: f"3 mails: {lab.log('worker')[-2000:]}", 60)
    assert len(set(server.recipients)) == 3


@pytest.mark.long
def test_senders_killed_in_the_middle_repeat_at_most_what_they_held_under_the_same_id(lab: Lab, server: MailServer) -> None:
    """kill -9 of the worker again and again while it sends; two workers in the end. Nothing is lost, nothing is made up."""

    def slowly(_: MailServer, recipient: str) -> None:
        time.sleep(0.15)

    server.answer_data = slowly
    lab.start_beat()
    start(lab)
    put_mails(lab, 16)
    kills = 0
    for _ in range(2):
        already = len(server.received)
        wait_for(lambda already=already: len(server.received) > already, "a mail to be taken in", 90)
        lab.kill("worker")
        kills += 1
        lab.start_worker()
    lab.start_worker("second-worker")

    undone = "SELECT COUNT(*) FROM plum_outbox WHERE state <> 'sent'"
    wait_for(lambda: lab.count(undone) == 0, lambda: f"the end: {lab.log('worker')[-2000:]}", 150)

    arrived = Counter(message["Message-ID"] for message in server.messages())
    ids = {message_id for (message_id,) in lab.query("SELECT message_id FROM plum_outbox")}
    assert set(arrived) == ids
    in_flight = 4  # at most so many are on the line at once in each of two processes
    repeated = sum(times - 1 for times in arrived.values())
    assert repeated <= kills * 2 * in_flight
    assert max(arrived.values()) <= 1 + kills
    by_id: dict[str, set[bytes]] = {}
    for content, message in zip(server.received, server.messages(), strict=True):
        by_id.setdefault(message["Message-ID"], set()).add(content)
    assert {len(contents) for contents in by_id.values()} == {1}, "a repeated message is the same, byte for byte"
    assert lab.manage("verify", "jobs", check=False).returncode == 0
