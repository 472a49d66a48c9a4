"""Programs and their settings."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from partners.choices import ProgramKind, Stage
from partners.models import Program
from plum_site.lib import audit
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.fields import check_row
from plum_site.lib.models import User
from plum_site.lib.periods import time_zones

# Code, time zone and reporting currency are fixed: the ledger's days and every closed month rest on them.
EDITABLE = (
    "name",
    "kind",
    "stage_order",
    "member_attributes",
    "reporting_attributes",
    "minimum_group",
    "settlement_days",
    "ready_day",
    "report_day",
    "creates_unknown_members",
    "refuses_withdrawn_unlocks",
    "is_demo",
    "ended_date",
)

# What says who somebody is lies in the vault, never among attributes, which reports are broken down by.
SEALED = frozenset({"external_id", "email", "display_name"})


def bump_catalog_revision(*, program_id: int) -> None:
    """
    Tell every cache that the catalog of a program has changed.

    The step is random, so that a change that was rolled back and a later one never share a number.

    Raises: nothing.
    Writes: partners_program.catalog_revision, in the caller's transaction.
    """
    _bump("catalog_revision", program_id)


def bump_people_revision(*, program_id: int) -> None:
    """
    Tell every cache that what is known of a program's members has changed: attributes, or who is behind an outside id.

    Raises: nothing.
    Writes: partners_program.people_revision, in the caller's transaction.
    """
    _bump("people_revision", program_id)


def _bump(name: str, program_id: int) -> None:
    Program.objects.filter(pk=program_id).update(**{name: F(name) + 1 + secrets.randbelow(1_000_000)})


@transaction.atomic
def create_program(
    *,
    code: str,
    name: str,
    kind: str = ProgramKind.EMPLOYEE,
    time_zone: str,
    currency: str,
    actor: User | str,
    at: datetime,
    **settings: Any,
) -> Program:
    """
    Create a program.

    settings: values of any of EDITABLE, and recorded_stages.

    Raises: DomainError (code "program_exists"), InvalidInput.
    Writes: partners_program, plum_auditevent.
    """
    if Program.objects.filter(code=code).exists():
        raise DomainError("program_exists", f"A program {code!r} exists already. Nothing was changed. Choose another code.")
    check_names(settings, {*EDITABLE, "recorded_stages"})
    program = Program(code=code, name=name, kind=kind, time_zone=time_zone, currency=currency, created_at=at, **settings)
    program.recorded_stages = merge_stages([], program.recorded_stages)
    check_program(program)
    program.save()
    after = {"code": code, "name": name, "kind": kind, "time_zone": time_zone, "currency": currency}
    audit.record(program_id=program.pk, actor=actor, action="partners.create_program", row=program, at=at, after=after)
    return program


@transaction.atomic
def update_program(*, program_id: int, changes: dict[str, Any], actor: User | str, at: datetime) -> Program:
    """
    Change settings of a program; values that are the same already are left alone.

    Raises: InvalidInput (code "not_editable" for a setting that is fixed).
    Writes: partners_program and plum_auditevent if something differs.
    """
    check_names(changes, set(EDITABLE))
    program = Program.objects.select_for_update().get(pk=program_id)
    before = {name: getattr(program, name) for name, value in changes.items() if getattr(program, name) != value}
    if not before:
        return program
    for name in before:
        setattr(program, name, changes[name])
    check_program(program)
    program.save(update_fields=list(before))
    audit.record(
        program_id=program_id,
        actor=actor,
        action="partners.update_program",
        row=program,
        at=at,
        before=as_json(before),
        after=as_json({name: changes[name] for name in before}),
    )
    return program


@transaction.atomic
def grow_recorded_stages(*, program_id: int, stages: Iterable[str], actor: User | str, at: datetime) -> list[str]:
    """
    Add stages to those that a program records, and return all of them. The set never shrinks.

    Raises: InvalidInput (code "unknown_stage").
    Writes: partners_program and plum_auditevent if a stage is new.
    """
    program = Program.objects.select_for_update().get(pk=program_id)
    before = program.recorded_stages
    program.recorded_stages = merge_stages(before, stages)
    if program.recorded_stages != before:
        program.save(update_fields=["recorded_stages"])
        audit.record(
            program_id=program_id,
            actor=actor,
            action="partners.grow_recorded_stages",
            row=program,
            at=at,
            before={"recorded_stages": before},
            after={"recorded_stages": program.recorded_stages},
        )
    return program.recorded_stages


def merge_stages(known: Iterable[str], more: Iterable[str]) -> list[str]:
    """All stages of both, in their order; InvalidInput for one that is none."""
    stages = {*known, *more}
    strange = sorted(stages - set(Stage.values))
    if strange:
        raise InvalidInput(
            "unknown_stage", f"{strange[0]!r} is not a stage. Nothing was changed. Stages: {', '.join(Stage.values)}."
        )
    return [stage for stage in Stage.values if stage in stages]


def check_names(settings: dict[str, Any], allowed: set[str]) -> None:
    """InvalidInput for a setting that may not be given."""
    for name in settings:
        if name not in allowed:
            raise InvalidInput("not_editable", f"{name} cannot be changed. Nothing was changed.", {name: "This is fixed."})


def check_program(program: Program) -> None:
    """InvalidInput unless every setting of a program makes sense on its own and beside the others."""
    if program.time_zone not in time_zones():
        sentence = f"{program.time_zone!r} is not an IANA time zone, such as Europe/Berlin."
        raise InvalidInput("invalid_time_zone", sentence, {"time_zone": sentence})
    sealed = sorted(SEALED & set(program.member_attributes))
    if sealed:
        sentence = f"{sealed[0]} is kept encrypted or not at all; it cannot be an attribute. Nothing was changed."
        raise InvalidInput("sealed_attribute", sentence, {"member_attributes": sentence})
    stray = sorted(set(program.reporting_attributes) - set(program.member_attributes))
    if stray:
        sentence = f"{', '.join(stray)}: only kept attributes can be reported by. Keep them first (member_attributes)."
        raise InvalidInput("unknown_attribute", sentence, {"reporting_attributes": sentence})
    check_row(program)


def as_json(values: dict[str, Any]) -> dict[str, Any]:
    """Settings as the audit log writes them: dates as text."""
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()}
