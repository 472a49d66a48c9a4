"""
Workers die at every step of carrying out a push and of sending it, and two work on it at once: everybody who was frozen as a
recipient gets one mail, whoever is held out gets none, and the push is executed once.

The places are read from the code, so that a new one is tried without a line here. Each has a push of its own.
"""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plum_site.lib.crashpoints import STATUS
from reviews.services.actions import EXECUTE, SEND_PUSH
from tests.faults.checker import call, call_at_once
from tests.faults.figures import Figures
from tests.faults.lab import Lab
from tests.faults.points import list_points
from tests.faults.pushes import CHUNK, PEOPLE
from tests.support.mail_server import MailServer

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("stocked")]

NOW, LATER = datetime.now(UTC) - timedelta(days=1), timedelta(hours=3)  # past, so that mails are due when they are put
IN_JOB = ("job.after_claim", "job.after_effect", "job.after_mark")  # those that a process which does the job comes by
ONCE = {"push.finished"}  # the others of `push` are passed in every chunk
CHUNKS = 3  # of each push at least
RACES = 4


@pytest.fixture
def server(both: Lab) -> Iterator[MailServer]:
    """A mail server that the lab's processes are told to use."""
    made = MailServer().start()
    both.settings |= {
        f"PLUM_SMTP_{name}": value for name, value in {"HOST": "127.0.0.1", "PORT": str(made.port), "TLS": "none"}.items()
    }
    both.settings["PLUM_MAIL_FROM"] = "Plum <plum@example.org>"
    yield made
    made.stop()


def deaths() -> list[tuple[str, str, int]]:
    """Job, place in it and how many may pass before: every place, and those of a chunk in each chunk."""
    executing = [(EXECUTE, name, 0) for name in (*(point.name for point in list_points("action")), *IN_JOB)]
    places = [(point.name, 1 if point.name in ONCE else CHUNKS) for point in list_points("push")]
    sending = [(SEND_PUSH, name, passed) for name, passes in places for passed in range(passes)]
    return [*executing, *sending, *((SEND_PUSH, name, 0) for name in IN_JOB)]


def read(lab: Lab) -> dict[str, dict[str, Any]]:
    """What became of each push, by subject."""
    found: dict[str, dict[str, Any]] = json.loads(call(lab, "report", module="pushes"))
    return found


def check_each_got_one(lab: Lab, server: MailServer, pushes: int) -> None:
    """Every push is executed once; its mails are in the outbox once, and with the server once for each who was to get it."""
    call_at_once(lab, "post", module="pushes")
    found = read(lab)
    received = Counter((str(message["Subject"]), to) for message, to in zip(server.messages(), server.recipients, strict=True))

    assert len(found) == pushes
    for push in found.values():
        assert (push["is_executed"], push["is_under_way"], push["finished"]) == (True, False, 1), push
        assert (push["is_complete"], push["in_outbox"]) == (True, len(push["treated"])), push
        assert len(push["treated"]) + len(push["held_out"]) == PEOPLE
        assert set(push["states"]) <= {"queued", "held_out"}
    assert received == Counter({(subject, to): 1 for subject, push in found.items() for to in push["treated"]})
    assert sum(len(push["held_out"]) for push in found.values()) > 0, "nobody was held out: nothing was shown of them"
    checked = lab.manage("verify", "actions", check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_push_reaches_everybody_once_wherever_the_worker_dies(both: Lab, server: MailServer, figures: Figures) -> None:
    tried = deaths()
    assert len(tried) >= 20, "too few to speak of every step"
    call(both, "approve", len(tried), NOW.isoformat(), module="pushes")
    figures.tried("crash points", len(tried))

    assert json.loads(call(both, "die", tried, NOW.isoformat(), module="pushes")) == [STATUS] * len(tried), tried

    figures.survived(len(tried))
    found = read(both)
    for number, (name, point, passed) in enumerate(tried):
        check_is_whole(found[f"Push {number}"], name, point, passed)

    for times in (1, 2):
        call_at_once(both, "take_up", (NOW + times * LATER).isoformat(), module="pushes")

    check_each_got_one(both, server, len(tried))


def check_is_whole(push: dict[str, Any], name: str, point: str, passed: int) -> None:
    """A death leaves everybody frozen or nobody, and each chunk in the outbox whole or not at all."""
    frozen = len(push["treated"]) + len(push["held_out"])
    if name == EXECUTE:
        assert frozen == (
            0 if point in ("action.locked", "action.applied", "action.before_commit", "job.after_claim") else PEOPLE
        )
        assert push["in_outbox"] == 0
        return
    ended = point in ("push.finished", "job.after_effect", "job.after_mark")
    assert frozen == PEOPLE
    assert push["in_outbox"] == push["queued"] == (len(push["treated"]) if ended else passed * CHUNK), point
    assert push["finished"] == (point in ("job.after_effect", "job.after_mark")), point


def test_two_workers_at_once_reach_everybody_once(both: Lab, server: MailServer, figures: Figures) -> None:
    """Neither holds the other off by a lease: both carry out and send the same pushes in the same instant."""
    call(both, "approve", RACES, NOW.isoformat(), module="pushes")
    figures.tried("two workers at once", RACES)

    call_at_once(both, "race", NOW.isoformat(), module="pushes")

    check_each_got_one(both, server, RACES)
    figures.survived(RACES)
