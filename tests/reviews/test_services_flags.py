"""What becomes of flags: opened and told once, ended by a month that is over, changed by people with a reason."""

from datetime import UTC, date, datetime, timedelta

import pytest

from partners.models import Program
from plum_site.lib.choices import Role
from plum_site.lib.errors import DomainError, InvalidInput, NotFound
from plum_site.lib.models import AuditEvent, Outbox, User
from plum_site.lib.verify import run
from reviews.choices import FlagState, Resolution
from reviews.models import Flag, FlagCase, FlagTransition
from reviews.services import assign_flag, change_flag_state, change_flags_in_bulk, deactivate_rule
from tests.factories.flags import FELL, RULE, WORSE, consolidate, consolidate_uncertain, make_watched_program, the_case
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import GOOD, IN_JULY, JULY, JUNE, MAY, record_month, reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
AUGUST = date(2026, 8, 1)
IN_AUGUST, IN_SEPTEMBER = datetime(2026, 8, 15, 9, 30, tzinfo=UTC), datetime(2026, 9, 15, 9, 30, tzinfo=UTC)


@pytest.fixture
def program() -> Program:
    """P1 falls in June, and P2 does not; Otis owns both."""
    made = make_watched_program("P1", "P2")
    record_month(made, "2026-05", {"P1": GOOD, "P2": GOOD}, tag="a")
    record_month(made, "2026-06", {"P1": FELL, "P2": GOOD})
    return made


def steps(case: FlagCase) -> list[tuple[str, str, str]]:
    return [(one.name, one.from_state, one.to_state) for one in case.transitions.order_by("id")]


def mails() -> list[Outbox]:
    return list(Outbox.objects.filter(dedup_key__startswith="flags:").order_by("pk"))


def test_a_new_flag_opens_a_case_that_says_what_was_seen(program: Program) -> None:
    reviewed(program)

    case = the_case(program)
    flag = Flag.objects.get()
    assert (case.state, case.partner.external_id, case.newest_flag, case.owner.username) == ("open", "P1", flag, "otis")
    assert (case.first_month_date, case.newest_month_date, case.opened_at) == (JUNE, JUNE, IN_JULY)
    assert case.seen["observed"] == float(flag.observed)
    assert case.seen["month"] == "2026-06"
    assert case.seen["evidence"]["numerator"] == 8
    assert steps(case) == [("open", "", "open")]
    [entry] = AuditEvent.objects.filter(action="reviews.open_flag", after__rule=RULE)
    assert (entry.after["partner"], entry.after["month"]) == ("P1", "2026-06")


def test_the_same_consolidation_again_changes_and_tells_nothing(program: Program) -> None:
    reviewed(program)
    before = list(FlagCase.objects.values())

    consolidate(program, JUNE, IN_JULY + timedelta(hours=1))

    assert list(FlagCase.objects.values()) == before
    assert len(mails()) == 1
    assert FlagTransition.objects.count() == len(before)


def test_it_goes_on_in_the_next_month_and_is_not_told_again(program: Program) -> None:
    reviewed(program)
    record_month(program, "2026-07", {"P1": WORSE, "P2": GOOD}, tag="c", at=IN_AUGUST)

    reviewed(program, JULY, at=IN_AUGUST)

    case = the_case(program)
    assert (case.state, case.first_month_date, case.newest_month_date) == ("open", JUNE, JULY)
    assert case.newest_flag.scorecard.cycle.month_start_date == JULY
    assert len(mails()) == 1


def test_a_month_that_is_over_and_shows_nothing_ends_it(program: Program) -> None:
    reviewed(program)
    record_month(program, "2026-07", {"P1": GOOD, "P2": GOOD}, tag="c", at=IN_AUGUST)

    reviewed(program, JULY, at=IN_AUGUST)

    case = the_case(program)
    assert (case.state, case.resolution, case.ended_month_date) == ("resolved", Resolution.DATA, JULY)
    assert case.reason == "Not crossed any more in 2026-07."
    assert steps(case)[-1] == ("resolve_by_data", "open", "resolved")


def test_it_stays_open_while_the_crossing_stands_though_not_for_certain(program: Program) -> None:
    reviewed(program)
    record_month(program, "2026-07", {"P1": FELL, "P2": GOOD}, tag="c", at=IN_AUGUST)
    consolidate_uncertain(program, JULY, IN_AUGUST, crossed_by="P1")

    case = the_case(program)
    assert (case.state, case.newest_month_date) == ("open", JULY)
    assert case.seen["month"] == "2026-06", "what was seen for certain"


def test_a_running_month_ends_nothing(program: Program) -> None:
    reviewed(program)
    record_month(program, "2026-07", {"P1": GOOD, "P2": GOOD}, tag="c", at=IN_JULY + timedelta(days=7))

    consolidate(program, JULY, IN_JULY + timedelta(days=7))

    assert the_case(program).state == "open"


def test_a_flag_of_the_running_month_stays_though_the_figures_recover_until_the_month_is_over(program: Program) -> None:
    running = IN_JULY + timedelta(days=7)
    record_month(program, "2026-07", {"P2": {"views": 300, "unlocks": 90, "activations": 5}}, tag="c", at=running)
    consolidate(program, JULY, running)
    case = the_case(program, "P2")
    record_month(program, "2026-07", {"P2": {"unlocks": 300, "activations": 290}}, tag="d", at=running)

    consolidate(program, JULY, running + timedelta(hours=1))

    case.refresh_from_db()
    assert (case.state, case.newest_flag, case.seen["month"]) == ("open", None, "2026-07")
    assert len(mails()) == 1

    consolidate(program, JULY, IN_AUGUST)
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("resolved", "data")


def test_it_goes_and_comes_back_in_one_month_as_the_same_flag_told_once(program: Program) -> None:
    reviewed(program)
    case = the_case(program)
    record_month(program, "2026-06", {"P1": {"unlocks": 200, "activations": 220}}, tag="late")
    consolidate(program, JUNE, IN_JULY + timedelta(hours=1))
    case.refresh_from_db()
    assert case.state == "resolved"
    record_month(program, "2026-06", {"P1": {"unlocks": 2000}}, tag="later")

    consolidate(program, JUNE, IN_JULY + timedelta(hours=2))

    case = the_case(program)
    assert case.state == "open"
    assert [name for name, *_ in steps(case)] == ["open", "resolve_by_data", "reopen_by_data"]
    assert len(mails()) == 1


def test_an_older_month_that_is_made_up_for_leaves_no_stale_flag(program: Program) -> None:
    record_month(program, "2026-07", {"P1": GOOD, "P2": GOOD}, tag="c", at=IN_AUGUST)
    reviewed(program, JULY, at=IN_AUGUST)
    assert not FlagCase.objects.exists()

    reviewed(program, JUNE, at=IN_AUGUST)

    case = the_case(program)
    assert (case.state, case.resolution, case.first_month_date, case.ended_month_date) == ("resolved", "data", JUNE, JULY)
    assert [name for name, *_ in steps(case)] == ["open", "resolve_by_data"]
    assert mails() == []


def test_in_any_order_the_months_say_the_same(program: Program) -> None:
    record_month(program, "2026-07", {"P1": WORSE, "P2": GOOD}, tag="c", at=IN_AUGUST)
    reviewed(program, JULY, at=IN_AUGUST)
    case = the_case(program)
    assert case.first_month_date == JULY

    reviewed(program, JUNE, at=IN_AUGUST)
    reviewed(program, MAY, at=IN_AUGUST)

    case.refresh_from_db()
    assert FlagCase.objects.count() == 1
    assert (case.state, case.first_month_date, case.newest_month_date) == ("open", JUNE, JULY)


def test_what_is_dismissed_stays_so_while_it_goes_on_and_opens_anew_after_a_month_without(program: Program) -> None:
    reviewed(program)
    otis = User.objects.get(username="otis")
    change_flag_state(case_id=the_case(program).pk, name="dismiss", actor=otis, at=IN_JULY, comment="Closed for the season.")
    for hours in (1, 2):
        consolidate(program, JUNE, IN_JULY + timedelta(hours=hours))
    case = the_case(program)
    assert (case.state, case.reason) == ("dismissed", "Closed for the season.")

    record_month(program, "2026-07", {"P1": GOOD, "P2": GOOD}, tag="c", at=IN_AUGUST)
    record_month(program, "2026-08", {"P1": FELL, "P2": GOOD}, tag="d", at=IN_SEPTEMBER)
    reviewed(program, JULY, at=IN_SEPTEMBER)
    reviewed(program, AUGUST, at=IN_SEPTEMBER)

    assert the_case(program, state="open").first_month_date == AUGUST
    case.refresh_from_db()
    assert case.state == "dismissed"


def test_what_was_resolved_by_an_action_opens_anew_if_a_later_month_shows_it(program: Program) -> None:
    reviewed(program)
    case = change_flag_state(case_id=the_case(program).pk, name="resolve", actor="system", at=IN_JULY, comment="Moved up.")
    assert (case.state, case.resolution, case.ended_month_date) == ("resolved", "action", JULY)
    record_month(program, "2026-07", {"P1": WORSE, "P2": GOOD}, tag="c", at=IN_AUGUST)
    reviewed(program, JULY, at=IN_AUGUST)
    assert the_case(program).state == "resolved", "the month in which something was done"
    record_month(program, "2026-08", {"P1": FELL}, tag="d", at=IN_SEPTEMBER)

    consolidate(program, AUGUST, IN_SEPTEMBER)

    assert the_case(program, state="open").first_month_date == AUGUST
    assert len(mails()) == 2


def test_people_take_named_steps_and_each_is_logged(program: Program) -> None:
    reviewed(program)
    otis = User.objects.get(username="otis")
    case = the_case(program)

    for name, comment in [
        ("acknowledge", ""),
        ("dismiss", "A test run."),
        ("reopen", "It was none."),
        ("resolve", "Called them."),
    ]:
        case = change_flag_state(case_id=case.pk, name=name, actor=otis, at=IN_JULY, comment=comment)

    assert [to for _, _, to in steps(case)] == ["open", "acknowledged", "dismissed", "open", "resolved"]
    entries = AuditEvent.objects.filter(action="reviews.change_flag_state", object_ref=f"reviews.FlagCase:{case.pk}")
    assert [(entry.before["state"], entry.after["state"], entry.comment) for entry in entries.order_by("id")] == [
        ("open", "acknowledged", ""),
        ("acknowledged", "dismissed", "A test run."),
        ("dismissed", "open", "It was none."),
        ("open", "resolved", "Called them."),
    ]
    assert {entry.actor for entry in entries} == {f"user:{otis.pk}"}


@pytest.mark.parametrize(
    ("name", "comment", "code"),
    [
        ("dismiss", " ", "comment_required"),
        ("resolve", "", "comment_required"),
        ("reopen", "why", "transition_refused"),
        ("resolve_by_data", "why", "transition_refused"),
        ("vanish", "why", "transition_refused"),
    ],
)
def test_what_is_refused_changes_nothing(program: Program, name: str, comment: str, code: str) -> None:
    reviewed(program)
    case = the_case(program)

    with pytest.raises(DomainError) as refusal:
        change_flag_state(case_id=case.pk, name=name, actor="system", at=IN_JULY, comment=comment)

    assert refusal.value.code == code
    case.refresh_from_db()
    assert (case.state, len(steps(case))) == ("open", 1)


def test_an_old_flag_is_not_reopened_beside_one_that_is_open(program: Program) -> None:
    reviewed(program)
    old = change_flag_state(case_id=the_case(program).pk, name="resolve", actor="system", at=IN_JULY, comment="Done.")
    FlagCase.objects.create(
        program=program,
        partner=old.partner,
        rule=old.rule,
        seen=old.seen,
        first_month_date=AUGUST,
        newest_month_date=AUGUST,
        opened_at=IN_SEPTEMBER,
    )

    with pytest.raises(DomainError) as refusal:
        change_flag_state(case_id=old.pk, name="reopen", actor="system", at=IN_SEPTEMBER, comment="It is back.")

    assert refusal.value.code == "already_open"
    old.refresh_from_db()
    assert (old.state, len(steps(old))) == ("resolved", 2)


def test_a_flag_that_is_not_there(program: Program) -> None:
    with pytest.raises(NotFound):
        change_flag_state(case_id=99, name="acknowledge", actor="system", at=IN_JULY)


def test_several_at_once_or_none(program: Program) -> None:
    record_month(program, "2026-06", {"P2": {"unlocks": 900}}, tag="b")
    reviewed(program)
    cases = list(FlagCase.objects.filter(program=program))
    assert len(cases) == 2
    change_flag_state(case_id=cases[0].pk, name="acknowledge", actor="system", at=IN_JULY)

    with pytest.raises(DomainError):
        change_flags_in_bulk(case_ids=[case.pk for case in cases], name="acknowledge", actor="system", at=IN_JULY)
    assert FlagCase.objects.filter(state=FlagState.ACKNOWLEDGED).count() == 1

    change_flags_in_bulk(
        case_ids=[case.pk for case in cases], name="dismiss", actor="system", at=IN_JULY, comment="A test partner."
    )
    assert set(FlagCase.objects.values_list("state", flat=True)) == {FlagState.DISMISSED}


def test_the_owner_is_the_rules_else_the_partners_and_can_be_changed(program: Program) -> None:
    reviewed(program)
    case, otis = the_case(program), User.objects.get(username="otis")
    rita = make_member_of_staff(program, Role.PROGRAM_ADMIN, "rita")

    for _ in range(2):
        assign_flag(case_id=case.pk, owner_id=rita.pk, actor=otis, at=IN_JULY)

    case.refresh_from_db()
    assert case.owner == rita
    [entry] = AuditEvent.objects.filter(action="reviews.assign_flag")
    assert (entry.before, entry.after) == ({"owner": "otis"}, {"owner": "rita"})
    assert assign_flag(case_id=case.pk, owner_id=None, actor=otis, at=IN_JULY).owner is None
    stranger = User.objects.create(username="stranger")
    with pytest.raises(InvalidInput) as refusal:
        assign_flag(case_id=case.pk, owner_id=stranger.pk, actor=otis, at=IN_JULY)
    assert refusal.value.code == "unknown_owner"


def test_a_rule_that_is_no_longer_in_force_ends_its_flags(program: Program) -> None:
    reviewed(program)
    deactivate_rule(program_id=program.pk, code=RULE, actor="system", at=IN_JULY)
    record_month(program, "2026-07", {"P1": WORSE, "P2": GOOD}, tag="c", at=IN_AUGUST)

    reviewed(program, JULY, at=IN_AUGUST)

    case = the_case(program)
    assert (case.state, case.resolution, case.reason) == ("resolved", "data", "The rule is no longer in force.")


def test_verify_names_flags_that_nothing_follows_and_histories_that_do_not_fit(program: Program) -> None:
    reviewed(program)
    assert not [violation for finding in run("cycles") for violation in finding.violations if "flag" in violation]

    FlagCase.objects.update(state=FlagState.ACKNOWLEDGED, first_month_date=AUGUST, newest_month_date=AUGUST)

    said = " ".join(violation for finding in run("cycles") for violation in finding.violations)
    assert f"nothing says what becomes of the flag {RULE} of P1" in said
    assert "is acknowledged, and its history says otherwise: open" in said
