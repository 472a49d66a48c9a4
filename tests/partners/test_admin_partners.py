"""Partners in the console: forms save through services, refusals stand beside the field, tables come in with a preview."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from partners.choices import PartnerState
from partners.models import Category, Contact, ContractTerms, Partner, Program
from plum_site.lib.models import AuditEvent
from tests.factories.partners import make_partner, reach_partner_state
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.support.pages import errors_of, sign_in, text_of

CHANGE, ADD = "admin:partners_partner_change", "admin:partners_partner_add"


@pytest.fixture
def program(db: None) -> Program:
    return make_program()


@pytest.fixture
def client(program: Program) -> Client:
    return sign_in(make_member_of_staff(program, "program_admin"))


@pytest.fixture
def partner(program: Program) -> Partner:
    return make_partner(program, "P1")


def upload(text: str) -> dict[str, Any]:
    return {"import_file": SimpleUploadedFile("partners.csv", text.encode(), "text/csv"), "format": "0", "resource": ""}


def test_a_new_partner_begins_as_a_prospect_with_an_audit_row(client: Client, program: Program) -> None:
    values = {"external_id": "P7", "name": "Northwind", "category_code": "food", "country": "DE"}
    assert client.post(reverse(ADD), values).status_code == 302
    partner = Partner.objects.get(program=program, external_id="P7")
    assert (partner.state, partner.category.code) == ("prospect", "food")
    assert AuditEvent.objects.filter(program_id=program.pk, action="partners.save_partners").exists()


def test_what_the_service_refuses_stands_beside_the_field(client: Client, partner: Partner) -> None:
    answer = client.post(reverse(CHANGE, args=[partner.pk]), {"name": "x" * 300, "category_code": "  ", "country": "DE"})
    assert answer.status_code == 200
    assert errors_of(answer)
    partner.refresh_from_db()
    assert partner.name != "x" * 300


def test_a_change_keeps_id_and_state(client: Client, partner: Partner) -> None:
    values = {"name": "New name", "category_code": "travel", "country": "FR", "external_id": "P99", "state": "retired"}
    assert client.post(reverse(CHANGE, args=[partner.pk]), values).status_code == 302
    partner.refresh_from_db()
    assert (partner.name, partner.external_id, partner.state) == ("New name", "P1", "active")


def test_a_transition_asks_why_and_refuses_without(client: Client, program: Program) -> None:
    partner = reach_partner_state(program, PartnerState.ON_NOTICE, "P2")
    ask = client.get(reverse("admin:partners_partner_do", args=[partner.pk, "restore"]))
    assert "On notice to Active" in text_of(ask)
    refused = client.post(reverse("admin:partners_partner_done", args=[partner.pk, "restore"]), {"comment": " "})
    assert "comment" in errors_of(refused)
    done = client.post(reverse("admin:partners_partner_done", args=[partner.pk, "restore"]), {"comment": "A new shop"})
    assert done.status_code == 302
    partner.refresh_from_db()
    assert partner.state == "active"
    assert "A new shop" in text_of(client.get(reverse(CHANGE, args=[partner.pk])))


def test_partner_ops_cannot_take_what_publishes(program: Program, partner: Partner) -> None:
    client = sign_in(make_member_of_staff(program, "partner_ops"))
    noticed = reach_partner_state(program, PartnerState.ON_NOTICE, "P2")
    page = text_of(client.get(reverse(CHANGE, args=[noticed.pk])))
    assert "Restore" in page
    assert "Start improvement plan" not in page  # the ladder moves by rule
    assert "Retire" not in page
    answer = client.post(reverse("admin:partners_partner_done", args=[partner.pk, "retire"]), {"comment": "over"})
    assert answer.status_code == 403


def test_an_auditor_sees_and_changes_nothing(program: Program, partner: Partner) -> None:
    client = sign_in(make_member_of_staff(program, "auditor"))
    page = client.get(reverse(CHANGE, args=[partner.pk]))
    assert page.status_code == 200
    assert "Pause" not in text_of(page)
    assert client.post(reverse(CHANGE, args=[partner.pk]), {"name": "mine"}).status_code == 403


def test_the_owner_is_someone_of_this_program(client: Client, program: Program, partner: Partner) -> None:
    own, stranger = make_member_of_staff(program, "partner_ops"), make_member_of_staff(make_program("other"), "partner_ops")
    save = reverse("admin:partners_partner_save_owner", args=[partner.pk])
    client.post(save, {"owner": stranger.pk})
    partner.refresh_from_db()
    assert partner.owner is None
    client.post(save, {"owner": own.pk})
    partner.refresh_from_db()
    assert partner.owner == own


def test_contacts_and_terms_are_kept_at_the_partner(client: Client, partner: Partner) -> None:
    contact = {"partner": partner.pk, "name": "Ada", "email": "ada@example.org", "role": "account", "language": "en"}
    assert client.post(reverse("admin:partners_contact_add"), contact).status_code == 302
    terms = {"partner": partner.pk, "starts_date": "2026-01-01", "summary": "Ten per cent", "notice_days": "30"}
    assert client.post(reverse("admin:partners_contractterms_add"), terms).status_code == 302
    page = text_of(client.get(reverse(CHANGE, args=[partner.pk])))
    assert "ada@example.org" in page
    assert "Ten per cent" in page
    overlapping = client.post(reverse("admin:partners_contractterms_add"), {**terms, "starts_date": "2026-02-01"})
    assert errors_of(overlapping)
    assert ContractTerms.objects.count() == 1
    client.post(reverse("admin:partners_contact_remove", args=[Contact.objects.get().pk]))
    assert not Contact.objects.exists()


def test_a_contact_of_a_foreign_partner_is_refused(client: Client) -> None:
    foreign = make_partner(make_program("other"), "P9")
    values = {"partner": foreign.pk, "name": "Ada", "email": "ada@example.org", "role": "account", "language": "en"}
    assert "partner" in errors_of(client.post(reverse("admin:partners_contact_add"), values))
    assert not Contact.objects.exists()


def test_an_import_is_previewed_then_confirmed(client: Client, program: Program) -> None:
    preview = client.post(
        reverse("admin:partners_partner_import"), upload("external_id,name,category,country\nP5,Five,food,DE\n")
    )
    assert preview.status_code == 200
    assert not Partner.objects.filter(external_id="P5").exists()
    confirm = preview.context["confirm_form"].initial
    assert client.post(reverse("admin:partners_partner_process_import"), confirm).status_code == 302
    assert Partner.objects.get(program=program, external_id="P5").name == "Five"


def test_an_import_says_which_row_is_at_fault(client: Client) -> None:
    answer = client.post(
        reverse("admin:partners_partner_import"),
        upload("external_id,name,category,country\nP5,Five,food,DE\nP6,Six,food,Germany\n"),
    )
    said = text_of(answer)
    assert "P6" in said
    assert "country" in said.lower()
    assert not Partner.objects.exists()


def test_the_template_has_the_columns_of_an_import(client: Client) -> None:
    answer = client.get(reverse("admin:partners_partner_template", args=["csv"]))
    assert answer.content.decode().splitlines()[0] == "external_id,name,category,country"
    assert client.get(reverse("admin:partners_partner_template", args=["xlsx"])).content[:2] == b"PK"


def test_an_export_makes_formulas_safe_and_keeps_to_the_program(client: Client, program: Program) -> None:
    make_partner(program, "P1", name="=1+1|evil")
    make_partner(make_program("other"), "P9")
    answer = client.post(reverse("admin:partners_partner_export"), {"format": "0", "resource": ""})
    text = answer.content.decode()
    assert "'=1+1|evil" in text
    assert "P9" not in text


def test_filters_offer_only_what_is_in_the_program(client: Client, program: Program, partner: Partner) -> None:
    other = make_partner(make_program("other"), "P9", category="secret-category")
    page = client.get(reverse("admin:partners_partner_changelist"))
    assert other.category.code not in text_of(page)
    assert Category.objects.get(program=program).code in text_of(page)


def test_the_settings_of_a_program_are_saved_by_the_service(client: Client, program: Program) -> None:
    values = {
        "name": "Acme Rewards",
        "kind": "loyalty",
        "stage_order": "view_first",
        "minimum_group": "7",
        "settlement_days": "30",
        "ready_day": "3",
        "report_day": "5",
    }
    url = reverse("admin:partners_program_change", args=[program.pk])
    assert client.post(url, values).status_code == 302
    program.refresh_from_db()
    assert (program.name, program.minimum_group) == ("Acme Rewards", 7)
    stray = client.post(url, {**values, "ready_day": "6"})
    assert errors_of(stray)


def test_only_the_present_program_has_a_page(client: Client) -> None:
    other = make_program("other")
    assert client.get(reverse("admin:partners_program_change", args=[other.pk])).status_code == 404
