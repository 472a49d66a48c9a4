"""A program's first day, in the console alone: made, filled with files that have mistakes, mended, and ready for its month."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from activity.models import Event, Import, Member
from offers.models import Offer
from partners.models import Partner, Program
from tests.factories.jobs import run_due
from tests.factories.people import make_person
from tests.support.pages import sign_in, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
SETTINGS = {
    "name": "Acme Rewards",
    "kind": "employee",
    "time_zone": "Europe/Berlin",
    "currency": "EUR",
    "stage_order": "view_first",
    "member_attributes": "business_unit",
    "ready_day": "3",
    "report_day": "5",
    "settlement_days": "30",
}
PARTNERS = "external_id,name,category,country\nP1,Bakery,food,DE\nP2,Cinema,leisure,DE\n"
# The first mistake: an offer of a partner that nobody knows. The second, below: an event on a day that is none.
OFFERS = "external_id,partner_external_id,title,offer_type\nO1,P1,Bread,voucher\nO2,P3,Film,voucher\n"
PEOPLE = "external_id,business_unit,email\nm1,cards,ann@example.org\nm2,loans,bob@example.org\n"
EVENTS = (
    "event_id,occurred_at,kind,member,offer\n"
    "e1,2026-06-01T10:00:00Z,viewed,m1,O1\n"
    "e2,2026-06-31T10:00:00Z,redeemed,m1,O1\n"
    "e3,2026-06-02T10:00:00Z,redeemed,m2,O1\n"
)


@pytest.fixture(autouse=True)
def own_storage(settings: Any, tmp_path: Path) -> None:
    settings.VAR = tmp_path / "var"
    settings.VAR.mkdir()
    settings.MEDIA_ROOT = tmp_path / "media"


def bring(client: Client, page: str, files: dict[str, str], **fields: str) -> Import:
    """Upload, and let a worker check."""
    uploads = {name: SimpleUploadedFile(f"{name}.csv", text.encode()) for name, text in files.items()}
    assert client.post(reverse(f"admin:activity_import_{page}"), {**uploads, **fields}).status_code == 302
    return after_work()


def confirm(client: Client, brought: Import) -> Import:
    """Confirm, and let a worker apply."""
    client.post(reverse("admin:activity_import_confirm", args=[brought.pk]))
    return after_work()


def after_work() -> Import:
    """The newest import, after the jobs that were due."""
    run_due(datetime.now(UTC))
    return Import.objects.latest("pk")


def rejects_of(client: Client, brought: Import) -> list[dict[str, str]]:
    """The file with the rows that were not taken."""
    answer = client.get(reverse("admin:activity_import_rejects", args=[brought.pk]))
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]


def open_steps(client: Client) -> list[str]:
    """What home still asks for."""
    return [step.title for step in client.get(reverse("admin:index")).context["first_steps"] if not step.is_done]


def test_a_new_program_is_filled_without_a_shell() -> None:
    client = sign_in(make_person("root", is_superuser=True))
    client.post(reverse("admin:create_program"), SETTINGS)
    program = Program.objects.get()
    assert len(open_steps(client)) == 7

    people = confirm(client, bring(client, "bring_people", {"members": PEOPLE}, mode="full"))
    assert people.state == "applied"
    client.post(reverse("admin:choose_reporting"), {"report": ["business_unit"]})

    checked = bring(client, "bring_folder", {"partners": PARTNERS, "offers": OFFERS, "events": EVENTS}, source="till")
    assert (Partner.objects.count(), Offer.objects.count(), Event.objects.count()) == (0, 0, 0)
    said = text_of(client.get(reverse("admin:activity_import_change", args=[checked.pk])))
    assert "offers.csv 3 partner_external_id" in said
    assert "events.csv 3 occurred_at" in said
    places = [(row["file"], row["line"], row["column"]) for row in rejects_of(client, checked)]
    assert places == [("offers.csv", "3", "partner_external_id"), ("events.csv", "3", "occurred_at")]
    applied = confirm(client, checked)
    assert applied.result is not None
    assert applied.result["counts"]["events.csv"]["accepted"] == 2
    assert [row["row"] for row in rejects_of(client, applied)] == ["O2,P3,Film,voucher", EVENTS.splitlines()[2]]

    mended = {"offers": OFFERS.replace("P3", "P2"), "events": EVENTS.replace("06-31", "06-30")}
    again = confirm(client, bring(client, "bring_folder", mended, source="till"))
    assert again.result is not None
    assert again.result["rejected"] == 0
    outcomes = again.result["counts"]["events.csv"]
    assert (outcomes["accepted"], outcomes["duplicate"]) == (1, 2)
    assert (Offer.objects.count(), Member.objects.count(), Event.objects.count()) == (2, 2, 3)
    assert {event.attribute_set.values["business_unit"] for event in Event.objects.all()} == {"cards", "loans"}

    program.refresh_from_db()
    assert program.recorded_stages == ["viewed", "redeemed"]
    assert open_steps(client) == ["Open the month", "Invite colleagues"]
