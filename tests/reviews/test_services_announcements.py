"""What reviews announce: a closing once, and flags once each, when they are new and the month is not long over."""

from datetime import UTC, datetime, timedelta

import pytest

from partners.models import Program
from plum_site.lib import announcements
from plum_site.lib.announcements import Announcement
from reviews.choices import CycleState
from reviews.models import Flag
from reviews.services import close_cycle, consolidate_cycle
from tests.factories.reviews import GOOD, IN_JULY, JUNE, make_reviewable_program, record_month, reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

BAD = {"views": 300, "unlocks": 9}
WELL = ("P7", "P8", "P9")
LONG_OVER = datetime(2026, 6, 30, 22, 0, tzinfo=UTC) + timedelta(days=40, seconds=1)  # June ended at midnight in Berlin


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Announcement]:
    """What a listener of its own hears, but for the actions that the playbook proposes."""
    kept: list[Announcement] = []

    def hear(told: Announcement) -> None:
        if not told.type.startswith("action."):
            kept.append(told)

    monkeypatch.setattr(announcements, "LISTENERS", [hear])
    return kept


def falling(*partners: str) -> Program:
    """A program in which these partners were well in May and fell in June; P7 to P9 stayed well, so it is not the market."""
    program = make_reviewable_program(*partners, *WELL)
    record_month(program, "2026-05", dict.fromkeys((*partners, *WELL), GOOD))
    record_month(program, "2026-06", dict.fromkeys(partners, BAD) | dict.fromkeys(WELL, GOOD))
    return program


def consolidate(program: Program, at: datetime = IN_JULY) -> None:
    consolidate_cycle(program_id=program.pk, month_start_date=JUNE, actor="system", at=at, by_hand=True)


def test_a_closed_review_is_announced_once(heard: list[Announcement]) -> None:
    cycle = reviewed(make_reviewable_program(), state=CycleState.CLOSED)
    close_cycle(cycle_id=cycle.pk, actor="system", at=IN_JULY)

    [told] = heard
    assert (told.type, told.program_id, told.key, told.at) == ("review.finalized", cycle.program_id, str(cycle.pk), IN_JULY)
    assert told.data == {
        "id": f"rev_{cycle.pk}",
        "program": "acme",
        "month": "2026-06",
        "revision": 1,
        "url": "http://127.0.0.1:8000/api/v1/reviews/2026-06",
    }


def test_new_flags_are_announced_partner_by_partner(heard: list[Announcement]) -> None:
    consolidate(falling("P1", "P2"))

    assert [(told.type, told.data["partner"]) for told in heard] == [("partner.flagged", "P1"), ("partner.flagged", "P2")]
    data = heard[0].data
    assert data["rules"] == sorted(data["rules"])
    assert data["rules"] != []
    assert (data["program"], data["month"]) == ("acme", "2026-06")
    assert data["severity"] in ("warning", "critical")
    assert data["url"].endswith("/api/v1/reviews/2026-06/scorecards/P1")


def test_flags_that_were_there_before_are_not_announced_again(heard: list[Announcement]) -> None:
    program = falling("P1")
    consolidate(program)
    heard.clear()
    consolidate(program, IN_JULY + timedelta(hours=1))
    assert heard == []

    record_month(program, "2026-06", {"P9": {"reversals": 39, "failures": 200}}, tag="late")
    consolidate(program, IN_JULY + timedelta(hours=2))

    assert {told.data["partner"] for told in heard} == {"P9"}


def test_a_flag_that_goes_and_comes_back_in_the_same_month_is_told_once(heard: list[Announcement]) -> None:
    program = falling("P1")
    consolidate(program)
    record_month(program, "2026-06", {"P1": GOOD | {"unlocks": 200, "activations": 140, "redemptions": 100}}, tag="late")
    consolidate(program, IN_JULY + timedelta(hours=1))
    assert not Flag.objects.filter(scorecard__cycle__month_start_date=JUNE, scorecard__partner__external_id="P1").exists()
    record_month(program, "2026-06", {"P1": {"views": 3000}}, tag="later")
    consolidate(program, IN_JULY + timedelta(hours=2))

    assert Flag.objects.filter(scorecard__cycle__month_start_date=JUNE, scorecard__partner__external_id="P1").exists()
    assert len(heard) == 1


@pytest.mark.parametrize(("at", "is_told"), [(LONG_OVER - timedelta(seconds=1), True), (LONG_OVER, False)])
def test_a_month_that_is_long_over_alarms_nobody(at: datetime, is_told: bool, heard: list[Announcement]) -> None:
    consolidate(falling("P1"), at)

    assert bool(heard) is is_told
