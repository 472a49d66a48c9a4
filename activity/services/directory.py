"""
Who an event's member is, and which attributes they had at that moment.

What is committed is remembered by the process, per program, until a people sync moves the program's `people_revision` on:
so most events cost one look into a dictionary. What a transaction makes itself is its own until it has committed.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from activity.models import AttributeSet, MemberVersion
from activity.services.people import attribute_sets, canonical_values, reported
from activity.services.vault import Person, add_members, find_member_keys
from partners.models import Program

EVER = datetime.min.replace(tzinfo=UTC)
MOST_REMEMBERED = 100_000  # members per process, of all programs: about 30 MB
AT_ONCE = 5000


class Version(NamedTuple):
    """From when on an attribute set holds (EVER: open to the past), its row id and its canonical values."""

    starts_at: datetime
    set_id: int
    text: str


class Entry(NamedTuple):
    """One member: row id, random key, and the versions, the first one apart because most members have no other."""

    member_id: int
    key: bytes
    set_id: int
    text: str
    later: tuple[Version, ...]


class Known:
    """What is committed about the members of one program, as of one people revision."""

    def __init__(self, uuid: UUID, revision: int) -> None:
        self.mark = (uuid, revision)
        self.entries: dict[str, Entry] = {}
        self.texts: dict[int, str] = {}
        self.unknown_set: tuple[int, str] | None = None


_known: dict[int, Known] = {}


def recall(program: Program) -> Known:
    """
    What this process remembers of a program; nothing within an outer transaction, which may see what is never committed.

    program: as it is now; its people revision says whether what is remembered still holds.
    """
    fresh = Known(program.uuid, program.people_revision)
    if connection.in_atomic_block:
        return fresh
    kept = _known.get(program.pk)
    if kept is None or kept.mark != fresh.mark or sum(len(known.entries) for known in _known.values()) > MOST_REMEMBERED:
        if kept is not None and kept.mark == fresh.mark:
            _known.clear()
        kept = _known[program.pk] = fresh
    return kept


class MemberDirectory:
    """The members that one transaction meets. Look up before it begins, create within it, publish when it has committed."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.known = recall(program)
        self.made: dict[str, Entry] = {}
        self._made_unknown: tuple[int, str] | None = None

    def find(self, external_id: str) -> Entry:
        """The entry of a member that was looked up or created; KeyError for any other."""
        return self.known.entries.get(external_id) or self.made[external_id]

    def look_up(self, external_ids: Iterable[str]) -> set[str]:
        """Remember the members that exist; returns the outside ids that nobody has."""
        entries = self.known.entries
        wanted = {external_id for external_id in external_ids if external_id not in entries}
        if wanted:
            entries.update(self._read(find_member_keys(program=self.program, external_ids=wanted)))
        return wanted - entries.keys() if wanted else wanted

    def create(self, external_ids: Iterable[str], at: datetime) -> None:
        """Make pseudonymous members for outside ids that nobody has, in the caller's transaction."""
        people = [Person(external_id) for external_id in external_ids]
        if people:
            members = add_members(program=self.program, people=people, at=at)
            self.made |= self._read({external_id: (row.pk, bytes(row.key)) for external_id, row in members.items()})

    def publish(self) -> None:
        """What was made is committed: the next transactions of this process may know it."""
        self.known.entries.update(self.made)
        self.known.unknown_set = self.known.unknown_set or self._made_unknown

    def set_at(self, entry: Entry, instant: datetime) -> tuple[int, str]:
        """The attribute set in force at an instant, and its values; all unknown where nothing is known."""
        set_id, text = entry.set_id, entry.text
        for version in entry.later:
            if version.starts_at <= instant:
                set_id, text = version.set_id, version.text
        return (set_id, text) if set_id else self._unknown_set()

    def _unknown_set(self) -> tuple[int, str]:
        found = self.known.unknown_set or self._made_unknown
        if found is None:
            [(text, row)] = attribute_sets(program=self.program, wanted=[reported(self.program, {})]).items()
            found = self._made_unknown = (row.pk, text)
        return found

    def _read(self, members: dict[str, tuple[int, bytes]]) -> dict[str, Entry]:
        versions: dict[int, list[tuple[datetime, int]]] = {}
        ids = [member_id for member_id, _ in members.values()]
        for start in range(0, len(ids), AT_ONCE):
            rows = MemberVersion.objects.filter(member_id__in=ids[start : start + AT_ONCE]).order_by("id")
            for member_id, starts_at, set_id in rows.values_list("member_id", "valid_from", "attribute_set_id"):
                versions.setdefault(member_id, []).append((starts_at or EVER, set_id))
        self._learn_texts({set_id for chain in versions.values() for _, set_id in chain})
        return {
            external_id: self._entry(member_id, key, sorted(versions.get(member_id, ()), key=lambda version: version[0]))
            for external_id, (member_id, key) in members.items()
        }

    def _entry(self, member_id: int, key: bytes, chain: list[tuple[datetime, int]]) -> Entry:
        texts = self.known.texts
        first, text = (chain[0][1], texts[chain[0][1]]) if chain and chain[0][0] == EVER else (0, "")
        later = tuple(Version(starts_at, set_id, texts[set_id]) for starts_at, set_id in chain if starts_at != EVER)
        return Entry(member_id, key, first, text, later)

    def _learn_texts(self, set_ids: set[int]) -> None:
        missing = set_ids - self.known.texts.keys()
        if missing:
            rows = AttributeSet.objects.filter(pk__in=missing)
            self.known.texts.update({row.pk: canonical_values(row.values) for row in rows})
