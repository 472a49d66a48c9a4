"""Every list and every row of the console: it opens, costs what is recorded, and holds to the content security policy."""

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from activity.models import Import
from partners.models import Partner, Program
from partners.services import save_contact, save_contract_terms
from plum_site.console import site
from plum_site.lib.models import AuditEvent, Job, Outbox, User
from reviews.models import CorrectiveAction, Replacement, ReplacementTask
from reviews.services import subscribe
from reviews.services.actions import propose_action
from reviews.services.actions.letters import send_letter
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.people import make_member_of_staff, make_person
from tests.factories.programs import CREATED_AT
from tests.factories.tokens import make_token
from tests.factories.worlds import make_world
from tests.support.pages import list_inline, sign_in

pytestmark = pytest.mark.slow
BASELINE = Path(__file__).parent / "query_counts.json"
RECORD = "PLUM_RECORD_QUERY_COUNTS"
MODELS = sorted(site._registry, key=lambda model: model._meta.label)


@pytest.fixture
def world(db: None) -> Program:
    """A program with one of everything, and another beside it."""
    program = make_world("own", "1", date(2026, 6, 1))
    make_world("other", "9", date(2026, 5, 1))
    make_token(program)
    add_rows(program, "a")
    return program


def propose_letter(partner: Partner) -> CorrectiveAction:
    words = {"subject": "Your offers", "text": "What happened?"}
    return propose_action(partner_id=partner.pk, kind="contact_partner", params=words, actor="system", at=CREATED_AT)


def add_rows(program: Program, tag: str) -> None:
    """A few more rows of what lists show many of."""
    for number in range(3):
        partner = make_partner(program, f"P{tag}{number}")
        make_offer(program, f"O{tag}{number}", partner_external_id=f"P{tag}{number}")
        contact = save_contact(partner_id=partner.pk, name=tag, email=f"{tag}{number}@example.org", actor="system", at=CREATED_AT)
        send_letter(action=propose_letter(partner), contact=contact, at=CREATED_AT)
        save_contract_terms(partner_id=partner.pk, starts_date=date(2026, 1, 1), summary="10 %", actor="system", at=CREATED_AT)
        subscribe(program_id=program.pk, email=f"{tag}{number}@example.org", actor="system", at=CREATED_AT)
        replaced = propose_action(partner_id=partner.pk, kind="replace_partner", params={}, actor="system", at=CREATED_AT)
        replacement = Replacement.objects.create(program=program, action=replaced, partner=partner, opened_at=CREATED_AT)
        owner = User.objects.first() or make_person()
        ReplacementTask.objects.create(replacement=replacement, step="compare", owner=owner, due_date=CREATED_AT.date())
        key = f"{program.code}-{tag}-{number}"
        values: dict[str, Any] = {"program_id": program.pk, "created_at": CREATED_AT, "due_at": CREATED_AT}
        Import.objects.create(
            program=program,
            kind="people",
            created_by=owner,
            created_at=CREATED_AT,
            expires_at=CREATED_AT,
        )
        Job.objects.create(name="reviews.consolidate_month", key=key, **values)
        Outbox.objects.create(
            channel="mail", recipient="a@example.org", dedup_key=key, message_id=f"<{key}@plum>", payload={}, **values
        )


def count_queries(client: Client, url: str) -> int:
    """How many statements one page takes, the second time, when what is kept in the process is warm."""
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def list_url(model: type[models.Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def test_every_list_and_row_opens_for_a_program_admin(world: Program) -> None:
    client = sign_in(make_member_of_staff(world, "program_admin"))
    for model in MODELS:
        answer = client.get(list_url(model))
        assert answer.status_code == 200, model
        assert not list_inline(answer.content.decode()), model
        rows = answer.context["cl"].result_list
        assert len(rows) or model.__name__ in {"Flag", "FlagCase", "Restatement"}, f"{model} shows nothing"
        for row in rows[:1]:
            detail = client.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.pk]))
            assert detail.status_code == 200, model
            assert not list_inline(detail.content.decode()), model


def test_what_a_list_costs_is_recorded(world: Program) -> None:
    """Does the cost of a list stay what it was? After a wanted change: PLUM_RECORD_QUERY_COUNTS=1, and commit the file."""
    client = sign_in(make_member_of_staff(world, "program_admin"))
    counts = {model._meta.label: count_queries(client, list_url(model)) for model in MODELS}
    counts["home"] = count_queries(client, reverse("admin:index"))
    counts["activity dashboard"] = count_queries(client, reverse("admin:activity_dashboard"))
    Program.objects.filter(pk=world.pk).update(recorded_stages=["viewed", "unlocked"])  # one rate to compare by
    counts["comparison"] = count_queries(client, reverse("admin:compare_partners"))
    if os.environ.get(RECORD):
        BASELINE.write_text(json.dumps(counts, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    expected = json.loads(BASELINE.read_text(encoding="utf-8"))
    assert counts == expected, f"The number of statements changed. If that is meant, run again with {RECORD}=1."


def test_a_list_costs_the_same_with_more_rows(world: Program) -> None:
    client = sign_in(make_member_of_staff(world, "program_admin"))
    before = {model: count_queries(client, list_url(model)) for model in MODELS}
    add_rows(world, "b")
    assert Partner.objects.filter(program=world).count() > 6
    after = {model: count_queries(client, list_url(model)) for model in MODELS}
    # The audit log asks once for each kind of thing that is on its page, however many rows there are of it.
    assert after.pop(AuditEvent) <= before.pop(AuditEvent)
    assert after == before


def test_a_row_of_another_program_is_an_unknown_row(world: Program) -> None:
    client = sign_in(make_member_of_staff(world, "program_admin"))
    foreign = Partner.objects.exclude(program=world).get(external_id="P9")
    for pk in (foreign.pk, 10**9):
        assert client.get(reverse("admin:partners_partner_change", args=[pk])).status_code == 404


def test_nobody_without_a_role_enters(world: Program) -> None:
    stranger = User.objects.create_user("stranger", password="a long enough password")
    answer = sign_in(stranger).get(reverse("admin:index"))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("admin:login"))


def test_pages_carry_the_policy_and_are_not_kept(world: Program) -> None:
    answer = sign_in(make_member_of_staff(world, "program_admin")).get(reverse("admin:index"))
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "no-store" in answer["Cache-Control"]
