"""Offers begin and end at the program's midnight: told once, made up for, whoever asks and however often."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from offers.models import CatalogDay, Offer
from offers.services import change_offer_state, set_audience, set_terms, turn_day
from partners.models import Partner, Program
from partners.services import change_partner_state, set_partner_owner
from plum_site import schedule
from plum_site.lib.models import AuditEvent, Job, Outbox
from tests.factories.jobs import run_due
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.factories.webhooks import make_endpoint

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
FIRST = datetime(2026, 7, 14, 9, 30, tzinfo=UTC)
NEXT = FIRST + timedelta(days=1)


@pytest.fixture
def program() -> Program:
    program = make_program()
    make_partner(program)
    return program


def begin(program: Program) -> None:
    """The day before: taken note of, nothing told."""
    assert turn_day(program_id=program.pk, at=FIRST) == {"started": 0, "ended": 0, "notices": 0}


def revision_of(program: Program) -> int:
    program.refresh_from_db()
    return program.catalog_revision


def told() -> list[tuple[str, str]]:
    rows = AuditEvent.objects.filter(action__in=["offers.start_offer", "offers.end_offer"]).order_by("id")
    names = {f"offers.Offer:{offer.pk}": offer.external_id for offer in Offer.objects.all()}
    return [(row.action.removeprefix("offers."), names[row.object_ref]) for row in rows]


def test_what_a_catalog_began_with_is_no_news(program: Program) -> None:
    make_offer(program, starts_date=date(2026, 7, 14))

    begin(program)

    assert told() == []
    assert CatalogDay.objects.get().local_date == date(2026, 7, 14)


def test_offers_begin_and_end_by_their_dates(program: Program) -> None:
    make_offer(program, "O1", starts_date=date(2026, 7, 15))
    make_offer(program, "O2", ends_date=date(2026, 7, 14))
    make_offer(program, "O3", starts_date=date(2026, 7, 16), ends_date=date(2026, 12, 31))
    begin(program)
    before = revision_of(program)

    done = turn_day(program_id=program.pk, at=NEXT)

    assert (done["started"], done["ended"]) == (1, 1)
    assert told() == [("start_offer", "O1"), ("end_offer", "O2")]
    assert revision_of(program) > before


def test_twice_on_a_day_is_once(program: Program) -> None:
    make_offer(program, starts_date=date(2026, 7, 15))
    begin(program)
    turn_day(program_id=program.pk, at=NEXT)
    before = revision_of(program)

    assert turn_day(program_id=program.pk, at=NEXT + timedelta(hours=5)) == {"started": 0, "ended": 0, "notices": 0}
    assert told() == [("start_offer", "O1")]
    assert revision_of(program) == before
    with pytest.raises(IntegrityError), transaction.atomic():
        CatalogDay.objects.create(program=program, local_date=date(2026, 7, 15), started_count=0, ended_count=0, turned_at=NEXT)


def test_days_on_which_nothing_ran_are_made_up_for(program: Program) -> None:
    make_offer(program, "O1", starts_date=date(2026, 7, 15), ends_date=date(2026, 7, 16))
    make_offer(program, "O2", ends_date=date(2026, 7, 17))
    make_offer(program, "O3", ends_date=date(2026, 7, 20))
    begin(program)

    turn_day(program_id=program.pk, at=FIRST + timedelta(days=6))  # 20 July

    assert told() == [("start_offer", "O1"), ("end_offer", "O1"), ("end_offer", "O2")]


def test_a_day_without_any_moves_nothing(program: Program) -> None:
    make_offer(program)
    begin(program)
    before = revision_of(program)

    turn_day(program_id=program.pk, at=NEXT)

    assert revision_of(program) == before


def test_terms_and_audiences_of_the_day_move_the_catalog_on(program: Program) -> None:
    offer = make_offer(program)
    set_terms(offer_id=offer.pk, text="From tomorrow.", starts_date=date(2026, 7, 15), actor="system", at=FIRST)
    set_audience(offer_id=offer.pk, countries=["DE"], starts_date=date(2026, 7, 16), actor="system", at=FIRST)
    begin(program)
    moved = []
    for days in (1, 2, 3):
        before = revision_of(program)
        turn_day(program_id=program.pk, at=FIRST + timedelta(days=days))
        moved.append(revision_of(program) > before)

    assert moved == [True, True, False]


def test_what_the_catalog_does_not_show_begins_and_ends_unseen(program: Program) -> None:
    make_offer(program, "O1", state="draft", starts_date=date(2026, 7, 15))
    paused = make_offer(program, "O2", starts_date=date(2026, 7, 15))
    change_offer_state(offer_id=paused.pk, name="pause", actor="system", at=FIRST, comment="wait")
    make_partner(program, "P2")
    make_offer(program, "O3", partner_external_id="P2", ends_date=date(2026, 7, 14))
    change_partner_state(
        partner_id=Partner.objects.get(external_id="P2").pk, name="pause", actor="system", at=FIRST, comment="wait"
    )
    begin(program)

    turn_day(program_id=program.pk, at=NEXT)

    assert told() == []


def test_the_day_begins_at_the_programs_midnight() -> None:
    program = make_program(time_zone="Asia/Kolkata")
    make_partner(program)
    make_offer(program, starts_date=date(2026, 7, 15))
    turn_day(program_id=program.pk, at=datetime(2026, 7, 14, 18, 29, 59, tzinfo=UTC))
    assert told() == []

    turn_day(program_id=program.pk, at=datetime(2026, 7, 14, 18, 30, tzinfo=UTC))

    assert told() == [("start_offer", "O1")]


def test_webhooks_hear_of_it(program: Program) -> None:
    make_endpoint(program, types=["offer.started", "offer.ended"])
    make_offer(program, "O1", starts_date=date(2026, 7, 15))
    make_offer(program, "O2", ends_date=date(2026, 7, 14))
    begin(program)

    turn_day(program_id=program.pk, at=NEXT)

    bodies = [json.loads(row.payload["body"]) for row in Outbox.objects.filter(channel="webhook").order_by("id")]
    said = [(body["type"], body["data"]["offer"], body["data"]["day"]) for body in bodies]
    assert said == [("offer.started", "O1", "2026-07-15"), ("offer.ended", "O2", "2026-07-14")]


def mails() -> list[Outbox]:
    return list(Outbox.objects.filter(channel="mail").order_by("id"))


def own(program: Program, name: str = "ann") -> None:
    owner = make_member_of_staff(program, "partner_ops", name)
    owner.email = f"{name}@example.org"
    owner.save()
    partner = Partner.objects.get(program=program, external_id="P1")
    set_partner_owner(partner_id=partner.pk, owner=owner, actor="system", at=FIRST)


def test_an_owner_hears_a_week_before_the_end_and_once(program: Program) -> None:
    own(program)
    make_offer(program, "O1", ends_date=date(2026, 7, 22))
    make_offer(program, "O2", ends_date=date(2026, 7, 23))
    begin(program)
    assert mails() == []

    notices = [turn_day(program_id=program.pk, at=FIRST + timedelta(days=days))["notices"] for days in (1, 2, 3)]

    assert notices == [1, 1, 0]
    first, second = mails()
    assert "O1" in first.payload["text"]
    assert "O2" not in first.payload["text"]
    assert "22 July 2026" in first.payload["text"]
    assert "O2" in second.payload["text"]


def test_after_days_of_silence_one_mail_names_all_that_still_end(program: Program) -> None:
    own(program)
    make_offer(program, "O1", ends_date=date(2026, 7, 22))
    make_offer(program, "O2", ends_date=date(2026, 7, 27))
    make_offer(program, "O3", ends_date=date(2026, 8, 30))
    begin(program)

    turn_day(program_id=program.pk, at=FIRST + timedelta(days=10))  # 24 July: O1 is over

    [mail] = mails()
    assert ["O1" in mail.payload["text"], "O2" in mail.payload["text"], "O3" in mail.payload["text"]] == [False, True, False]


def test_partners_without_an_owner_mail_nobody(program: Program) -> None:
    make_offer(program, "O1", ends_date=date(2026, 7, 22))
    begin(program)

    assert turn_day(program_id=program.pk, at=NEXT)["notices"] == 0


def test_two_beats_plan_one_job_a_day_and_a_missed_one_is_caught_up(program: Program) -> None:
    make_offer(program, "O1", starts_date=date(2026, 7, 15))
    begin(program)
    for seconds in (0, 10, 20):
        schedule.plan_due(NEXT + timedelta(seconds=seconds))
        schedule.plan_due(NEXT + timedelta(seconds=seconds))

    assert Job.objects.filter(name="offers.turn_day").count() == 1
    assert run_due(name="offers.turn_day") == ["done"]
    assert told() == [("start_offer", "O1")]
