"""Many clients send the same ids in the same instant, and several sealers begin at once: each event is there once (I2, I6)."""

import threading
from collections import Counter
from typing import Any

import pytest

from tests.faults.checker import UNSEALED, call_at_once, check
from tests.faults.clients import Client
from tests.faults.events import make_event
from tests.faults.figures import Figures
from tests.faults.lab import Lab

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("stocked")]

CLIENTS, ROUNDS, SIZE, SEALERS = 8, 12, 10, 3


def sends(lab: Lab, clients: list[Client], batches: list[list[dict[str, Any]]]) -> list[dict[str, Any] | None]:
    """Every client sends its batch; they begin together. The answers, client by client."""
    answers: list[dict[str, Any] | None] = [None] * len(clients)
    barrier = threading.Barrier(len(clients))

    def send(place: int) -> None:
        barrier.wait(30)
        answers[place] = clients[place].post(batches[place])

    threads = [threading.Thread(target=send, args=(place,)) for place in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def test_of_equal_and_conflicting_events_sent_at_once_one_is_taken(both: Lab, twin: Lab, figures: Figures) -> None:
    both.start_broker()
    both.start_web()
    clients = [Client(both, both.token, f"racer{number}") for number in range(CLIENTS)]
    for number in range(ROUNDS):
        events = [make_event("race", number * SIZE + place) for place in range(SIZE)]
        contents = [events, [event | {"occurred_at": "2025-06-01T00:00:00Z"} for event in events]]
        figures.tried("races", SIZE)
        answers = sends(both, clients, [list(contents[place % 2]) for place in range(CLIENTS)])
        assert None not in answers, [client.answers for client in clients]
        for place in range(SIZE):
            said = [answer["results"][place]["status"] for answer in answers if answer]
            winner = said.index("accepted")
            expected = ["duplicate" if other % 2 == winner % 2 else "conflict" for other in range(CLIENTS)]
            assert said == [*expected[:winner], "accepted", *expected[winner + 1 :]]
            clients[winner].note([contents[winner % 2][place]], receipt(answers[winner], place))
            figures.survived()

    seal_at_once(both, figures)
    for client in clients:
        client.close()
    check(both, twin, figures)


def receipt(answer: dict[str, Any] | None, place: int) -> dict[str, Any]:
    """The part of an answer that is about one accepted event."""
    assert answer is not None
    return Counter(accepted=1, duplicate=0, conflict=0, rejected=0) | {"results": [answer["results"][place]]}


def seal_at_once(lab: Lab, figures: Figures) -> None:
    """No worker has sealed anything; now several processes want to, all at once."""
    waiting = lab.count(UNSEALED)
    assert waiting >= ROUNDS
    figures.tried("sealers at once", SEALERS)
    said = call_at_once(lab, "seal", module="stock", processes=SEALERS)
    assert sum(map(int, said)) == waiting, f"each batch was sealed by one of them: {said}"
    assert lab.count(UNSEALED) == 0
    assert lab.count("SELECT COUNT(*) FROM activity_seal") == lab.count("SELECT MAX(number) FROM activity_seal")
    figures.survived(SEALERS)
