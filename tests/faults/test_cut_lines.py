"""The line breaks after the commit and before the answer: whoever sends again is told `duplicate`, and one row is there (F12)."""

import itertools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.faults.checker import check
from tests.faults.clients import Client
from tests.faults.events import make_event
from tests.faults.figures import Figures
from tests.faults.lab import Lab
from tests.faults.proxy import Proxy

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("stocked")]

SIZE = 3


def every_second(word: bytes) -> Callable[[bytes], bool]:
    """True for every other chunk with a word in it, the first one included."""
    turns = itertools.cycle([True, False])
    return lambda chunk: word in chunk and next(turns)


def send(client: Client, count: int) -> None:
    """So many batches, one after the other, each until it is acknowledged."""
    for number in range(0, count * SIZE, SIZE):
        client.deliver([make_event(client.source, number + place) for place in range(SIZE)])
    client.close()


def check_cut_answers(lab: Lab, twin: Lab, figures: Figures, count: int) -> None:
    """Every batch is stored, its answer is lost, and it is sent again."""
    lab.start_all()
    figures.tried("answers cut off", count)
    with Proxy.to_port(lab.port, every_second(b"POST /api/v1/events")) as proxy:
        client = Client(lab, lab.token, "cut", port=proxy.port)
        send(client, count)

    assert proxy.count == count == client.answers["cut"]
    assert client.outcomes == {"duplicate": count * SIZE}
    figures.survived(count)
    check(lab, twin, figures)


def test_an_answer_that_is_cut_off_leaves_one_row(both: Lab, twin: Lab, figures: Figures) -> None:
    check_cut_answers(both, twin, figures, 150)


@pytest.mark.long
def test_thousands_of_answers_that_are_cut_off_leave_one_row_each(both: Lab, twin: Lab, figures: Figures) -> None:
    check_cut_answers(both, twin, figures, 2000)


def test_a_commit_whose_answer_never_comes_is_there_once(make_lab: Callable[[str], Lab], twin: Lab, figures: Figures) -> None:
    """Here the line between Plum and PostgreSQL breaks: Plum cannot know, says 503, and knows again when asked again."""
    lab, count = make_lab("postgresql"), 60
    assert lab.postgres is not None
    folder = Path(tempfile.mkdtemp(prefix="plum-cut-"))
    lab.start_broker()
    lab.start_worker()
    lab.start_beat()
    try:
        with Proxy.to_socket(lab.postgres.home / ".s.PGSQL.5432", folder, every_second(b"COMMIT\x00")) as proxy:
            lab.settings["DATABASE_URL"] = f"postgres://postgres@{quote(str(folder), safe='')}/plum"
            lab.start_web()
            client = Client(lab, lab.token, "commit")
            send(client, count)
        cut = proxy.count
        figures.tried("commits cut off", cut)
        lab.settings.clear()
        lab.kill("web")
    finally:
        shutil.rmtree(folder)

    others = 6  # commits of something else, such as a new partition: the events of such a request were not stored yet
    assert set(client.answers) == {"200", "503"}, client.bodies[:3]
    assert client.answers["200"] == count
    assert abs(client.answers["503"] - cut) <= others
    assert client.retry_after == {"2"}
    assert client.outcomes["duplicate"] >= (count - others) * SIZE
    assert client.outcomes["duplicate"] + client.outcomes["accepted"] == count * SIZE
    figures.survived(cut)
    check(lab, twin, figures)
