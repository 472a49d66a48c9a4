"""The vault: sealing and opening the link between a member and the outside world."""

import os
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from activity.models import Member, VaultEntry
from activity.rules import Person
from activity.services.driver import raw_cursor
from partners.models import Program
from plum_site.lib import keys

AT_ONCE = 5000  # look-ups in one query
SEALED_FIELDS, PLAIN_FIELDS = ("email", "display_name"), ("language", "push_opt_out")


def lookup_of(program_uuid: UUID, external_id: str) -> bytes:
    """The 32-byte HMAC under which an outside id is found in its program, and in no other."""
    return keys.digest(keys.program_key(program_uuid, "lookup"), external_id)


def find_members(*, program: Program, external_ids: Iterable[str]) -> dict[str, Member]:
    """
    The members behind outside ids; unknown ids are left out.

    Raises: nothing of its own.
    Writes: nothing.
    """
    by_lookup = {lookup_of(program.uuid, external_id): external_id for external_id in external_ids}
    entries = VaultEntry.objects.filter(program=program).select_related("member").only("lookup", "member")
    lookups = list(by_lookup)
    return {
        by_lookup[bytes(entry.lookup)]: entry.member
        for start in range(0, len(lookups), AT_ONCE)
        for entry in entries.filter(lookup__one_of=lookups[start : start + AT_ONCE])
    }


def find_entries(*, program: Program, external_ids: Iterable[str]) -> dict[str, VaultEntry]:
    """
    The vault entries behind outside ids, each with its member; unknown ids are left out.

    Raises: nothing of its own.
    Writes: nothing.
    """
    by_lookup = {lookup_of(program.uuid, external_id): external_id for external_id in external_ids}
    entries = VaultEntry.objects.filter(program=program).select_related("member")
    lookups = list(by_lookup)
    return {
        by_lookup[bytes(entry.lookup)]: entry
        for start in range(0, len(lookups), AT_ONCE)
        for entry in entries.filter(lookup__one_of=lookups[start : start + AT_ONCE])
    }


class Standing(NamedTuple):
    """Who is behind an outside id: row id, random key, and the attribute sets from each instant on (None: ever), in order."""

    member_id: int
    key: bytes
    versions: list[tuple[datetime | None, int]]


# One look into each index for every id: what the planner makes of a list of ids depends on statistics that a new program lacks.
FIND_STANDINGS = """
SELECT o, v.member_id, m.key, w.valid_from, w.attribute_set_id
FROM (SELECT %b::bytea AS packed) t, generate_series(1, %b::int, 32) o,
LATERAL (
  SELECT member_id FROM activity_vaultentry WHERE program_id = %b::bigint AND lookup = substr(t.packed, o, 32) LIMIT 1
) v,
LATERAL (SELECT key FROM activity_member WHERE id = v.member_id LIMIT 1) m
LEFT JOIN LATERAL (
  SELECT valid_from, attribute_set_id FROM activity_memberversion WHERE member_id = v.member_id OFFSET 0
) w ON TRUE
"""


def find_standings(*, program: Program, external_ids: Iterable[str]) -> dict[str, Standing]:
    """
    The members behind outside ids as an event needs them; unknown ids are left out.

    Raises: nothing of its own.
    Writes: nothing.
    """
    names = list(external_ids)
    lookups = [lookup_of(program.uuid, name) for name in names]
    found: dict[str, Standing] = {}
    if connection.vendor == "postgresql":
        packed = b"".join(lookups)
        with raw_cursor(binary=True) as cursor:
            cursor.execute(FIND_STANDINGS, [packed, len(packed), program.pk], prepare=True)
            rows = [(names[place // 32], *rest) for place, *rest in cursor.fetchall()]
    else:
        by_lookup = dict(zip(lookups, names, strict=True))
        entries = VaultEntry.objects.filter(program=program).values_list(
            "lookup", "member_id", "member__key", "member__versions__valid_from", "member__versions__attribute_set_id"
        )
        rows = [
            (by_lookup[bytes(lookup)], *rest)
            for start in range(0, len(lookups), AT_ONCE)
            for lookup, *rest in entries.filter(lookup__one_of=lookups[start : start + AT_ONCE])
        ]
    for name, member_id, key, valid_from, set_id in rows:
        standing = found.get(name)
        if standing is None:
            standing = found[name] = Standing(member_id, bytes(key), [])
        if set_id is not None:
            standing.versions.append((valid_from, set_id))
    for standing in found.values():
        if len(standing.versions) > 1:
            standing.versions.sort(key=lambda version: (version[0] is not None, version[0]))
    return found


def add_members(*, program: Program, people: Iterable[Person], at: datetime) -> dict[str, Member]:
    """
    Make a member and a vault entry for each person who has none, in the caller's transaction; returns all by outside id.

    Two transactions that meet the same unknown person agree: the look-up is unique, and the later one takes the
    earlier one's member.
    Raises: nothing of its own.
    Writes: activity_member, activity_vaultentry.
    """
    wanted = {person.external_id: person for person in people}
    found = find_members(program=program, external_ids=wanted)
    missing = [wanted[external_id] for external_id in sorted(wanted) if external_id not in found]
    if not missing:
        return found
    lock_creation(program=program)
    found |= find_members(program=program, external_ids=[person.external_id for person in missing])
    missing = [person for person in missing if person.external_id not in found]
    made = Member.objects.bulk_create(
        [Member(program=program, key=os.urandom(16), created_at=at) for _ in missing], batch_size=1000
    )
    entries = [_entry(program, member, person) for member, person in zip(made, missing, strict=True)]
    VaultEntry.objects.bulk_create(entries, batch_size=1000)
    return found | {person.external_id: member for member, person in zip(made, missing, strict=True)}


def lock_creation(*, program: Program) -> None:
    """
    One creator of members at a time in a program, until the end of the transaction; SQLite has one writer anyway.

    Raises: nothing of its own.
    Writes: nothing.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('activity_member'), %s)", [program.pk])


def _entry(program: Program, member: Member, person: Person) -> VaultEntry:
    own_key = os.urandom(32)

    return VaultEntry(
        member=member,
        program=program,
        lookup=lookup_of(program.uuid, person.external_id),
        wrapped_key=keys.seal(keys.program_key(program.uuid, "vault"), own_key),
        external_id_sealed=keys.seal(own_key, person.external_id.encode()),
        email_sealed=_sealed(own_key, person.email),
        display_name_sealed=_sealed(own_key, person.display_name),
        language=person.language or "",
        push_opt_out=bool(person.push_opt_out),
    )


def _sealed(own_key: bytes, text: str | None) -> bytes | None:
    return keys.seal(own_key, text.encode()) if text else None


def reseal(*, program: Program, entry: VaultEntry, person: Person) -> list[str]:
    """
    Put what is said of a person into their entry, which the caller saves; the names of the fields that differed.

    Raises: InvalidTag, if the master key is not the one it was sealed with.
    Writes: nothing; the entry's fields are set.
    """
    said = {name: getattr(person, name) for name in PLAIN_FIELDS if getattr(person, name) is not None}
    changed = [name for name, value in said.items() if getattr(entry, name) != value]
    for name in changed:
        setattr(entry, name, said[name])
    sealed = {name: getattr(person, name) for name in SEALED_FIELDS if getattr(person, name) is not None}
    if not sealed:
        return changed
    own_key = keys.unseal(keys.program_key(program.uuid, "vault"), bytes(entry.wrapped_key))
    for name, text in sealed.items():
        kept = getattr(entry, f"{name}_sealed")
        if text != (keys.unseal(own_key, bytes(kept)).decode() if kept else ""):
            setattr(entry, f"{name}_sealed", _sealed(own_key, text))
            changed.append(name)
    return changed


def open_external_id(*, program: Program, entry: VaultEntry) -> str:
    """
    The outside id of a member, from the vault.

    Raises: cryptography's InvalidTag, if the master key is not the one it was sealed with.
    Writes: nothing.
    """
    own_key = keys.unseal(keys.program_key(program.uuid, "vault"), bytes(entry.wrapped_key))
    return keys.unseal(own_key, bytes(entry.external_id_sealed)).decode()


class Address(NamedTuple):
    """Where one member is written to. It is read when a message leaves, and kept nowhere."""

    name: str
    email: str


def open_address(*, program: Program, member_id: int) -> Address | None:
    """
    Name and e-mail address of a member, from the vault; None where there is none (any more).

    Raises: cryptography's InvalidTag, if the master key is not the one they were sealed with.
    Writes: nothing.
    """
    entry = VaultEntry.objects.filter(program=program, member=member_id).first()
    if entry is None or entry.email_sealed is None:
        return None
    own_key = keys.unseal(keys.program_key(program.uuid, "vault"), bytes(entry.wrapped_key))
    name = keys.unseal(own_key, bytes(entry.display_name_sealed)).decode() if entry.display_name_sealed else ""
    return Address(name, keys.unseal(own_key, bytes(entry.email_sealed)).decode())


def open_external_ids(*, program: Program, member_ids: Iterable[int]) -> dict[int, str]:
    """
    The outside ids of some members, by row id, from the vault; who was erased is left out.

    Raises: cryptography's InvalidTag, if the master key is not the one they were sealed with.
    Writes: nothing.
    """
    entries = VaultEntry.objects.filter(program=program, member__in=list(member_ids))
    return {entry.member_id: open_external_id(program=program, entry=entry) for entry in entries}
