"""Saving partners: files, one by one, owners and the seasonal index."""

from datetime import date, datetime
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from partners.choices import PartnerState
from partners.models import Category, Partner, PartnerTransition, Program
from partners.rules import PartnerRow, SavedRows, SeasonalRow
from partners.selectors import get_partner, get_seasonal_index, list_categories, list_partners
from partners.services import save_partner, save_partners, save_seasonal_index, set_partner_owner
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import AuditEvent
from tests.factories.partners import make_partner
from tests.factories.programs import make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

ROWS = [PartnerRow("P1", "Alpha", "food", "DE"), PartnerRow("P2", "Beta", "travel", "AT")]


@pytest.fixture
def program() -> Program:
    return make_program()


def audit_rows(action: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action).order_by("id"))


def test_a_file_creates_partners_categories_and_their_history(program: Program, at: datetime) -> None:
    counts = save_partners(program_id=program.pk, rows=ROWS, actor="system", at=at)

    assert counts == SavedRows(created=2, changed=0, unchanged=0)
    assert [(partner.external_id, partner.category.code, partner.state) for partner in list_partners(program.pk)] == [
        ("P1", "food", PartnerState.ACTIVE),
        ("P2", "travel", PartnerState.ACTIVE),
    ]
    assert [category.code for category in list_categories(program.pk)] == ["food", "travel"]
    assert set(PartnerTransition.objects.values_list("name", "from_state", "to_state")) == {("create", "", "active")}
    [row] = audit_rows("partners.save_partners")
    assert row.after == {"created": 2, "changed": 0, "unchanged": 0}


def test_the_same_file_again_writes_nothing(program: Program, at: datetime) -> None:
    save_partners(program_id=program.pk, rows=ROWS, actor="system", at=at)
    before = (AuditEvent.objects.count(), Program.objects.get().catalog_revision)

    with CaptureQueriesContext(connection) as queries:
        counts = save_partners(program_id=program.pk, rows=ROWS, actor="system", at=at)

    assert counts == SavedRows(created=0, changed=0, unchanged=2)
    assert (AuditEvent.objects.count(), Program.objects.get().catalog_revision) == before
    assert not [query["sql"] for query in queries if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


def test_a_changed_row_is_audited_with_both_values(program: Program, at: datetime) -> None:
    save_partners(program_id=program.pk, rows=ROWS, actor="system", at=at)
    revision = Program.objects.get().catalog_revision

    counts = save_partners(program_id=program.pk, rows=[PartnerRow("P1", "Alpha GmbH", "home", "DE")], actor="system", at=at)

    assert (counts.created, counts.changed, counts.unchanged) == (0, 1, 0)
    [row] = audit_rows("partners.save_partner")
    assert row.before == {"name": "Alpha", "category": "food"}
    assert row.after == {"name": "Alpha GmbH", "category": "home"}
    assert Program.objects.get().catalog_revision > revision
    assert get_partner(program.pk, "P2").name == "Beta"


def test_faulty_rows_come_back_and_the_others_are_kept(program: Program, at: datetime) -> None:
    rows = [PartnerRow("P1", "", "food"), PartnerRow("P2", "Beta", "food"), PartnerRow("P2", "Again", "food")]

    counts = save_partners(program_id=program.pk, rows=rows, actor="system", at=at)

    assert [(fault.index, fault.error.code) for fault in counts.faults] == [(0, "required"), (2, "named_twice")]
    assert list(list_partners(program.pk).values_list("name", flat=True)) == ["Beta"]


def test_many_partners_take_few_statements(program: Program, at: datetime) -> None:
    rows = [PartnerRow(f"P{number}", f"Partner {number}", f"c{number % 9}") for number in range(400)]

    with CaptureQueriesContext(connection) as queries:
        save_partners(program_id=program.pk, rows=rows, actor="system", at=at)

    assert len(queries) < 25


def test_one_partner_is_created_changed_and_left_alone(program: Program, at: datetime) -> None:
    row = {"program_id": program.pk, "external_id": "P1", "category": "food", "country": "DE", "actor": "system", "at": at}

    outcomes = [save_partner(name=name, **row)[1] for name in ("Alpha", "Alpha", "Omega")]

    assert outcomes == ["created", "unchanged", "changed"]
    assert get_partner(program.pk, "P1").name == "Omega"


def test_one_faulty_partner_is_refused(program: Program, at: datetime) -> None:
    with pytest.raises(InvalidInput, match="country"):
        make_partner(program, country="Germany")
    assert not Partner.objects.exists()
    assert not Category.objects.exists()


def test_programs_do_not_see_each_other(program: Program, at: datetime) -> None:
    other = make_program("other")
    make_partner(program, name="Here")
    make_partner(other, name="There")

    assert get_partner(program.pk, "P1").name == "Here"
    with pytest.raises(NotFound):
        get_partner(other.pk, "P2")


def test_nothing_is_left_of_a_load_that_fails(program: Program, at: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**kwargs: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("partners.services.partners.audit.record", fail)

    with pytest.raises(RuntimeError, match="disk is full"):
        save_partners(program_id=program.pk, rows=ROWS, actor="system", at=at)
    assert not Partner.objects.exists()
    assert not Category.objects.exists()


def test_an_owner_is_set_once_and_audited(program: Program, at: datetime) -> None:
    partner = make_partner(program)
    user = get_user_model().objects.create(username="otis")

    for _ in range(2):
        set_partner_owner(partner_id=partner.pk, owner=user, actor=user, at=at)

    assert get_partner(program.pk, "P1").owner == user
    [row] = audit_rows("partners.set_partner_owner")
    assert (row.actor, row.before, row.after) == (f"user:{user.pk}", {"owner": None}, {"owner": user.pk})


def test_nobody_can_own_who_has_left(program: Program, at: datetime) -> None:
    partner = make_partner(program)
    user = get_user_model().objects.create(username="otis", is_active=False)

    with pytest.raises(InvalidInput) as refusal:
        set_partner_owner(partner_id=partner.pk, owner=user, actor="system", at=at)
    assert refusal.value.code == "inactive_owner"
    with pytest.raises(NotFound):
        set_partner_owner(partner_id=partner.pk + 1, owner=None, actor="system", at=at)


def test_a_seasonal_index_is_saved_changed_and_left_alone(program: Program, at: datetime) -> None:
    make_partner(program)
    march = date(2026, 3, 1)

    def save(*rows: SeasonalRow) -> SavedRows:
        return save_seasonal_index(program_id=program.pk, rows=rows, actor="system", at=at)

    assert save(SeasonalRow("food", march, Decimal("1.2"))) == SavedRows(1, 0, 0)
    assert save(SeasonalRow("food", march, Decimal("1.200"))) == SavedRows(0, 0, 1)
    assert save(SeasonalRow("food", march, Decimal("0.9"))) == SavedRows(0, 1, 0)
    assert get_seasonal_index(program.pk) == {("food", march): Decimal("0.9")}
    assert len(audit_rows("partners.save_seasonal_index")) == 2


def test_seasonal_rows_that_cannot_be_saved(program: Program, at: datetime) -> None:
    make_partner(program)
    good = SeasonalRow("food", date(2026, 3, 1), Decimal(1))
    rows = [good, good, SeasonalRow("fod", date(2026, 3, 1), Decimal(1)), SeasonalRow("food", date(2026, 4, 1), Decimal(0))]

    counts = save_seasonal_index(program_id=program.pk, rows=rows, actor="system", at=at)

    assert [(fault.index, fault.error.code) for fault in counts.faults] == [
        (1, "named_twice"),
        (2, "unknown_category"),
        (3, "invalid_index"),
    ]
    assert counts.created == 1
