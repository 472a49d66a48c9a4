"""What is kept about members, and what figures are broken down by at once."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from activity.models import MemberVersion
from activity.selectors.groups import MOST_GROUPS, has_events, measure_groups
from activity.services.people import attribute_sets, canonical_values, reported
from activity.services.vault import lock_creation
from offers.selectors import list_segments
from partners.models import Program
from partners.services import bump_people_revision, update_program
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import User
from plum_site.lib.periods import local_date

LONGEST_NAME = 60
VERSIONS_AT_ONCE = 2000


def change_kept_attributes(*, program_id: int, names: Sequence[str], actor: User | str, at: datetime) -> Program:
    """
    Keep these attributes of members from now on. A new one is unknown of everybody until people come in with it; one that is
    left out is forgotten: its values are removed from every member, in all their versions.

    Raises: InvalidInput (code "invalid_attribute"), DomainError (code "attribute_in_use").
    Writes: partners_program, activity_memberversion, plum_auditevent; one transaction. Nothing if it is so already.
    """
    wanted = [name.strip() for name in names if name.strip()]
    _check_names(wanted)
    with transaction.atomic():
        program = Program.objects.select_for_update().get(pk=program_id)
        lock_creation(program=program)
        removed = [name for name in program.member_attributes if name not in wanted]
        for name in removed:
            _refuse_in_use(program, name)
        if removed:
            _rewrite(program, set(removed))
        return update_program(program_id=program_id, changes={"member_attributes": wanted}, actor=actor, at=at)


def change_reporting_attributes(*, program_id: int, names: Sequence[str], actor: User | str, at: datetime) -> Program:
    """
    Choose what figures are broken down by at once, while nothing is in the history yet.

    Each event carries the combination of reporting attributes of its moment, under its hash; an attribute that is chosen
    later would be unknown in everything before, so once there are events the choice stands.

    Raises: InvalidInput (code "unknown_attribute" or "too_many_groups"), DomainError (code "events_recorded").
    Writes: partners_program, activity_memberversion, activity_attributeset, plum_auditevent; one transaction.
    """
    wanted = list(dict.fromkeys(names))
    with transaction.atomic():
        program = Program.objects.select_for_update().get(pk=program_id)
        if wanted == program.reporting_attributes:
            return program
        lock_creation(program=program)
        if has_events(program):
            raise DomainError(
                "events_recorded",
                "Events are in the history, each with the reporting attributes of its moment. Nothing was changed. Any kept "
                "attribute can still be filtered and broken down by, only slower.",
            )
        strange = [name for name in wanted if name not in program.member_attributes]
        if strange:
            sentence = f"{', '.join(strange)} is not kept about members. Nothing was changed. Keep it first."
            raise InvalidInput("unknown_attribute", sentence, {"reporting_attributes": sentence})
        groups = measure_groups(program, wanted, local_date(at, program.time_zone))
        if wanted and groups.is_too_many:
            sentence = f"{groups.product} combinations are more than {MOST_GROUPS}. Nothing was changed. Choose fewer attributes."
            raise InvalidInput("too_many_groups", sentence, {"reporting_attributes": sentence})
        program = update_program(program_id=program_id, changes={"reporting_attributes": wanted}, actor=actor, at=at)
        _rewrite(program, set())
        return program


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if len(name) > LONGEST_NAME or not name.isprintable() or "," in name:
            sentence = f"{name[:80]!r} is no name for an attribute: 1 to {LONGEST_NAME} printable characters, no comma."
            raise InvalidInput("invalid_attribute", f"{sentence} Nothing was changed.", {"member_attributes": sentence})
    doubled = sorted({name for name in names if list(names).count(name) > 1})
    if doubled:
        sentence = f"{doubled[0]} is named twice. Nothing was changed."
        raise InvalidInput("invalid_attribute", sentence, {"member_attributes": sentence})


def _refuse_in_use(program: Program, name: str) -> None:
    """DomainError if something rests on an attribute; says what."""
    users = [
        f"the segment {segment.name} ({segment.code})"
        for segment in list_segments(program.pk)
        if any(condition["attribute"] == name for condition in segment.rule)
    ]
    if name in program.reporting_attributes:
        users.append("the reporting attributes")
    if users:
        raise DomainError(
            "attribute_in_use",
            f"{name} is used by {' and '.join(users)}. Nothing was changed. Take it out there first.",
            {"member_attributes": f"{name} is used by {' and '.join(users)}."},
        )


def _rewrite(program: Program, removed: set[str]) -> None:
    """Every version without the removed attributes, and with the attribute set that its values now make."""
    bump_people_revision(program_id=program.pk)
    rows = MemberVersion.objects.filter(member__program=program).order_by("id")
    last = 0
    while versions := list(rows.filter(id__gt=last)[:VERSIONS_AT_ONCE]):
        for version in versions:
            version.values = {name: value for name, value in version.values.items() if name not in removed}
        sets = attribute_sets(program=program, wanted=[reported(program, version.values) for version in versions])
        for version in versions:
            version.attribute_set = sets[canonical_values(reported(program, version.values))]
        MemberVersion.objects.bulk_update(versions, ["values", "attribute_set"], batch_size=500)
        last = versions[-1].pk
