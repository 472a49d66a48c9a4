"""The commands of the review: what they print, and their exit status."""

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from partners.models import Program
from plum_site.lib import verify
from plum_site.lib.choices import Role
from plum_site.lib.models import RoleGrant, User
from reviews.models import Decision, ReviewCycle, Scorecard
from tests.factories.reviews import GOOD, IN_JULY, make_reviewable_program, record_month, reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

KEYS = {"program", "month", "revision", "cutoff", "digest", "recorded_stages", "partners"}


@pytest.fixture(autouse=True)
def in_july() -> Iterator[None]:
    with time_machine.travel(IN_JULY, tick=False):
        yield


@pytest.fixture
def program() -> Program:
    program = make_reviewable_program("fell", "good", "quiet")
    record_month(program, "2026-05", {"fell": GOOD, "good": GOOD})
    record_month(program, "2026-06", {"fell": {"views": 300, "unlocks": 9}, "good": GOOD})
    return program


@pytest.fixture
def ada(program: Program) -> User:
    user = User.objects.create(username="ada")
    RoleGrant.objects.create(user=user, program_id=program.pk, role=Role.PROGRAM_ADMIN, granted_at=IN_JULY)
    return user


def run(name: str, *words: str) -> str:
    out = StringIO()
    call_command(name, "--program", "acme", *words, stdout=out, stderr=StringIO())
    return out.getvalue()


def run_json(name: str, *words: str) -> Any:
    return json.loads(run(name, *words, "--format", "json"))


def refused(name: str, *words: str) -> CommandError:
    with pytest.raises(CommandError) as refusal:
        run(name, *words)
    return refusal.value


def test_run_review_prints_the_contract(program: Program) -> None:
    review = run_json("run_review", "--month", "2026-06")

    assert set(review) >= KEYS
    rows = {row["partner"]: row for row in review["partners"]}
    assert {"partner", "standing", "metrics", "flags", "diagnosis", "actions"} <= set(rows["fell"])
    assert rows["fell"]["metrics"]["unlock_rate"] == 0.03
    assert [flag["rule"] for flag in rows["fell"]["flags"]] == ["unlock_rate_fall"]
    assert rows["quiet"]["metrics"]["spend"] == {}
    assert run_json("show_review") == review == run_json("show_review", "--month", "2026-06")


def test_run_review_prints_a_ranked_table(program: Program) -> None:
    text = run("run_review", "--month", "2026-06")

    lines = text.splitlines()
    assert lines[0].startswith("acme 2026-06, revision 1 (ready)")
    assert [line.split()[:2] for line in lines if line.strip()[:1] in {"1", "2", "–"}] == [
        ["1", "good"],
        ["2", "fell"],
        ["–", "quiet"],
    ]
    assert (
        "3 partners: 1 excellent, 1 underperforming, 1 no activity. 1 flag. 2 decided by rule, 0 by people, 1 need you." in text
    )


def test_a_shortened_table_keeps_the_flagged_and_the_top_in_their_order(program: Program) -> None:
    run("run_review", "--month", "2026-06")

    def partners(text: str) -> list[str]:
        return [line.split()[1] for line in text.splitlines() if line.strip()[:1] in {"1", "2", "–"}]

    assert partners(run("show_review", "--most", "1")) == ["fell"]
    text = run("show_review", "--most", "2")
    assert partners(text) == ["good", "fell"]
    assert "… and 1 more: ./plum manage show_review --program acme --month 2026-06\n" in text
    assert "3 partners:" in text
    assert run("show_review", "--most", "3") == run("show_review")


def test_close_refuses_and_lists_the_undecided(program: Program, ada: User) -> None:
    error = refused("run_review", "--month", "2026-06", "--close", "--as", "ada")

    assert error.returncode == 1
    assert "waits for a decision: fell." in str(error)
    assert ReviewCycle.objects.get().state == "ready"


def test_close_after_deciding_by_standing(program: Program, ada: User) -> None:
    review = run_json("run_review", "--month", "2026-06", "--close", "--decide-by-standing", "--as", "ada")

    assert review["state"] == "closed"
    assert {row["partner"]: row["decision"]["kind"] for row in review["partners"]} == {
        "good": "pass", "fell": "monitor", "quiet": "exempt",
    }  # fmt: skip
    assert ReviewCycle.objects.get().closed_by == f"user:{ada.pk}"
    record_month(program, "2026-06", {"good": {"views": 9}}, tag="late")
    assert run_json("run_review", "--month", "2026-06") == review
    assert run_json("run_review", "--month", "2026-06", "--close", "--decide-by-standing", "--as", "ada") == review


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--close",), "--as USER"),
        (("--decide-by-standing",), "--close"),
        (("--close", "--as", "nobody"), "no active user"),
        (("--close", "--as", "guest"), "guest"),
    ],
)
def test_what_run_review_refuses_before_it_begins(program: Program, words: tuple[str, ...], says: str) -> None:
    User.objects.create(username="guest")

    error = refused("run_review", "--month", "2026-06", *words)

    assert error.returncode == 2
    assert says in str(error) or "guest" in says
    assert not ReviewCycle.objects.exists()


def test_an_analyst_may_not_run_a_review(program: Program) -> None:
    user = User.objects.create(username="ann")
    RoleGrant.objects.create(user=user, program_id=program.pk, role=Role.ANALYST, granted_at=IN_JULY)

    assert refused("run_review", "--month", "2026-06", "--as", "ann").returncode == 2
    assert not ReviewCycle.objects.exists()


@pytest.mark.parametrize("name", ["run_review", "replay_review", "diff_review", "check_coverage", "show_review"])
def test_an_unknown_program_is_said_so(name: str) -> None:
    words = [] if name in {"check_coverage", "show_review"} else ["--month", "2026-06"]
    error = refused(name, *words)

    assert error.returncode == 2
    assert "There is no program 'acme'" in str(error)


@pytest.mark.parametrize("name", ["replay_review", "diff_review", "show_review"])
def test_an_unknown_review_is_said_so(name: str, program: Program) -> None:
    assert refused(name, "--month", "2026-06").returncode == 2


def test_replay_is_equal_or_exits_with_1(program: Program) -> None:
    cycle = reviewed(program)
    assert run_json("replay_review", "--month", "2026-06")["equal"] is True
    assert "2026-06 of acme: the same." in run("replay_review", "--month", "2026-06")
    Scorecard.objects.filter(cycle=cycle, partner__external_id="fell").update(standing="excellent")

    out = StringIO()
    with pytest.raises(CommandError) as refusal:
        call_command("replay_review", "--program", "acme", "--month", "2026-06", "--format", "json", stdout=out)

    assert refusal.value.returncode == 1
    found = json.loads(out.getvalue())
    assert (found["equal"], found["digest"] == found["recomputed"], found["stored"] == found["digest"]) == (False, True, False)
    assert found["differences"] == [
        {"partner": "fell", "field": "standing", "stored": "excellent", "recomputed": "underperforming"}
    ]


def test_diff_review(program: Program) -> None:
    reviewed(program)
    record_month(program, "2026-06", {"quiet": {"views": 1}}, tag="late")
    reviewed(program, program.cycles.get().month_start_date.replace(month=7), state="open")

    found = run_json("diff_review", "--month", "2026-06")

    assert (found["late_count"], found["late_events"][0]["partner"]) == (1, "quiet")
    assert {"partner": "quiet", "figure": "views", "then": 0, "now": 1} in found["moved"]
    assert "1 late events" in run("diff_review", "--month", "2026-06")


def test_coverage_of_one_month_and_of_all(program: Program) -> None:
    cycle = reviewed(program)
    assert run_json("check_coverage", "--month", "2026-06") == {
        "program": "acme", "months": 1, "partners": 3, "complete": True, "gaps": [],
    }  # fmt: skip
    error = refused("check_coverage")
    assert (error.returncode, "5 gaps" in str(error)) == (1, True)
    Decision.objects.filter(scorecard__cycle=cycle, scorecard__partner__external_id="quiet").delete()
    Scorecard.objects.filter(cycle=cycle, partner__external_id="quiet").delete()

    out = StringIO()
    with pytest.raises(CommandError):
        call_command("check_coverage", "--program", "acme", "--month", "2026-06", "--format", "json", stdout=out)

    assert json.loads(out.getvalue())["gaps"] == [
        {"month": "2026-06", "partner": "quiet", "problem": "had a live offer, and has no scorecard"}
    ]


def violations() -> list[str]:
    return [text for finding in verify.run("cycles") for text in finding.violations]


def test_verify_gives_a_program_a_day_from_its_first_review_on(program: Program) -> None:
    reviewed(program)
    missing = [f"2026-{number:02d} has no consolidated review" for number in range(1, 6)]

    with time_machine.travel(IN_JULY + timedelta(hours=23), tick=False):
        assert violations() == []
    with time_machine.travel(IN_JULY + timedelta(hours=25), tick=False):
        assert violations() == missing


def test_verify_names_a_program_that_is_never_reviewed_but_waits_for_a_demo(program: Program) -> None:
    assert len(violations()) == 6
    program.is_demo = True
    program.save(update_fields=["is_demo"])

    assert violations() == []


@pytest.fixture
def whole(program: Program) -> ReviewCycle:
    """June closed, and every month before it reviewed."""
    june = reviewed(program, state="closed")
    for number in range(1, 6):
        reviewed(program, june.month_start_date.replace(month=number))
    assert violations() == []
    return june


def test_verify_finds_what_is_missing_or_altered(program: Program, whole: ReviewCycle) -> None:
    may = program.cycles.get(month_start_date__month=5)
    Decision.objects.filter(scorecard__cycle=may, scorecard__partner__external_id="quiet").delete()
    Scorecard.objects.filter(cycle=may, partner__external_id="quiet").delete()
    april = program.cycles.get(month_start_date__month=4)
    Scorecard.objects.filter(cycle=april, partner__external_id="quiet").update(standing="watch")

    found = violations()

    assert found[0] == "2026-05: partner quiet had a live offer, and has no scorecard"
    assert [text[:7] for text in found[1:]] == ["2026-04", "2026-05"]
    assert all("replay_review" in text for text in found[1:])
