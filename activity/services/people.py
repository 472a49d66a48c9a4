"""Members come in: created, and given a new attribute version where what is known of them changed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from django.db import transaction

from activity.models import AttributeSet, Member, MemberVersion
from activity.services.vault import Person, add_members, find_members, lock_creation
from partners.models import Program
from plum_site.lib import audit
from plum_site.lib.models import User


@dataclass(frozen=True)
class MemberRow:
    """One row of a people file: who, and the kept attributes ("" for unknown)."""

    person: Person
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PeopleCounts:
    """What a people file did: every row is exactly one of the three."""

    created: int
    changed: int
    unchanged: int


def canonical_values(values: Mapping[str, str]) -> str:
    """The one text form of attribute values: JSON, keys sorted, no spaces, UTF-8."""
    return json.dumps(dict(values), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def attribute_sets(*, program: Program, wanted: Iterable[Mapping[str, str]]) -> dict[str, AttributeSet]:
    """
    The attribute set of each combination, made where it is new, by canonical text; in the caller's transaction.

    Raises: nothing of its own.
    Writes: activity_attributeset.
    """
    by_text = {canonical_values(values): dict(values) for values in wanted}
    digests = {sha256(text.encode()).digest(): text for text in by_text}

    def known() -> dict[str, AttributeSet]:
        rows = AttributeSet.objects.filter(program=program, digest__in=list(digests))
        return {digests[bytes(row.digest)]: row for row in rows}

    found = known()
    missing = [text for text in sorted(by_text) if text not in found]
    if missing:
        rows = [AttributeSet(program=program, values=by_text[text], digest=sha256(text.encode()).digest()) for text in missing]
        AttributeSet.objects.bulk_create(rows, ignore_conflicts=True)
        found = known()
    return found


def reported(program: Program, values: Mapping[str, str]) -> dict[str, str]:
    """The reporting attributes among a member's values; "" for those that are unknown."""
    return {name: values.get(name, "") for name in program.reporting_attributes}


def save_members(*, program: Program, rows: Sequence[MemberRow], actor: User | str, at: datetime) -> PeopleCounts:
    """
    Create the members that are new and add an attribute version to those that changed, in one transaction.

    A member's first version is open to the past; later ones begin at `at`. Nobody is deactivated: this is a delta.
    Raises: nothing of its own.
    Writes: activity_member, activity_vaultentry, activity_memberversion, activity_attributeset, plum_auditevent.
    """
    with transaction.atomic():
        lock_creation(program=program)
        known = find_members(program=program, external_ids=[row.person.external_id for row in rows])
        members = known | add_members(program=program, people=[row.person for row in rows], at=at)
        latest = _latest_values([member.pk for member in known.values()])
        kept = [{name: row.attributes.get(name, "") for name in program.member_attributes} for row in rows]
        sets = attribute_sets(program=program, wanted=[reported(program, values) for values in kept])
        versions, changed = [], 0
        for row, values in zip(rows, kept, strict=True):
            member = members[row.person.external_id]
            before = latest.get(member.pk)
            if before == values:
                continue
            changed += row.person.external_id in known
            attribute_set = sets[canonical_values(reported(program, values))]
            valid_from = at if before is not None else None
            versions.append(MemberVersion(member=member, valid_from=valid_from, values=values, attribute_set=attribute_set))
            latest[member.pk] = values
        MemberVersion.objects.bulk_create(versions, batch_size=2000)
        created = len(members) - len(known)
        if created or changed:
            counts = {"created": created, "changed": changed, "rows": len(rows)}
            audit.record(program_id=program.pk, actor=actor, action="activity.save_members", row=program, at=at, after=counts)
    return PeopleCounts(created=created, changed=changed, unchanged=len(rows) - created - changed)


def _latest_values(member_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    latest: dict[int, dict[str, str]] = {}
    for start in range(0, len(member_ids), 5000):
        versions = MemberVersion.objects.filter(member_id__in=member_ids[start : start + 5000]).order_by("member_id", "id")
        latest.update({version.member_id: version.values for version in versions})
    return latest


def find_member(*, program: Program, external_id: str) -> Member | None:
    """
    The member behind an outside id, or None.

    Raises: nothing of its own.
    Writes: nothing.
    """
    return find_members(program=program, external_ids=[external_id]).get(external_id)
