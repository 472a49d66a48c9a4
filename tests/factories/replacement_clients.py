"""The replacement of a partner over HTTP: a program in which one is worth it, and the steps as clients send them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from partners.models import Program
from partners.services import save_partner
from plum_site.lib.choices import Role
from plum_site.lib.models import User
from tests.factories.action_clients import SCOPES, client_of, get, send, step
from tests.factories.actions import AT
from tests.factories.jobs import run_due
from tests.factories.ledger import event, record
from tests.factories.people import make_member_of_staff
from tests.factories.pushes import make_pushable_program
from tests.factories.tokens import TokenClient

REPLACE = {"partner": "P1", "kind": "replace_partner", "params": {}, "reason": "It fell for three months."}
PAIRS = [{"old": "O1", "new": "O4"}, {"old": "O2", "new": None}, {"old": "O3", "new": None}]
TERMS = {"terms": "12 % for a year.", "last_activation_days": 14}


@dataclass
class Hands:
    """The hands of the clock that the API reads."""

    at: datetime = AT

    def move(self, **by: float) -> datetime:
        """Later by so much."""
        self.at += timedelta(**by)
        return self.at


def make_replaceable_program() -> Program:
    """
    Partner P1 with offers O1 to O3; P2, of another category, with O4. Of ten members, M1 and M2 have unlocked O1, and M2 has
    activated it.
    """
    program = make_pushable_program(10)
    save_partner(
        program_id=program.pk, external_id="P2", name="Partner P2", category="drinks", country="DE", actor="system", at=AT
    )
    rows = [
        event(1, "unlocked", member="M1"),
        event(2, "unlocked", member="M2"),
        event(3, "activated", member="M2", occurred_at="2026-06-15T11:00:00Z"),
    ]
    assert not record(program, rows, at=AT).notable
    return program


class Pair:
    """Anna, who leads the replacement, and Ben, who approves: a client each."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.people: dict[str, User] = {name: make_member_of_staff(program, Role.PROGRAM_ADMIN, name) for name in ("anna", "ben")}
        self.anna, self.ben = (client_of(program, person) for person in self.people.values())

    def second_client(self, name: str, *scopes: str) -> TokenClient:
        """Another token of the same person."""
        return client_of(self.program, self.people[name], *(scopes or SCOPES))

    def propose(self, **changes: Any) -> int:
        """The id of an action that asks for the replacement, as Anna proposed it."""
        answer = send(self.anna, "POST", "actions", REPLACE | changes)
        assert answer.status_code == 201, answer.content
        return int(answer.json()["id"])

    def open(self, hands: Hands, **changes: Any) -> int:
        """The id of a replacement: proposed by Anna, approved by Ben, opened by a worker."""
        action = self.propose(**changes)
        assert step(self.ben, action, "approve").status_code == 200
        assert run_due(hands.at, name="reviews.execute_action") == ["done"]
        return int(get(self.anna, f"actions/{action}")["replacement"])


def take(client: TokenClient, pk: int, name: str, **given: Any) -> Any:
    """One step with a replacement."""
    return send(client, "POST", f"replacements/{pk}/transitions", {"name": name, **given})


def taken(client: TokenClient, pk: int, name: str, **given: Any) -> Any:
    """The replacement after one step that succeeded."""
    answer = take(client, pk, name, **given)
    assert answer.status_code == 200, answer.content
    return answer.json()


def reach(pair: Pair, hands: Hands, state: str, **changes: Any) -> int:
    """The id of a replacement of P1 by P2, as far as `state`."""
    pk = pair.open(hands, **changes)
    for reached, go in WAY.items():
        if state == "opened":
            break
        go(pair, hands, pk)
        if reached == state:
            break
    assert get(pair.anna, f"replacements/{pk}")["state"] == state
    return pk


def _compare(pair: Pair, hands: Hands, pk: int) -> None:
    assert send(pair.anna, "POST", f"replacements/{pk}/candidates", {"partner": "P2"}).status_code == 201
    taken(pair.anna, pk, "compare")


def _map(pair: Pair, hands: Hands, pk: int) -> None:
    shown = get(pair.anna, f"replacements/{pk}")
    pairs = [one for one in PAIRS if one["old"] == "O1" or not shown["category"]]
    answer = send(pair.anna, "PUT", f"replacements/{pk}/mapping", {"pairs": pairs, "revision": shown["revision"]})
    assert answer.status_code == 200, answer.content
    saved = answer.json()
    taken(pair.anna, pk, "map", gaps=saved["gaps"], revision=saved["revision"])


def _approve(pair: Pair, hands: Hands, pk: int) -> None:
    taken(pair.ben, pk, "approve", revision=get(pair.ben, f"replacements/{pk}")["revision"])


def _schedule(pair: Pair, hands: Hands, pk: int) -> None:
    taken(pair.ben, pk, "schedule", scheduled_at=(hands.at + timedelta(hours=1)).isoformat())


def _cut_over(pair: Pair, hands: Hands, pk: int) -> None:
    assert run_due(hands.move(hours=1), name="reviews.cut_over") == ["done"]
    assert run_due(hands.at, name="reviews.tell_holders") == ["done"]


WAY = {
    "compared": _compare,
    "chosen": lambda pair, hands, pk: taken(pair.anna, pk, "choose", partner="P2"),
    "agreed": lambda pair, hands, pk: taken(pair.anna, pk, "agree", **TERMS),
    "mapped": _map,
    "approved": _approve,
    "scheduled": _schedule,
    "cut_over": _cut_over,
    "verified": lambda pair, hands, pk: taken(pair.anna, pk, "verify"),
    "completed": lambda pair, hands, pk: taken(pair.ben, pk, "complete"),
}
