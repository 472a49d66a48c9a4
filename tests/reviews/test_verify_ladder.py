"""Whoever moves a partner with the database in hand, past the triggers, is named by `verify actions`, with partner and move."""

import pytest
from django.db import connection

from partners.choices import PartnerState
from partners.models import Partner, Program
from partners.services import change_partner_state
from plum_site.lib import verify
from plum_site.lib.choices import Role
from plum_site.verify import load_checks
from reviews.models import LadderMove
from reviews.services import hold_on_ladder
from tests.factories.ladder import (
    APRIL,
    GOOD,
    JUNE,
    MARCH,
    MAY,
    POOR,
    close_month,
    closing_of,
    make_ladder_program,
    partner,
    put_on_notice,
)
from tests.factories.people import make_member_of_staff
from tests.factories.replacements import lead, make_pair, make_replaceable_program, open_replacement
from tests.support.tampering import let_through, run

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

HISTORY = "partner_id, name, from_state, to_state, actor, at, comment, source_ref"
MOVE = "cycle_id, name, outcome, from_state, to_state, version, evidence, at"
STEP = "put_on_notice at 2026-03-05 09:00 UTC"  # the closing of February
OF_P1 = "partner P1: put_on_notice of 2026-02"


@pytest.fixture
def program() -> Program:
    return make_ladder_program()


@pytest.fixture
def noticed(program: Program) -> Partner:
    return put_on_notice(program)


def violations() -> list[str]:
    load_checks()
    return [text for finding in verify.run("actions") for text in finding.violations]


def checked() -> dict[str, int]:
    load_checks()
    return {finding.check.partition(": ")[2]: finding.checked for finding in verify.run("actions")}


def test_what_the_rules_did_holds(program: Program, noticed: Partner) -> None:
    """Up by two rungs, held, due, and one that came back by rule and one by hand."""
    close_month(program, MARCH, P1=POOR, P2=POOR)
    close_month(program, APRIL, P1=POOR, P2=POOR)
    hold_on_ladder(
        partner_id=partner(program).pk,
        until_date=closing_of(MAY).date(),
        reason="They moved.",
        actor="system",
        at=closing_of(APRIL),
    )
    close_month(program, MAY, P1=POOR, P2=GOOD)
    close_month(program, JUNE, P1=POOR, P2=GOOD)
    person = make_member_of_staff(program, Role.PROGRAM_ADMIN)
    change_partner_state(partner_id=noticed.pk, name="restore", actor=person, at=closing_of(JUNE), comment="New owner.")

    assert partner(program, "P2").state == PartnerState.ACTIVE
    outcomes = sorted(LadderMove.objects.values_list("partner__external_id", "name", "outcome"))
    assert outcomes == [
        ("P1", "put_on_notice", "moved"),
        ("P1", "replacement_due", "due"),
        ("P1", "start_improvement_plan", "moved"),
        ("P2", "put_on_notice", "moved"),
        ("P2", "restore", "moved"),
    ]
    assert violations() == []
    found = checked()
    assert (found["histories of partners"], found["moved by rule alone"], found["moves of the ladder"]) == (2, 4, 5)


def test_a_replacement_moves_its_partner_by_rule() -> None:
    program = make_replaceable_program()
    pair = make_pair(program)
    lead(open_replacement(program, *pair), *pair, "completed")
    assert violations() == []
    assert checked()["moved by rule alone"] == 1
    let_through()
    run("UPDATE partners_partnertransition SET source_ref = '' WHERE name = 'start_replacement'")
    [fault] = violations()
    assert fault.startswith("partner P1: start_replacement at ")
    assert fault.endswith("belongs to no replacement of it")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE partners_partner SET state = 'active' WHERE id = {pk}",
            "partner P1 is active, and its history says otherwise: active → on_notice",
        ),
        (
            "UPDATE partners_partner SET state = 'on_notice' WHERE external_id = 'P2'",
            "partner P2 is on_notice, and its history says otherwise: active",
        ),
        ("DELETE FROM partners_partnertransition", "partner P1 is on_notice, and its history says otherwise: nothing"),
        ("DELETE FROM partners_partnertransition WHERE name = 'put_on_notice'", f"{OF_P1} (move {{move}}) is in the history"),
        ("DELETE FROM reviews_laddermove", f"partner P1: {STEP} belongs to no move of the ladder"),
        ("UPDATE partners_partnertransition SET actor = 'user:7' WHERE name = 'put_on_notice'", "was made by user:7: only rules"),
        (
            "UPDATE partners_partnertransition SET source_ref = '' WHERE name = 'put_on_notice'",
            f"partner P1: {STEP} belongs to no move of the ladder",
        ),
        (
            "UPDATE partners_partnertransition SET at = '2026-03-06 09:00:00+00' WHERE name = 'put_on_notice'",
            "partner P1: put_on_notice at 2026-03-06 09:00 UTC belongs to no move of the ladder",
        ),
        (
            "UPDATE partners_partnertransition SET from_state = 'prospect', to_state = 'improvement_plan' "
            "WHERE name = 'put_on_notice'",
            "partner P1: put_on_notice from prospect to improvement_plan at 2026-03-05 09:00 UTC is no step of a partner",
        ),
        (
            "UPDATE partners_partnertransition SET to_state = 'on_notice' WHERE name = 'create'",
            "partner P1: create from nothing to on_notice at 2026-",
        ),
        (
            "UPDATE reviews_laddermove SET at = '2026-03-06 09:00:00+00'",
            f"{OF_P1} (move {{move}}) was not made when its review was closed",
        ),
        ("UPDATE reviews_laddermove SET name = 'start_improvement_plan'", "(move {move}) is no step of the ladder"),
        (
            "UPDATE reviews_laddermove SET evidence = '{{\"months\": []}}'",
            f"{OF_P1} (move {{move}}) does not rest on what version 1 of the rule asks for",
        ),
        ("UPDATE reviews_laddermove SET version = 9", f"{OF_P1} (move {{move}}) does not rest on what version 9 of the rule"),
        (
            "UPDATE reviews_laddermove SET outcome = 'held', to_state = from_state",
            f"{OF_P1} (move {{move}}) is in the history of the partner 1 times",
        ),
    ],
)
def test_what_somebody_changed_past_the_triggers_is_named(noticed: Partner, statement: str, said: str) -> None:
    move = LadderMove.objects.get()
    assert violations() == []
    let_through()

    run(statement.format(pk=noticed.pk))

    assert any(said.format(move=move.pk) in text for text in violations()), violations()


def test_a_partner_that_a_superuser_puts_on_notice_with_a_history_to_it_is_named(program: Program, noticed: Partner) -> None:
    """State, history and actor fit each other: nothing but the closing is missing."""
    other = partner(program, "P2")
    run(f"UPDATE partners_partner SET state = 'on_notice' WHERE id = {other.pk}")
    run(
        f"INSERT INTO partners_partnertransition ({HISTORY}) SELECT {other.pk}, name, from_state, to_state, actor, at, comment, "
        "source_ref FROM partners_partnertransition WHERE name = 'put_on_notice'"
    )

    found = violations()

    assert f"partner P2: {STEP} belongs to no move of the ladder, which moves when a review is closed" in found
    assert any(text.startswith(OF_P1) and text.endswith("is in the history of the partner 2 times") for text in found)


def test_a_move_that_a_superuser_makes_up_too_is_named_by_its_evidence(program: Program, noticed: Partner) -> None:
    """A row of the ladder for a review that was closed at another time."""
    other = partner(program, "P2")
    close_month(program, MARCH)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO reviews_laddermove (partner_id, {MOVE}) SELECT {other.pk}, (SELECT MAX(id) FROM reviews_reviewcycle), "
            f"{MOVE.removeprefix('cycle_id, ')} FROM reviews_laddermove"
        )
    made = LadderMove.objects.get(partner=other)
    run(f"UPDATE partners_partner SET state = 'on_notice' WHERE id = {other.pk}")
    run(
        f"INSERT INTO partners_partnertransition ({HISTORY}) SELECT {other.pk}, name, from_state, to_state, actor, at, comment, "
        f"'reviews.LadderMove:{made.pk}' FROM partners_partnertransition WHERE name = 'put_on_notice'"
    )

    assert violations() == [f"partner P2: put_on_notice of 2026-03 (move {made.pk}) was not made when its review was closed"], (
        "but for that, everything was thought of"
    )
