"""Whatever somebody with the database in hand changes past the triggers, `verify` names the place."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import transaction

from activity.models import Seal
from activity.services import seal_ledger
from activity.services.anchors import anchor_file, write_anchor
from plum_site.lib import verify
from plum_site.verify import load_checks
from reviews.choices import CycleState
from tests.factories.exports import export
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record
from tests.factories.reviews import STAGES, reviewed
from tests.support.mutations import MUTATIONS
from tests.support.tampering import Mutation, World, do, let_through

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
AREAS = ("ledger", "rollups", "cycles", "audit", "exports")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("reviews.verify.cycles.now", lambda: RECORDED_AT)
    program, other = (make_stocked_program(code, recorded_stages=STAGES, is_demo=True) for code in ("acme", "other"))
    record(other, [event(0, "redeemed", spend_amount="1.00", spend_currency="EUR")])
    anchor_file(program).unlink(missing_ok=True)
    for batch in range(3):
        rows = [
            event(f"{batch}-{number}", "redeemed", spend_amount=f"{number}.00", spend_currency="EUR", transaction_ref="T")
            for number in (1, 2, 3)
        ]
        record(program, rows)
        seal_ledger(program_id=program.pk, at=RECORDED_AT)
        write_anchor(program=program, seal=Seal.objects.filter(program=program).latest("number"))  # as after a commit
    seal_ledger(program_id=other.pk, at=RECORDED_AT)
    cycle = reviewed(program, state=CycleState.CLOSED)
    yield World(program, other, export(program), cycle)
    transaction.set_rollback(True)  # whatever was broken is not looked at again
    anchor_file(program).unlink(missing_ok=True)


def violations(area: str) -> list[str]:
    load_checks()
    return [text for finding in verify.run(area) for text in finding.violations]


def test_what_nobody_touched_is_whole(world: World) -> None:
    assert {area: violations(area) for area in AREAS} == {area: [] for area in AREAS}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)
def test_a_mutation_is_located(world: World, mutation: Mutation) -> None:
    if "switched off" not in mutation.what:
        let_through()
    do(world, mutation.act)
    texts = violations(mutation.area)
    assert any(world.say(mutation.place) in text for text in texts), texts


def test_there_are_many_of_them_and_each_is_another() -> None:
    assert len({mutation.what for mutation in MUTATIONS}) == len(MUTATIONS) >= 40
    assert {mutation.area for mutation in MUTATIONS} == set(AREAS)


def test_the_page_shows_them_all() -> None:
    text = (ROOT / "docs/operations/tampering.md").read_text(encoding="utf-8")
    table = [
        f"| {mutation.what} | `verify {mutation.area}` | {mutation.place.replace('{', '*').replace('}', '*').strip()} |"
        for mutation in MUTATIONS
    ]
    assert [line for line in text.splitlines() if line.startswith("|")][2:] == table
