"""A month from opening to closing: who gets a card, when it freezes, what stays, and that closed stays closed."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from offers.services import change_offer_state
from partners.rules import SeasonalRow
from partners.services import save_partner, save_seasonal_index, update_program
from plum_site.lib.errors import DomainError
from plum_site.lib.models import AuditEvent, User
from reviews.choices import CycleState, DecisionKind, Standing
from reviews.models import CycleTransition, Decision, Flag, ReviewCycle, ReviewPolicy, Rule, Scorecard
from reviews.rules import default_rules
from reviews.services import (
    UnableToFreezeCycle,
    UnableToOpenCycle,
    consolidate_cycle,
    cycles,
    decide,
    freeze,
    open_cycle,
)
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.reviews import GOOD, IN_JULY, JULY, JUNE, MAY, make_reviewable_program, record_month, reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

EARLY_JULY = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
READY_DAY = datetime(2026, 7, 2, 22, 0, tzinfo=UTC)  # 3 July, 0:00 in Berlin
IN_JUNE = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)
BAD = {"views": 300, "unlocks": 9}


def cards_of(cycle: ReviewCycle) -> dict[str, Scorecard]:
    return {card.partner.external_id: card for card in Scorecard.objects.filter(cycle=cycle).select_related("partner")}


def consolidate(program: Any, at: datetime = IN_JULY, **options: Any) -> ReviewCycle:
    month = options.pop("month", JUNE)
    return consolidate_cycle(program_id=program.pk, month_start_date=month, actor="system", at=at, **options)


def test_the_first_cycle_brings_the_default_rules_once() -> None:
    program = make_reviewable_program()

    cycle = open_cycle(program_id=program.pk, month_start_date=JUNE, actor="system", at=IN_JULY)
    assert open_cycle(program_id=program.pk, month_start_date=JUNE, actor="system", at=IN_JULY) == cycle
    open_cycle(program_id=program.pk, month_start_date=MAY, actor="system", at=IN_JULY)

    assert (cycle.state, cycle.starts_at) == (CycleState.OPEN, datetime(2026, 5, 31, 22, 0, tzinfo=UTC))
    assert ReviewPolicy.objects.filter(program=program).count() == 1
    assert Rule.objects.filter(program=program).count() == len(default_rules("view_first"))
    assert [row.name for row in CycleTransition.objects.filter(cycle=cycle)] == ["open"]
    assert AuditEvent.objects.filter(action="reviews.open_cycle").count() == 2


@pytest.mark.parametrize(("month", "code"), [(date(2026, 8, 1), "month_not_begun"), (date(2025, 12, 1), "before_the_program")])
def test_months_that_cannot_be_reviewed(month: date, code: str) -> None:
    program = make_reviewable_program()

    with pytest.raises(UnableToOpenCycle) as refusal:
        open_cycle(program_id=program.pk, month_start_date=month, actor="system", at=IN_JULY)

    assert refusal.value.code == code
    assert not ReviewCycle.objects.exists()


def test_a_card_for_everybody_live_or_with_events_and_for_no_other() -> None:
    program = make_reviewable_program("active", "quiet")
    for name, dates in (
        ("over", {"ends_date": date(2026, 5, 31)}),
        ("to come", {"starts_date": date(2026, 7, 1)}),
        ("last day", {"starts_date": date(2026, 6, 30)}),
        ("first day", {"ends_date": date(2026, 6, 1)}),
        ("late redemptions", {"ends_date": date(2026, 5, 31)}),
    ):
        make_partner(program, name)
        make_offer(program, f"O-{name}", partner_external_id=name, **dates)
    make_partner(program, "without offers")
    record_month(program, "2026-06", {"active": GOOD, "late redemptions": {"redemptions": 1}})

    cards = cards_of(reviewed(program))

    assert sorted(cards) == ["active", "first day", "last day", "late redemptions", "quiet"]
    assert cards["quiet"].standing == Standing.NO_ACTIVITY
    assert (cards["quiet"].metrics["views"], cards["quiet"].metrics["unlock_rate"]) == (0, None)
    assert (cards["quiet"].metrics["spend"], cards["quiet"].rank, cards["quiet"].score) == ({}, None, None)
    assert cards["active"].metrics["unlocks"] == 90
    assert cards["active"].rank == 1


def test_an_offer_that_was_paused_all_month_is_not_live() -> None:
    program = make_reviewable_program("P1", "P2")
    offer = program.offers.get(external_id="O-P2")
    pause = {"offer_id": offer.pk, "actor": "system", "comment": "as a test asks"}
    change_offer_state(name="pause", at=datetime(2026, 5, 20, tzinfo=UTC), **pause)
    change_offer_state(name="resume", at=datetime(2026, 7, 2, tzinfo=UTC), **pause)

    assert sorted(cards_of(reviewed(program))) == ["P1"]
    assert sorted(cards_of(reviewed(program, MAY))) == ["P1", "P2"]


def test_a_failed_or_reversed_event_alone_makes_a_card() -> None:
    program = make_reviewable_program("P1")
    for partner in ("failed", "reversed"):
        make_partner(program, partner)
        make_offer(program, f"O-{partner}", partner_external_id=partner, ends_date=date(2026, 1, 31))
    record_month(program, "2026-06", {"failed": {"failures": 1}, "reversed": {"reversals": 1}})

    cards = cards_of(reviewed(program))

    assert {name: str(card.standing) for name, card in cards.items()} == {
        "P1": "no_activity", "failed": "insufficient_data", "reversed": "insufficient_data",
    }  # fmt: skip


def test_partners_without_flags_that_are_fine_or_cannot_be_judged_are_decided_by_rule() -> None:
    program = make_reviewable_program("fell", "good", "quiet")
    record_month(program, "2026-05", {"fell": GOOD, "good": GOOD})
    record_month(program, "2026-06", {"fell": BAD, "good": GOOD})

    cards = cards_of(reviewed(program))

    decisions = {decision.scorecard: decision for decision in Decision.objects.all()}
    assert {card: decision.kind for card, decision in decisions.items()} == {
        cards["good"]: DecisionKind.PASS,
        cards["quiet"]: DecisionKind.EXEMPT,
    }
    assert {(decision.is_by_rule, decision.decided_by) for decision in decisions.values()} == {(True, "policy:1")}
    [flag] = Flag.objects.all()
    assert (flag.scorecard, flag.rule_version.rule.code) == (cards["fell"], "unlock_rate_fall")
    assert (float(flag.observed), float(flag.threshold)) == (0.03, 0.24)
    assert (flag.evidence["numerator"], flag.evidence["denominator"]) == (9, 300)
    assert flag.evidence["reference"] == {"value": 0.3, "months": 1, "movement": 1.0}


@pytest.mark.parametrize(
    ("at", "by_hand", "state"),
    [
        (IN_JUNE, True, CycleState.OPEN),
        (EARLY_JULY, False, CycleState.OPEN),
        (READY_DAY - timedelta(seconds=1), False, CycleState.OPEN),
        (READY_DAY, False, CycleState.READY),
        (EARLY_JULY, True, CycleState.READY),
    ],
)
def test_a_month_freezes_on_the_ready_day_or_by_hand(at: datetime, by_hand: bool, state: str) -> None:
    program = make_reviewable_program()

    assert consolidate(program, at, by_hand=by_hand).state == state


def test_a_person_freezes_by_asking() -> None:
    ada = User.objects.create(username="ada")
    program = make_reviewable_program()

    cycle = consolidate_cycle(program_id=program.pk, month_start_date=JUNE, actor=ada, at=EARLY_JULY)

    assert cycle.state == CycleState.READY
    assert CycleTransition.objects.get(cycle=cycle, name="freeze").actor == f"user:{ada.pk}"


def test_the_schedule_leaves_a_frozen_month_alone_and_a_person_consolidates_it_anew() -> None:
    program = make_reviewable_program()
    record_month(program, "2026-06", {"P1": GOOD})
    frozen = reviewed(program)
    record_month(program, "2026-06", {"P1": {"views": 1}}, tag="more")

    assert consolidate(program, IN_JULY + timedelta(days=1)).cutoff == frozen.cutoff
    anew = consolidate(program, IN_JULY + timedelta(days=1), by_hand=True)

    assert anew.cutoff == frozen.cutoff + 1
    assert anew.digest != frozen.digest
    assert cards_of(anew)["P1"].metrics["views"] == 301
    names = CycleTransition.objects.filter(cycle=anew).values_list("name", flat=True)
    assert list(names) == ["open", "freeze", "freeze_again"]


def test_consolidating_an_open_month_again_works_anew() -> None:
    program = make_reviewable_program("P1", "P2", "gone")
    record_month(program, "2026-06", {"P1": GOOD}, at=IN_JUNE)
    first = reviewed(program, state=CycleState.OPEN, at=IN_JUNE)
    ids = {name: card.pk for name, card in cards_of(first).items()}
    gone = program.offers.get(external_id="O-gone")
    change_offer_state(offer_id=gone.pk, name="retire", actor="system", at=datetime(2026, 5, 1, tzinfo=UTC), comment="never was")
    record_month(program, "2026-06", {"P2": GOOD}, at=IN_JUNE)

    again = reviewed(program, state=CycleState.OPEN, at=IN_JUNE + timedelta(days=1))

    assert again.pk == first.pk
    cards = cards_of(again)
    assert {name: card.pk for name, card in cards.items()} == {name: ids[name] for name in ("P1", "P2")}
    assert cards["P2"].standing == Standing.ON_TRACK


def test_people_keep_their_decisions_where_nothing_changed() -> None:
    ada = User.objects.create(username="ada")
    program = make_reviewable_program("fell", "quiet")
    record_month(program, "2026-05", {"fell": GOOD})
    record_month(program, "2026-06", {"fell": BAD})
    cards = cards_of(reviewed(program))
    flag = Flag.objects.get()
    for name, kind in (("fell", DecisionKind.ACT), ("quiet", DecisionKind.EXEMPT)):
        decide(scorecard_id=cards[name].pk, kind=kind, actor=ada, at=IN_JULY, comment="seen")
    record_month(program, "2026-06", {"fell": {"views": 1}, "quiet": {"views": 1}}, tag="more")

    reviewed(program, at=IN_JULY + timedelta(days=1))

    withdrawn = AuditEvent.objects.get(action="reviews.withdraw_decision")
    assert withdrawn.before == {"scorecard": cards["quiet"].pk, "kind": DecisionKind.EXEMPT, "comment": "seen"}
    kept = Decision.objects.get(is_by_rule=False)
    assert (kept.scorecard, kept.kind, kept.decided_at) == (cards["fell"], DecisionKind.ACT, IN_JULY)
    flag.refresh_from_db()
    assert (flag.opened_at, flag.evidence["denominator"]) == (IN_JULY, 301)


def test_a_flag_that_is_no_longer_one_goes() -> None:
    program = make_reviewable_program("fell")
    record_month(program, "2026-05", {"fell": GOOD})
    record_month(program, "2026-06", {"fell": BAD})
    reviewed(program)
    record_month(program, "2026-06", {"fell": {"unlocks": 81, "activations": 60, "redemptions": 40}}, tag="late")

    reviewed(program)

    assert not Flag.objects.exists()
    assert Decision.objects.get().is_by_rule


def test_everything_is_frozen_by_value() -> None:
    program = make_reviewable_program("P1")
    save_seasonal_index(
        program_id=program.pk,
        rows=[SeasonalRow("food", JUNE, Decimal("0.5")), SeasonalRow("food", MAY, Decimal("1.25"))],
        actor="system",
        at=IN_JULY,
    )
    record_month(program, "2026-05", {"P1": {"views": 100}})
    record_month(program, "2026-06", {"P1": {"views": 40}})

    config = reviewed(program).config

    assert config["program"] == {
        "code": "acme", "time_zone": "Europe/Berlin", "currency": "EUR", "stage_order": "view_first",
        "recorded_stages": ["activated", "redeemed", "unlocked", "viewed"], "settlement_days": 30,
    }  # fmt: skip
    assert config["partners"] == {"P1": {"name": "Partner P1", "category": "food", "country": "DE"}}
    assert config["live"] == ["P1"]
    assert config["months"][:2] == ["2026-06", "2026-05"]
    assert config["seasons"] == {"food": {"2026-05": "1.250000000", "2026-06": "0.500000000"}}
    assert config["policy"]["number"] == 1
    assert {rule["code"] for rule in config["rules"]} >= {"views_fall", "reversal_rate_high"}
    assert all(len(rule["digest"]) == 64 for rule in config["rules"])
    assert (config["metric_version"], config["segments"], config["late"]) == ("1", [], {})
    assert config["code_version"].startswith("0.1.0+")
    assert config["time_zone_data"]
    assert Scorecard.objects.get().expected["views"] == 40.0


def test_names_and_settings_that_change_later_change_nothing() -> None:
    program = make_reviewable_program("P1")
    record_month(program, "2026-06", {"P1": GOOD})
    before = reviewed(program)
    save_partner(program_id=program.pk, external_id="P1", name="New", category="travel", country="FR", actor="system", at=IN_JULY)
    update_program(program_id=program.pk, changes={"settlement_days": 60}, actor="system", at=IN_JULY)

    cycle = ReviewCycle.objects.get(pk=before.pk)

    assert cycle.config["partners"]["P1"]["category"] == "food"
    assert cycle.config["program"]["settlement_days"] == 30


def test_a_consolidation_that_fails_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    program = make_reviewable_program()
    record_month(program, "2026-06", {"P1": GOOD})
    before = reviewed(program, state=CycleState.OPEN, at=IN_JUNE)
    cards = {name: card.metrics for name, card in cards_of(before).items()}
    record_month(program, "2026-06", {"P1": {"views": 9}}, tag="more")

    def fail(**_: Any) -> int:
        raise RuntimeError("power cut")

    monkeypatch.setattr(cycles, "decide_by_rule", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        consolidate(program, by_hand=True)

    after = ReviewCycle.objects.get(pk=before.pk)
    assert (after.cutoff, after.digest, after.state) == (before.cutoff, before.digest, CycleState.OPEN)
    assert {name: card.metrics for name, card in cards_of(after).items()} == cards


def test_a_slower_consolidation_does_not_overwrite_a_newer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    program = make_reviewable_program()
    record_month(program, "2026-06", {"P1": GOOD})
    newer: list[ReviewCycle] = []
    make_cards = cycles.make_cards

    def overtake(given: Any) -> Any:
        if not newer:
            newer.append(ReviewCycle())
            record_month(program, "2026-06", {"P1": {"views": 5}}, tag="more")
            newer[0] = consolidate(program, by_hand=True)
        return make_cards(given)

    monkeypatch.setattr(cycles, "make_cards", overtake)
    cycle = consolidate(program, by_hand=True)

    assert (cycle.cutoff, cycle.digest) == (newer[0].cutoff, newer[0].digest)
    assert cards_of(cycle)["P1"].metrics["views"] == 305


def test_progress_is_told() -> None:
    told: list[tuple[int, int, str]] = []

    consolidate(make_reviewable_program(), progress=lambda *step: told.append(step))

    assert [done for done, _, _ in told] == [0, 1, 2, 3, 4, 5]
    assert {total for _, total, _ in told} == {5}


def test_freezing_by_hand_needs_a_consolidation_after_the_month() -> None:
    program = make_reviewable_program()
    opened = open_cycle(program_id=program.pk, month_start_date=JUNE, actor="system", at=IN_JUNE)
    with pytest.raises(UnableToFreezeCycle, match="not consolidated"):
        freeze(cycle_id=opened.pk, actor="system", at=EARLY_JULY)
    consolidate(program, IN_JUNE)
    with pytest.raises(UnableToFreezeCycle) as refusal:
        freeze(cycle_id=opened.pk, actor="system", at=EARLY_JULY)
    assert refusal.value.code == "month_not_over"

    consolidate(program, EARLY_JULY)
    assert freeze(cycle_id=opened.pk, actor="system", at=EARLY_JULY).state == CycleState.READY
    with pytest.raises(DomainError) as refused:
        freeze(cycle_id=opened.pk, actor="system", at=EARLY_JULY)
    assert refused.value.code == "transition_refused"


def test_the_review_of_a_running_month_stays_open() -> None:
    program = make_reviewable_program()

    assert consolidate(program, month=JULY, by_hand=True).state == CycleState.OPEN


@pytest.mark.slow
def test_a_month_takes_as_many_statements_for_thirty_partners_as_for_three() -> None:
    counts = {}
    for size in (3, 30):
        program = make_reviewable_program(*(f"P{number}" for number in range(size)), code=f"of-{size}")
        for month in ("2026-05", "2026-06"):
            record_month(program, month, {f"P{number}": {"views": 2} for number in range(size)})
        reviewed(program)
        with CaptureQueriesContext(connection) as captured:
            consolidate(program, by_hand=True)
        counts[size] = len(captured)

    assert counts[30] == counts[3] < 130  # PostgreSQL is told around each that it reads whole months
