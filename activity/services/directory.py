"""Who an event's member is, and which attributes they had at that moment: looked up once per member and load."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from activity.models import AttributeSet, MemberVersion
from activity.services.people import attribute_sets, canonical_values, reported
from activity.services.vault import Person, add_members, find_member_keys
from partners.models import Program

EVER = datetime.min.replace(tzinfo=UTC)


class Entry(NamedTuple):
    """One member: row id, random key, and the attribute sets in force from each instant on (None: ever)."""

    member_id: int
    key: bytes
    versions: tuple[tuple[datetime | None, int], ...]


class MemberDirectory:
    """
    Members of one program by outside id, remembered between the batches of one load.

    `entries` grows with `look_up` and `create`; `set_texts` gives the canonical values of every attribute set met.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.entries: dict[str, Entry] = {}
        self.set_texts: dict[int, str] = {}
        self.unknown_set_id = 0

    def look_up(self, external_ids: Iterable[str]) -> set[str]:
        """Remember the members that exist; returns the outside ids that nobody has."""
        wanted = {external_id for external_id in external_ids if external_id not in self.entries}
        if wanted:
            self._remember(find_member_keys(program=self.program, external_ids=wanted))
        return {external_id for external_id in wanted if external_id not in self.entries}

    def create(self, external_ids: Iterable[str], at: datetime) -> None:
        """Make pseudonymous members for outside ids that nobody has, in the caller's transaction."""
        people = [Person(external_id) for external_id in external_ids]
        if people:
            members = add_members(program=self.program, people=people, at=at)
            self._remember({external_id: (member.pk, bytes(member.key)) for external_id, member in members.items()})

    def forget(self) -> None:
        """Drop what was remembered: a transaction that made members was rolled back."""
        self.entries.clear()
        self.set_texts.clear()
        self.unknown_set_id = 0

    def attribute_set_at(self, entry: Entry, instant: datetime) -> int:
        """The attribute set in force at an instant; that of all-unknown where nothing is known."""
        chosen = 0
        for valid_from, attribute_set_id in entry.versions:
            if valid_from is None or valid_from <= instant:
                chosen = attribute_set_id
        return chosen or self.unknown_set()

    def unknown_set(self) -> int:
        """The attribute set in which every reporting attribute is unknown."""
        if not self.unknown_set_id:
            [(text, row)] = attribute_sets(program=self.program, wanted=[reported(self.program, {})]).items()
            self.unknown_set_id = row.pk
            self.set_texts[row.pk] = text
        return self.unknown_set_id

    def _remember(self, members: dict[str, tuple[int, bytes]]) -> None:
        versions: dict[int, list[tuple[datetime | None, int]]] = {}
        ids = [member_id for member_id, _ in members.values()]
        for start in range(0, len(ids), 5000):
            rows = MemberVersion.objects.filter(member_id__in=ids[start : start + 5000]).order_by("id")
            for member_id, valid_from, set_id in rows.values_list("member_id", "valid_from", "attribute_set_id"):
                versions.setdefault(member_id, []).append((valid_from, set_id))
        for external_id, (member_id, key) in members.items():
            chain = sorted(versions.get(member_id, ()), key=lambda version: version[0] or EVER)
            self.entries[external_id] = Entry(member_id, key, tuple(chain))
        self._learn_sets({set_id for chain in versions.values() for _, set_id in chain})

    def _learn_sets(self, set_ids: set[int]) -> None:
        missing = set_ids - self.set_texts.keys()
        if missing:
            rows = AttributeSet.objects.filter(pk__in=missing)
            self.set_texts.update({row.pk: canonical_values(row.values) for row in rows})
