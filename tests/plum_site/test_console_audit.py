"""The audit page: everything by name, every filter in the address, and a copy that is itself noted."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from offers.services import set_audience
from partners.models import Program
from partners.services import save_partner, set_partner_owner
from plum_site.lib import audit
from plum_site.lib.models import AuditEvent, User
from tests.factories.offers import make_offer, make_segment
from tests.factories.partners import make_partner
from tests.factories.people import make_member_of_staff
from tests.factories.programs import CREATED_AT, make_program
from tests.factories.tokens import make_token
from tests.support.pages import sign_in, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
LIST = reverse("admin:plum_auditevent_changelist")
CSV = reverse("admin:plum_auditevent_csv")
JULY = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)


@pytest.fixture
def program() -> Program:
    return make_program()


@pytest.fixture
def ada(program: Program) -> User:
    return make_member_of_staff(program, "program_admin", "ada")


@pytest.fixture
def client(program: Program, ada: User) -> Client:
    """Ada, who gave Northwind another name in July; the token "till" added a partner a day later."""
    make_partner(program, "P1", name="Northwind")
    values = {"external_id": "P1", "category": "food", "country": "DE"}
    save_partner(program_id=program.pk, name="North Wind", actor=ada, at=JULY, **values)
    token, _ = make_token(program, name="till")
    make_partner(program, "P2", actor=f"token:{token.pk}", at=JULY + timedelta(days=1))
    make_partner(make_program("other"), "P9", name="Theirs")
    return sign_in(ada)


def rows_of(answer: HttpResponse) -> list[list[str]]:
    """The lines of a CSV, without its header."""
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.reader(io.StringIO(text)))[1:]


def test_a_line_says_who_did_what_to_what_and_how_it_changed(client: Client, program: Program) -> None:
    page = client.get(LIST, {"action": "partners.save_partner"})
    text = text_of(page)
    assert "ada Save partner Partner North Wind name: Northwind → North Wind" in text
    assert reverse("admin:partners_partner_change", args=[program.partners.get(external_id="P1").pk]) in page.content.decode()
    assert "Theirs" not in text


def test_tokens_have_names_too(client: Client) -> None:
    assert "token till Save partners" in text_of(client.get(LIST))


def test_every_filter_narrows(client: Client, program: Program, ada: User) -> None:
    def found(**query: str) -> set[str]:
        listed = client.get(LIST, query).context["cl"].result_list
        return {f"{entry.names.actors[entry.actor]} {entry.action}" for entry in listed}

    assert found(actor=f"user:{ada.pk}") == {"ada partners.save_partner", "ada partners.save_partners"}
    assert found(object="north wind") == {"ada partners.save_partner"}
    assert found(kind="partners.Partner") == {"ada partners.save_partner"}
    assert found(kind="partners.Partner", object="P1") == {"ada partners.save_partner"}
    assert found(kind="offers.Offer", object="P1") == set()
    reference = audit.reference(program.partners.get(external_id="P1"))
    assert found(object=reference) == {"ada partners.save_partner"}
    assert found(first="2026-07-15", last="2026-07-15") == {"ada partners.save_partner", "ada partners.save_partners"}
    assert found(first="2026-07-16", last="2026-07-16") == {"token till partners.save_partners"}
    assert found(first="0001-01-01", last="9999-12-31") == found()
    assert found(first="2026-07-15", actor="system") <= {"system plum.create_token"}


def test_only_those_who_did_something_are_offered(client: Client) -> None:
    filters = client.get(LIST).context["cl"].filterset
    assert {name for _, name in filters.form.fields["actor"].choices if name != "Anyone"} == {"ada", "system", "token till"}
    assert "Save partner" in {name for _, name in filters.form.fields["action"].choices}


def test_a_day_that_is_none_is_said_so(client: Client) -> None:
    page = client.get(LIST, {"first": "2026-02-30"})
    assert "Enter a valid date" in text_of(page)
    assert list(page.context["cl"].result_list) == []
    assert client.get(CSV, {"first": "2026-02-30"}).status_code == 302


def test_row_numbers_before_and_after_are_read_as_names(client: Client, program: Program, ada: User) -> None:
    set_partner_owner(partner_id=program.partners.get(external_id="P1").pk, owner=ada, actor="system", at=JULY)
    offer, segment = make_offer(program, "O1"), make_segment(program, "cards")
    set_audience(
        offer_id=offer.pk,
        segment_id=segment.pk,
        countries=["DE"],
        excluded_segment_ids=[make_segment(program, "north").pk],
        actor=ada,
        at=JULY,
    )
    assert "owner: – → ada" in text_of(client.get(LIST, {"action": "partners.set_partner_owner"}))
    entry = AuditEvent.objects.get(action="offers.set_audience")
    page = text_of(client.get(reverse("admin:plum_auditevent_change", args=[entry.pk])))
    assert "segment – Cards" in page
    assert "countries – DE" in page
    assert "excluded segments – North" in page


def test_what_is_gone_is_said_so(client: Client, program: Program, ada: User) -> None:
    with CaptureQueriesContext(connection):
        AuditEvent.objects.create(
            program_id=program.pk, at=JULY, actor="user:40404", action="plum.revoke_role", object_ref="plum.RoleGrant:40404"
        )
    assert "user:40404 Revoke role Role grant 40404, which is gone" in text_of(client.get(LIST))


def test_pages_go_by_time_and_back(client: Client, program: Program) -> None:
    for number in range(120):
        make_partner(program, f"Q{number}", at=CREATED_AT + timedelta(minutes=number % 7))
    expected = list(AuditEvent.objects.filter(program_id=program.pk).order_by("-at", "-id").values_list("id", flat=True))
    page = client.get(LIST)
    seen = [[entry.pk for entry in page.context["cl"].result_list]]
    while page.context["cl"].older_url:
        page = client.get(LIST + page.context["cl"].older_url)
        seen.append([entry.pk for entry in page.context["cl"].result_list])
    assert [pk for part in seen for pk in part] == expected
    back = client.get(LIST + page.context["cl"].newer_url)
    assert [entry.pk for entry in back.context["cl"].result_list] == seen[-2]


class TestCopies:
    def test_it_holds_what_the_list_shows(self, client: Client, ada: User) -> None:
        answer = client.get(CSV, {"actor": f"user:{ada.pk}", "object": "P1", "before": "3"})
        assert answer["Content-Disposition"].startswith('attachment; filename="audit-acme-')
        [row] = rows_of(answer)
        assert row[:3] == ["2026-07-15T09:30:00+00:00", "ada", "partners.save_partner"]
        assert row[4:] == ["North Wind", "name: Northwind", "name: North Wind", ""]

    def test_taking_one_is_noted_with_its_filters(self, client: Client, program: Program, ada: User) -> None:
        client.get(CSV, {"object": "P1", "kind": ""})
        entry = AuditEvent.objects.get(action="plum.export_audit")
        assert (entry.program_id, entry.actor, entry.after) == (program.pk, f"user:{ada.pk}", {"filters": {"object": "P1"}})

    def test_looking_is_not_noted(self, client: Client) -> None:
        before = AuditEvent.objects.count()
        client.get(LIST, {"object": "P1"})
        assert AuditEvent.objects.count() == before

    def test_it_is_whole_and_no_formula(
        self, client: Client, program: Program, ada: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("plum_site.console.audit.CHUNK", 3)
        make_partner(program, "P3", name="=1+1")
        save_partner(program_id=program.pk, external_id="P3", name="x", category="food", actor=ada, at=JULY)
        entry = AuditEvent.objects.filter(program_id=program.pk).latest("id")
        AuditEvent.objects.create(
            program_id=program.pk, at=JULY, actor="system", action="plum.x", object_ref=entry.object_ref, comment="=cmd()"
        )
        expected = AuditEvent.objects.filter(program_id=program.pk).count()
        rows = rows_of(client.get(CSV))
        assert len(rows) == expected + 1  # that it was taken is its first line
        assert rows[0][2] == "plum.export_audit"
        assert "'=cmd()" in {row[-1] for row in rows}

    def test_it_needs_the_right_to_read(self, client: Client, program: Program) -> None:
        assert sign_in(make_member_of_staff(program, "analyst")).get(CSV).status_code == 403
