"""Deciding: by whom, about whom, and when it is refused."""

from datetime import timedelta

import pytest

from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import AuditEvent, User
from reviews.choices import CycleState, DecisionKind
from reviews.models import Decision, ReviewCycle, Scorecard
from reviews.selectors import list_open_flags, list_undecided, summarise_progress
from reviews.services import UnableToDecide, decide, decide_by_standing, decide_in_bulk, withdraw_decisions
from tests.factories.reviews import GOOD, IN_JULY, MAY, make_reviewable_program, record_month, reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]


@pytest.fixture
def ada() -> User:
    return User.objects.create(username="ada")


@pytest.fixture
def cycle() -> ReviewCycle:
    """June with two partners that fell, one that is fine, one with little and one with nothing."""
    program = make_reviewable_program("fell", "good", "little", "quiet", "sank")
    bad = {"views": 300, "unlocks": 9}
    record_month(program, "2026-05", {"fell": GOOD, "sank": GOOD})
    record_month(program, "2026-06", {"fell": bad, "sank": bad, "good": GOOD, "little": {"views": 5}})
    return reviewed(program)


def card(cycle: ReviewCycle, partner: str) -> Scorecard:
    return Scorecard.objects.get(cycle=cycle, partner__external_id=partner)


def test_a_decision_is_written_with_its_audit_row(cycle: ReviewCycle, ada: User) -> None:
    decision = decide(scorecard_id=card(cycle, "fell").pk, kind="act", actor=ada, at=IN_JULY, comment="call them")

    assert (decision.kind, decision.is_by_rule, decision.decided_by) == ("act", False, f"user:{ada.pk}")
    entry = AuditEvent.objects.get(action="reviews.decide")
    assert (entry.before, entry.after) == (None, {"kind": "act", "by_rule": False, "comment": "call them"})


def test_a_person_overrules_the_rule(cycle: ReviewCycle, ada: User) -> None:
    decide(scorecard_id=card(cycle, "good").pk, kind="monitor", actor=ada, at=IN_JULY)

    assert Decision.objects.get(scorecard=card(cycle, "good")).kind == DecisionKind.MONITOR
    assert AuditEvent.objects.get(action="reviews.decide").before == {
        "kind": "pass",
        "by_rule": True,
        "comment": "No flag and a passing standing.",
    }


def test_the_same_decision_again_changes_nothing(cycle: ReviewCycle, ada: User) -> None:
    for _ in range(2):
        decide(scorecard_id=card(cycle, "fell").pk, kind="act", actor=ada, at=IN_JULY)

    assert AuditEvent.objects.filter(action="reviews.decide").count() == 1


@pytest.mark.parametrize(("kind", "comment", "code"), [("maybe", "", "unknown_decision"), ("exempt", "  ", "comment_required")])
def test_decisions_that_are_refused(cycle: ReviewCycle, ada: User, kind: str, comment: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        decide(scorecard_id=card(cycle, "fell").pk, kind=kind, actor=ada, at=IN_JULY, comment=comment)

    assert refusal.value.code == code
    assert list_undecided(cycle.pk) == ["fell", "sank"]


def test_nobody_decides_about_an_unknown_scorecard(ada: User) -> None:
    with pytest.raises(NotFound):
        decide(scorecard_id=1, kind="pass", actor=ada, at=IN_JULY)
    with pytest.raises(NotFound):
        decide_by_standing(cycle_id=1, actor=ada, at=IN_JULY)


def test_a_closed_review_takes_no_decision(ada: User) -> None:
    closed = reviewed(make_reviewable_program("P1"), state=CycleState.CLOSED)

    with pytest.raises(UnableToDecide) as refusal:
        decide(scorecard_id=card(closed, "P1").pk, kind="act", actor=ada, at=IN_JULY)

    assert refusal.value.code == "cycle_closed"


def test_bulk_is_all_or_nothing(cycle: ReviewCycle, ada: User) -> None:
    other = reviewed(cycle.program, MAY)
    mine = [card(cycle, name).pk for name in ("fell", "sank")]

    with pytest.raises(NotFound):
        decide_in_bulk(cycle_id=cycle.pk, scorecard_ids=[*mine, card(other, "fell").pk], kind="monitor", actor=ada, at=IN_JULY)
    assert list_undecided(cycle.pk) == ["fell", "sank"]

    decide_in_bulk(cycle_id=cycle.pk, scorecard_ids=mine, kind="monitor", actor=ada, at=IN_JULY)
    assert list_undecided(cycle.pk) == []
    assert AuditEvent.objects.filter(action="reviews.decide").count() == 2


def test_by_standing_decides_about_the_undecided_only(cycle: ReviewCycle, ada: User) -> None:
    decide(scorecard_id=card(cycle, "sank").pk, kind="act", actor=ada, at=IN_JULY)

    decide_by_standing(cycle_id=cycle.pk, actor=ada, at=IN_JULY)

    kinds = dict(Decision.objects.values_list("scorecard__partner__external_id", "kind"))
    assert kinds == {"fell": "pass", "good": "pass", "little": "exempt", "quiet": "exempt", "sank": "act"}
    assert Decision.objects.get(scorecard__partner__external_id="good").is_by_rule
    assert Decision.objects.get(scorecard__partner__external_id="little").is_by_rule
    assert Decision.objects.get(scorecard__partner__external_id="fell").comment == "Decided by standing."


def test_progress_and_open_flags(cycle: ReviewCycle, ada: User) -> None:
    assert str(summarise_progress(cycle.pk)) == "3 decided by rule, 0 by people, 2 need you"
    assert sorted({case.partner.external_id for case in list_open_flags(cycle.program_id)}) == ["fell", "sank"]

    decide(scorecard_id=card(cycle, "fell").pk, kind="act", actor=ada, at=IN_JULY)

    assert str(summarise_progress(cycle.pk)) == "3 decided by rule, 1 by people, 1 need you"
    assert sorted({case.partner.external_id for case in list_open_flags(cycle.program_id)}) == ["fell", "sank"], "not ended"


def test_what_people_decided_is_taken_back_and_the_rule_decides_again(cycle: ReviewCycle, ada: User) -> None:
    fell, good = card(cycle, "fell"), card(cycle, "good")
    for one in (fell, good):
        decide(scorecard_id=one.pk, kind="monitor", actor=ada, at=IN_JULY, comment="hm")
    quiet = Decision.objects.get(scorecard=card(cycle, "quiet"))

    taken = withdraw_decisions(
        cycle_id=cycle.pk, scorecard_ids=[fell.pk, good.pk, quiet.scorecard_id], actor=ada, at=IN_JULY, comment="too soon"
    )

    assert {one.pk for one in taken} == {fell.pk, good.pk}
    assert not Decision.objects.filter(scorecard=fell).exists()
    again = Decision.objects.get(scorecard=good)
    assert (again.kind, again.is_by_rule) == (DecisionKind.PASS, True)
    assert Decision.objects.get(scorecard=quiet.scorecard_id).pk == quiet.pk
    entries = AuditEvent.objects.filter(action="reviews.withdraw_decision")
    assert [(entry.before, entry.comment) for entry in entries] == [
        ({"kind": "monitor", "by_rule": False, "comment": "hm"}, "too soon")
    ] * 2


def test_a_running_month_takes_no_decision(ada: User) -> None:
    program = make_reviewable_program("fell")
    record_month(program, "2026-06", {"fell": {"views": 300, "unlocks": 9}})
    running = reviewed(program, state=CycleState.OPEN)
    during = running.ends_at - timedelta(days=1)

    with pytest.raises(UnableToDecide, match="not over"):
        decide(scorecard_id=card(running, "fell").pk, kind="pass", actor=ada, at=during)
    with pytest.raises(UnableToDecide, match="not over"):
        withdraw_decisions(cycle_id=running.pk, scorecard_ids=[], actor=ada, at=during)
