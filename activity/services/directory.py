"""
Who an event's member is, and which attributes they had at that moment.

What is committed is remembered by the process, per program, until a people sync moves the program's `people_revision` on:
so most events cost one look into a dictionary. What a transaction makes itself is its own until it has committed.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from struct import Struct
from uuid import UUID

from django.db import connection

from activity.models import AttributeSet
from activity.services.people import attribute_sets, canonical_values, reported
from activity.services.vault import Person, Standing, add_members, find_standings
from partners.models import Program

MOST_REMEMBERED = 150_000  # members per process, of all programs: about 25 MB
PLAIN = Struct("!q16sq")  # row id, key, attribute set (0: nothing is known)


# Who a member is at one moment: row id, random key, attribute set and its canonical values.
Member = tuple[int, bytes, int, str]


class Known:
    """
    What is committed about the members of one program, as of one people revision.

    plain: members whose attributes never changed, as packed bytes, because there are many. changed: the others.
    """

    def __init__(self, uuid: UUID, revision: int) -> None:
        self.mark = (uuid, revision)
        self.plain: dict[str, bytes] = {}
        self.changed: dict[str, Standing] = {}
        self.values: dict[int, str] = {}
        self.unknown_set: tuple[int, str] | None = None

    def __len__(self) -> int:
        return len(self.plain) + len(self.changed)

    def forget_half(self) -> None:
        """Forget those that were met first."""
        for members in (self.plain, self.changed):
            for name in list(members)[: len(members) // 2 + 1]:
                members.pop(name, None)


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
    if kept is None or kept.mark != fresh.mark:
        kept = _known[program.pk] = fresh
    if sum(map(len, _known.values())) > MOST_REMEMBERED:
        for known in list(_known.values()):
            known.forget_half()
    return kept


class MemberDirectory:
    """
    The members that one transaction meets. Look up before it begins, create within it, publish when it has committed.

    What was looked up is held until then, whatever the process forgets meanwhile.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.known = recall(program)
        self.plain: dict[str, bytes] = {}
        self.changed: dict[str, Standing] = {}
        self._made: dict[str, Standing] = {}
        self._made_unknown: tuple[int, str] | None = None

    def look_up(self, external_ids: Iterable[str]) -> set[str]:
        """Find the members that exist; returns the outside ids that nobody has."""
        known = self.known
        wanted = []
        for external_id in external_ids:
            packed = known.plain.get(external_id)
            if packed is not None:
                self.plain[external_id] = packed
            elif external_id in known.changed:
                self.changed[external_id] = known.changed[external_id]
            else:
                wanted.append(external_id)
        if not wanted:
            return set()
        found = find_standings(program=self.program, external_ids=wanted)
        self._take(found)
        keep(found, known.plain, known.changed)
        return {external_id for external_id in wanted if external_id not in found}

    def create(self, external_ids: Iterable[str], at: datetime) -> None:
        """Make pseudonymous members for outside ids that nobody has, in the caller's transaction."""
        people = [Person(external_id) for external_id in external_ids]
        if people:
            add_members(program=self.program, people=people, at=at)
            # Not as they were made: another transaction may have been faster, and have given one of them attributes.
            self._made = find_standings(program=self.program, external_ids=[person.external_id for person in people])
            self._take(self._made)

    def publish(self) -> None:
        """What was made is committed: the next transactions of this process may know it."""
        keep(self._made, self.known.plain, self.known.changed)
        self.known.unknown_set = self.known.unknown_set or self._made_unknown

    def member_at(self, external_id: str, instant: datetime) -> Member:
        """Who a member that was looked up or created is at an instant; KeyError for any other."""
        packed = self.plain.get(external_id)
        if packed is not None:
            member_id, key, set_id = PLAIN.unpack(packed)
            return (member_id, key, set_id, self.known.values[set_id]) if set_id else self._unknown(member_id, key)
        standing = self.changed[external_id]
        set_id = 0
        for starts_at, version_set_id in standing.versions:
            if starts_at is None or starts_at <= instant:
                set_id = version_set_id
        if not set_id:
            return self._unknown(standing.member_id, standing.key)
        return standing.member_id, standing.key, set_id, self.known.values[set_id]

    def _unknown(self, member_id: int, key: bytes) -> Member:
        found = self.known.unknown_set or self._made_unknown
        if found is None:
            [(text, row)] = attribute_sets(program=self.program, wanted=[reported(self.program, {})]).items()
            found = self._made_unknown = (row.pk, text)
        return member_id, key, *found

    def _take(self, standings: Mapping[str, Standing]) -> None:
        keep(standings, self.plain, self.changed)
        missing = {set_id for row in standings.values() for _, set_id in row.versions} - self.known.values.keys()
        if missing:
            rows = AttributeSet.objects.filter(pk__in=missing)
            self.known.values.update({row.pk: canonical_values(row.values) for row in rows})


def keep(standings: Mapping[str, Standing], plain: dict[str, bytes], changed: dict[str, Standing]) -> None:
    """Put members where they belong: packed if their attributes never changed, else as they are."""
    for external_id, standing in standings.items():
        versions = standing.versions
        if not versions or (len(versions) == 1 and versions[0][0] is None):
            plain[external_id] = PLAIN.pack(standing.member_id, standing.key, versions[0][1] if versions else 0)
        else:
            changed[external_id] = standing
