"""Months before that count towards a standing: frozen with the policy, read from the same prefix, and found again at a replay."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from partners.models import Program
from reviews.choices import CycleState
from reviews.models import ReviewCycle, ReviewPolicy
from reviews.rules import PolicySpec, default_policy
from reviews.selectors.previews import compare_policies
from reviews.services import install_default_rules, replay, save_policy
from tests.factories.ledger import record
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import GOOD, IN_JULY, JUNE, make_reviewable_program, month_of_events, record_month, reviewed
from tests.support.pages import sign_in, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

PARTNERS = [f"P{number}" for number in range(6)]
FELL = {"views": 300, "unlocks": 30, "activations": 10, "redemptions": 5}
MONTHS: dict[str, dict[str, dict[str, int]]] = {"2026-04": {}, "2026-05": {}, "2026-06": {"P0": FELL}}
THREE = replace(default_policy("view_first"), recency_months=3)
LATER = IN_JULY + timedelta(days=2)


def make_quarter(code: str = "acme", policy: PolicySpec = THREE) -> Program:
    program = make_reviewable_program(*PARTNERS, code=code)
    install_default_rules(program_id=program.pk, actor="system", at=IN_JULY)
    save_policy(program_id=program.pk, policy=policy, actor="system", at=IN_JULY)
    return program


@pytest.fixture
def program() -> Program:
    program = make_quarter()
    for month, changes in MONTHS.items():
        record_month(program, month, dict.fromkeys(PARTNERS, GOOD) | changes)
    return program


def score_of(cycle: ReviewCycle, partner: str = "P0") -> float:
    return float(cycle.scorecards.get(partner__external_id=partner).score)


def test_the_policy_that_is_frozen_says_what_counts(program: Program) -> None:
    cycle = reviewed(program, state=CycleState.CLOSED)
    save_policy(program_id=program.pk, policy=replace(THREE, recency_months=0), actor="system", at=LATER)

    assert cycle.config["policy"]["recency_months"] == 3
    shares = cycle.scorecards.get(partner__external_id="P0").evidence["recency"]
    assert [(row["month"], row["share"]) for row in shares] == [
        ("2026-06", 1.0),
        ("2026-05", 0.75),
        ("2026-04", 0.5),
        ("2026-03", 0.25),
    ]
    assert replay(cycle_id=cycle.pk).is_equal


def test_a_fall_of_one_month_costs_less_where_months_before_count(program: Program) -> None:
    with_past = score_of(reviewed(program))
    save_policy(program_id=program.pk, policy=default_policy("view_first"), actor="system", at=LATER)

    alone = reviewed(program)

    assert alone.config["policy"]["recency_months"] == 0
    assert "recency" not in alone.scorecards.get(partner__external_id="P0").evidence
    assert score_of(alone) < with_past
    assert replay(cycle_id=alone.pk).is_equal


def test_what_comes_later_for_a_month_before_is_not_seen(program: Program) -> None:
    cycle = reviewed(program, state=CycleState.CLOSED)
    record_month(program, "2026-05", {"P0": {"views": 200}}, tag="late", at=LATER)
    reviewed(program, JUNE.replace(month=5), at=LATER)  # seals

    assert replay(cycle_id=cycle.pk).is_equal


def test_a_year_is_read_where_a_year_counts(program: Program) -> None:
    save_policy(program_id=program.pk, policy=replace(THREE, recency_months=12), actor="system", at=LATER)

    cycle = reviewed(program)

    assert cycle.config["months"][-1] == "2025-06"
    assert len(cycle.scorecards.get(partner__external_id="P0").evidence["recency"]) == 13
    assert replay(cycle_id=cycle.pk).is_equal


def test_the_order_of_arrival_makes_no_difference(program: Program) -> None:
    other = make_quarter("other")
    events = [
        event
        for month, changes in MONTHS.items()
        for name in PARTNERS
        for event in month_of_events(month, name, changes.get(name, GOOD))
    ]
    Random(5).shuffle(events)
    for start in range(0, len(events), 3000):
        record(other, events[start : start + 3000], at=IN_JULY)
    digests, scores = set(), set()
    for one in (program, other):
        cycle = reviewed(one)
        scores.add(score_of(cycle))
        cycle.config["program"]["code"] = "the same"
        cycle.save(update_fields=["config"])
        digests.add(replay(cycle_id=cycle.pk).recomputed)

    assert (len(digests), len(scores)) == (1, 1)


def test_a_preview_reads_the_months_that_the_new_policy_asks_for(program: Program) -> None:
    save_policy(program_id=program.pk, policy=default_policy("view_first"), actor="system", at=IN_JULY)
    cycle = reviewed(program, state=CycleState.CLOSED)

    shown = compare_policies(program, replace(THREE, recency_months=12))

    assert len(cycle.config["months"]) < 13
    [moved] = shown["changed"]
    assert moved["partner"] == "P0"
    assert moved["score_before"] == score_of(cycle) < moved["score_after"]


def test_the_scorecard_says_what_counts(program: Program) -> None:
    cycle = reviewed(program)
    card = cycle.scorecards.get(partner__external_id="P0")
    client = sign_in(make_member_of_staff(program, "analyst"))

    said = text_of(client.get(reverse("admin:reviews_scorecard_change", args=[card.pk])))

    assert "What counts: the month, and the 3 before it by 75 %, 50 % and 25 %." in said


def test_the_database_holds_no_more_than_a_year(program: Program) -> None:
    row = ReviewPolicy.objects.filter(program=program).values("weights", "bands", "minimum_events", "made_by", "made_at").first()
    assert row is not None

    with pytest.raises(IntegrityError), transaction.atomic():
        ReviewPolicy.objects.create(program=program, number=9, recency_months=13, **row)
