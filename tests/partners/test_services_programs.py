"""Programs and their settings."""

from datetime import date, datetime
from typing import Any

import pytest

from partners.models import Program
from partners.selectors import find_program, get_program, list_programs
from partners.services import bump_catalog_revision, create_program, grow_recorded_stages, update_program
from plum_site.lib.errors import DomainError, InvalidInput, NotFound
from plum_site.lib.models import AuditEvent
from tests.factories.programs import make_program

pytestmark = pytest.mark.django_db


def test_a_program_is_created_with_one_audit_row(at: datetime) -> None:
    program = create_program(
        code="acme",
        name="Acme",
        time_zone="Asia/Kolkata",
        currency="INR",
        recorded_stages=["redeemed", "viewed"],
        actor="system",
        at=at,
    )

    assert get_program("acme") == program
    assert program.recorded_stages == ["viewed", "redeemed"]
    [row] = AuditEvent.objects.all()
    assert (row.action, row.program_id, row.at) == ("partners.create_program", program.pk, at)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"time_zone": "Europe/Atlantis"}, "time_zone"),
        ({"currency": "EURO"}, "currency"),
        ({"currency": "XXX"}, "currency"),
        ({"kind": "club"}, "kind"),
        ({"code": "not a slug"}, "code"),
        ({"reporting_attributes": ["grade"]}, "reporting_attributes"),
        ({"minimum_group": 0}, "__all__"),
        ({"uuid": "mine"}, "uuid"),
    ],
)
def test_a_program_that_makes_no_sense_is_not_created(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        make_program(**settings)

    assert next(iter(refusal.value.fields)) == field
    assert not Program.objects.exists()
    assert not AuditEvent.objects.exists()


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'seen' is not a stage"):
        make_program(recorded_stages=["seen"])


def test_a_code_is_taken_once() -> None:
    make_program()

    with pytest.raises(DomainError) as refusal:
        make_program(name="Other")
    assert refusal.value.code == "program_exists"


def test_an_unknown_code(at: datetime) -> None:
    assert find_program("acme") is None
    with pytest.raises(NotFound, match="There is no program 'acme'"):
        get_program("acme")


def test_programs_are_listed_by_name() -> None:
    make_program("b", name="Alpha")
    make_program("a", name="Beta")

    assert [program.code for program in list_programs()] == ["b", "a"]


def test_a_change_is_audited_with_both_values(at: datetime) -> None:
    program = make_program()

    update_program(program_id=program.pk, changes={"name": "Acme 2", "ended_date": date(2026, 6, 30)}, actor="system", at=at)

    row = AuditEvent.objects.get(action="partners.update_program")
    assert row.before == {"name": "Acme", "ended_date": None}
    assert row.after == {"name": "Acme 2", "ended_date": "2026-06-30"}


def test_the_same_again_writes_nothing(at: datetime) -> None:
    program = make_program()

    update_program(program_id=program.pk, changes={"name": "Acme"}, actor="system", at=at)

    assert not AuditEvent.objects.filter(action="partners.update_program").exists()


@pytest.mark.parametrize("name", ["code", "time_zone", "currency", "recorded_stages", "catalog_revision"])
def test_what_the_ledger_rests_on_is_fixed(name: str, at: datetime) -> None:
    program = make_program()

    with pytest.raises(InvalidInput) as refusal:
        update_program(program_id=program.pk, changes={"name": "Acme 2", name: "x"}, actor="system", at=at)
    assert refusal.value.code == "not_editable"
    assert get_program("acme").name == "Acme"


def test_a_change_that_makes_no_sense_is_rolled_back(at: datetime) -> None:
    program = make_program()

    with pytest.raises(InvalidInput):
        update_program(program_id=program.pk, changes={"name": "Acme 2", "ready_day": 9, "report_day": 5}, actor="system", at=at)
    assert get_program("acme").name == "Acme"


def test_recorded_stages_only_grow(at: datetime) -> None:
    program = make_program()

    assert grow_recorded_stages(program_id=program.pk, stages=["redeemed"], actor="system", at=at) == ["redeemed"]
    assert grow_recorded_stages(program_id=program.pk, stages=["unlocked"], actor="system", at=at) == ["unlocked", "redeemed"]
    assert grow_recorded_stages(program_id=program.pk, stages=[], actor="system", at=at) == ["unlocked", "redeemed"]
    assert AuditEvent.objects.filter(action="partners.grow_recorded_stages").count() == 2


def test_the_catalog_revision_grows_and_never_repeats_after_a_rollback() -> None:
    program = make_program()
    seen = set()
    for _ in range(20):
        Program.objects.filter(pk=program.pk).update(catalog_revision=100)  # as a rollback would leave it
        bump_catalog_revision(program_id=program.pk)
        seen.add(get_program("acme").catalog_revision)

    assert min(seen) > 100
    assert len(seen) > 15
