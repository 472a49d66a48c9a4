"""Owners are told of new flags once, and of overdue decisions once a day; admins from the third day on."""

from datetime import timedelta

import pytest

from activity.services import MemberRow, Person, apply_people
from partners.models import Program
from plum_site.lib.choices import Role
from plum_site.lib.models import Outbox, User
from reviews.models import Flag
from reviews.selectors import read_report
from reviews.services import consolidate_cycle, decide_by_standing, remind_owners
from tests.factories.ledger import record
from tests.factories.offers import make_offer
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import GOOD, IN_JULY, JULY, JUNE, make_reviewable_program, month_of_events, record_month, reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
DAY = timedelta(days=1)
BAD = {"views": 300, "unlocks": 90, "activations": 8, "redemptions": 2}


@pytest.fixture
def program() -> Program:
    """P1 and P2 fall behind in June, the other three do not; Otis owns both."""
    partners = ("P1", "P2", "P3", "P4", "P5")
    made = make_reviewable_program(*partners)
    record_month(made, "2026-05", dict.fromkeys(partners, GOOD), tag="a")
    record_month(made, "2026-06", dict.fromkeys(partners, GOOD) | {"P1": BAD, "P2": BAD})
    made.partners.filter(external_id__in=["P1", "P2"]).update(owner=person(made, Role.PARTNER_OPS, "otis"))
    return made


def person(program: Program, role: str, name: str) -> User:
    made = make_member_of_staff(program, role, name)
    made.email = f"{name}@example.org"
    made.save()
    return made


def mails(prefix: str) -> list[Outbox]:
    return list(Outbox.objects.filter(dedup_key__startswith=prefix).order_by("pk"))


@pytest.mark.both_engines
def test_an_owner_gets_one_mail_for_all_new_flags_of_a_consolidation(program: Program) -> None:
    cycle = reviewed(program)
    count = Flag.objects.filter(scorecard__cycle=cycle).count()
    assert count >= 2

    [mail] = mails("flags:")

    assert mail.recipient == "otis@example.org"
    assert mail.payload["headers"]["Subject"] == f"Acme: {count} new flags in June 2026: Partner P1 and 1 more"
    assert mail.payload["text"].count("\n- ") == count
    assert "8 activations of 90 unlocks" in mail.payload["text"]
    assert "Partner P3" not in mail.payload["text"]
    assert "/console/reviews/flagcase/" in mail.payload["html"]


@pytest.mark.both_engines
def test_the_mail_and_the_report_name_the_offer_and_the_segment_that_carry_the_fall() -> None:
    made = make_reviewable_program("P1", "P2", "P3", minimum_group=5)
    for name in ("O-P1-b", "O-P1-c"):
        make_offer(made, name, partner_external_id="P1")
    regions = [MemberRow(Person(f"M{number}"), {"region": say_region(number)}) for number in range(50)]
    apply_people(program=made, source="file", rows=regions, actor="system", at=IN_JULY)
    made.partners.update(owner=person(made, Role.PARTNER_OPS, "otis"))
    for month in ("2026-03", "2026-04", "2026-05", "2026-06"):
        counts = {"P1-b": {name: 8 * count for name, count in GOOD.items()}, **dict.fromkeys(("P1", "P1-c", "P2", "P3"), GOOD)}
        events = [event for name, of_kind in counts.items() for event in month_of_events(month, name, of_kind)]
        if month == "2026-06":  # hardly anybody in the north unlocks O-P1-b any more, nor the few in the east
            events = [event for event in events if not is_lost(event)]
        record(made, events, at=IN_JULY)

    cycle = reviewed(made)

    [mail] = [mail for mail in mails("flags:") if "Partner P1" in mail.payload["text"]]
    said = "Most of the fall is carried by O-P1-b (100 %), region north (100 %)."
    assert mail.payload["text"].count(said) == 1
    assert said in mail.payload["html"]
    assert "region east" not in mail.payload["text"], "three members are too small a group to be named"
    [line] = [line for line in read_report(cycle, made).laggards if line.name == "Partner P1"]
    assert said in line.sentence


def say_region(number: int) -> str:
    """Three members in the east, three of five others in the north, one in the south, one in the west."""
    return "east" if number < 3 else ("north", "north", "north", "south", "west")[number % 5]


def is_lost(event: dict[str, str]) -> bool:
    number = int(event["member"].removeprefix("M"))
    return event["offer"] == "O-P1-b" and event["kind"] != "viewed" and say_region(number) in ("north", "east")


def test_what_an_owner_was_told_is_not_told_again_though_it_goes_and_comes_back(program: Program) -> None:
    cycle = reviewed(program)
    consolidate_cycle(program_id=program.pk, month_start_date=JUNE, actor="system", at=IN_JULY + DAY, by_hand=True)
    assert len(mails("flags:")) == 1
    Flag.objects.filter(scorecard__cycle=cycle).delete()

    consolidate_cycle(program_id=program.pk, month_start_date=JUNE, actor="system", at=IN_JULY + 2 * DAY, by_hand=True)

    assert Flag.objects.filter(scorecard__cycle=cycle).exists()
    assert len(mails("flags:")) == 1


def test_a_flag_that_is_new_later_is_told_alone(program: Program) -> None:
    reviewed(program)
    program.partners.filter(external_id="P3").update(owner=User.objects.get(username="otis"))
    record_month(program, "2026-07", {"P3": {"views": 300, "unlocks": 90, "activations": 5}}, tag="c", at=IN_JULY + 10 * DAY)

    reviewed(program, JULY, state="open", at=IN_JULY + 10 * DAY)

    _, mail = mails("flags:")
    assert "Partner P3" in mail.payload["text"]
    assert "Partner P1" not in mail.payload["text"]
    assert "the month still runs" in mail.payload["text"]


@pytest.mark.parametrize("why", ["no_address", "locked", "no_role", "long_ago"])
def test_nobody_is_told_who_may_not_know_or_for_whom_it_is_history(program: Program, why: str) -> None:
    otis = User.objects.filter(username="otis")
    if why == "no_address":
        otis.update(email="")
    elif why == "locked":
        otis.update(is_active=False)
    elif why == "no_role":
        otis.get().role_grants.all().delete()

    cycle = reviewed(program, at=IN_JULY + 60 * DAY if why == "long_ago" else IN_JULY)

    assert Flag.objects.filter(scorecard__cycle=cycle).exists()
    assert mails("flags:") == []


def test_overdue_decisions_are_told_once_a_day_to_the_owner_and_from_the_third_day_to_admins(program: Program) -> None:
    person(program, Role.PROGRAM_ADMIN, "ada")
    reviewed(program)
    due = IN_JULY.replace(day=program.report_day)

    told = {}
    for day in range(-1, 5):
        at = due + day * DAY
        for _ in range(2):
            remind_owners(program_id=program.pk, at=at)
        told[day] = sorted(mail.recipient.partition("@")[0] for mail in mails("overdue:") if mail.created_at == at)

    assert told == {-1: [], 0: ["otis"], 1: ["otis"], 2: ["otis"], 3: ["ada", "otis"], 4: ["ada", "otis"]}
    text = mails("overdue:")[-1].payload["text"]
    assert "2 partners wait for a decision about June 2026 in Acme" in text
    assert "4 days ago" in text


def test_who_has_decided_is_left_in_peace(program: Program) -> None:
    cycle = reviewed(program)
    decide_by_standing(cycle_id=cycle.pk, actor=User.objects.get(username="otis"), at=IN_JULY)

    assert remind_owners(program_id=program.pk, at=IN_JULY) == 0


def test_a_month_that_ended_long_ago_reminds_nobody(program: Program) -> None:
    reviewed(program)

    assert remind_owners(program_id=program.pk, at=IN_JULY + 40 * DAY) == 0
