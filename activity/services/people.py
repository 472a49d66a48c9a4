"""The one door for people: whoever brings them, by file or by API, members are created, changed and deactivated here."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Any

from django.db import transaction

from activity.choices import MemberState, PeopleMode
from activity.models import AttributeSet, Member, MemberVersion, VaultEntry
from activity.rules import MemberRow, PeopleFault, is_too_many
from activity.services.known_people import find_known, says_nothing_new
from activity.services.people_report import SHOWN, Change, PeopleReport, UnableToApplyPeople
from activity.services.quarantine import REPLAY
from activity.services.vault import (
    PLAIN_FIELDS,
    SEALED_FIELDS,
    add_members,
    find_entries,
    find_members,
    lock_creation,
    open_external_id,
    reseal,
)
from partners.models import Program
from partners.services import bump_people_revision
from plum_site.lib import audit, jobs
from plum_site.lib.models import User

ROWS_AT_ONCE = 5000


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


def without_repeats(*, rows: Iterable[MemberRow | PeopleFault]) -> Iterator[MemberRow | PeopleFault]:
    """
    The rows of one file, where a second row about the same person becomes a fault: the first row counts.

    Raises: nothing of its own.
    Writes: nothing.
    """
    seen: dict[str, int] = {}
    for row in rows:
        external_id = row.person.external_id if isinstance(row, MemberRow) else ""
        if isinstance(row, MemberRow) and external_id in seen:
            first = f"line {seen[external_id]}" if seen[external_id] else "the first row"
            sentence = f"{external_id} stands in the file twice; {first} counts."
            yield PeopleFault(row.line, "external_id", "repeated", sentence, external_id, row.text)
            continue
        if isinstance(row, MemberRow):
            seen[external_id] = row.line
        yield row


def apply_people(
    *,
    program: Program,
    rows: Iterable[MemberRow | PeopleFault],
    source: str,
    mode: str = PeopleMode.DELTA,
    actor: User | str,
    at: datetime,
    dry_run: bool = False,
    allow_leavers: bool = False,
    progress: Callable[[int], None] = lambda done: None,
    on_fault: Callable[[PeopleFault], None] = lambda fault: None,
) -> PeopleReport:
    """
    The one door for people: create who is new, change what differs, deactivate who left; all of it or nothing.

    mode: "delta" leaves those that the rows do not name as they are; "full" deactivates every active member whom they do
    not name. Whoever is inactive comes back only by a row that says active. A first attribute version is open to the past,
    later ones begin at `at`. rows: checked by `parse_member`; faults among them are counted and returned, the other rows
    are kept. dry_run: the same report, and nothing is written. on_fault: told of every row that is not taken.

    A full file is refused where more than LEAVERS_PERCENT of the active members would be deactivated, unless a person
    allowed it (allow_leavers); and always where it names nobody, or has a row of which nobody can tell whom it means.

    Raises: UnableToApplyPeople, not in a dry run: there `report.refusal` says why.
    Writes: activity_member, activity_vaultentry, activity_memberversion, activity_attributeset,
    partners_program.people_revision; plum_auditevent, once for the rows and once for each member who left or came back.
    Nothing where nothing differs.
    Source: docs/operations/people.md
    """
    report = PeopleReport(mode=mode, source=source)
    with nullcontext() if dry_run else transaction.atomic():
        if not dry_run:
            lock_creation(program=program)
        door = _Door(program, report, at, dry_run, on_fault)
        stream = without_repeats(rows=rows)
        while part := list(islice(stream, ROWS_AT_ONCE)):
            door.take(part)
            progress(report.rows)
        if mode == PeopleMode.FULL:
            door.find_leavers()
            report.refusal = _refusal(report, allow_leavers)
        if dry_run:
            return report
        if report.refusal:
            raise UnableToApplyPeople(report)
        door.deactivate()
        door.log(actor, allow_leavers)
        if report.created:
            jobs.wake(REPLAY, program_id=program.pk)  # what waited for them
    return report


def _refusal(report: PeopleReport, allow_leavers: bool) -> str:
    if report.unnamed:
        return "unreadable_rows"
    if not report.created + report.changed + report.unchanged:
        return "names_nobody"
    if is_too_many(report.deactivated, report.active_before) and not allow_leavers:
        return "too_many_leavers"
    return ""


class _Door:
    """One run of apply_people: what is known, what differs, what has to be written."""

    def __init__(
        self,
        program: Program,
        report: PeopleReport,
        at: datetime,
        dry_run: bool,
        on_fault: Callable[[PeopleFault], None],
    ) -> None:
        self.program, self.report, self.at, self.dry_run, self.on_fault = program, report, at, dry_run, on_fault
        self.named: set[int] = set()  # members that the rows name, sound or not
        self.left: list[Member] = []
        self.returned: list[Member] = []
        report.active_before = Member.objects.filter(program=program, state=MemberState.ACTIVE).count()

    def take(self, rows: Sequence[MemberRow | PeopleFault]) -> None:
        """Find out what differs in some rows, and write it unless this is a rehearsal; leavers wait for the end."""
        faults = [row for row in rows if isinstance(row, PeopleFault)]
        people = self._leave_out_unchanged([row for row in rows if isinstance(row, MemberRow)])
        wanted = [row.person.external_id for row in people] + [fault.external_id for fault in faults if fault.external_id]
        known = find_entries(program=self.program, external_ids=wanted)
        self.named.update(entry.member_id for entry in known.values())
        self.report.add_faults(faults)
        for fault in faults:
            self.on_fault(fault)
        latest = _latest_versions([entry.member_id for entry in known.values()])
        versions: list[tuple[str, datetime | None, dict[str, str]]] = []
        resealed: list[VaultEntry] = []
        touched: list[Member] = []
        newcomers: list[MemberRow] = []
        for row in people:
            entry = known.get(row.person.external_id)
            if entry is None:
                newcomers.append(row)
                versions.append((row.person.external_id, None, self._kept({}, row)))
                continue
            version = latest.get(entry.member_id)
            before = version.values if version else {}
            values = self._kept(before, row)
            changes: list[Change] = [
                (name, before.get(name, ""), value) for name, value in values.items() if before.get(name, "") != value
            ]
            if changes or version is None:
                versions.append((row.person.external_id, self._begins(version), values))
            hidden = reseal(program=self.program, entry=entry, person=row.person)
            if hidden:
                resealed.append(entry)
            joined = self._set_joined(entry.member, row)
            touched += [entry.member] if joined else []
            changes += [(name, None, None) for name in hidden] + joined
            self._settle(row, entry.member, changes, is_first=version is None)
        for row in newcomers:
            self.report.add_created(row)
        if not self.dry_run:
            self._write(known, newcomers, versions, resealed, touched)

    def _leave_out_unchanged(self, people: Sequence[MemberRow]) -> list[MemberRow]:
        """Without those who are known just so; they are counted."""
        known = find_known(program=self.program, external_ids=[row.person.external_id for row in people])
        others = []
        for row in people:
            person = known.get(row.person.external_id)
            if person and says_nothing_new(row=row, known=person, attributes=self.program.member_attributes):
                self.named.add(person.member_id)
                self.report.add_unchanged()
            else:
                others.append(row)
        return others

    def _kept(self, before: Mapping[str, str], row: MemberRow) -> dict[str, str]:
        """The kept attributes after a row: what it says, else what was known."""
        return {name: row.attributes.get(name, before.get(name, "")) for name in self.program.member_attributes}

    def _begins(self, version: MemberVersion | None) -> datetime | None:
        """From when on a new version holds: the first one ever, later ones now, but always after the one before."""
        if version is None:
            return None
        return max(self.at, version.valid_from + timedelta(microseconds=1)) if version.valid_from else self.at

    def _set_joined(self, member: Member, row: MemberRow) -> list[Change]:
        before = member.joined_date
        if row.joined_date is None or row.joined_date == before:
            return []
        member.joined_date = row.joined_date
        return [("joined_on", before.isoformat() if before else "", row.joined_date.isoformat())]

    def _settle(self, row: MemberRow, member: Member, changes: list[Change], *, is_first: bool) -> None:
        """Count a row of a known member as exactly one of deactivated, changed and unchanged."""
        is_active = member.state == MemberState.ACTIVE
        if is_active and row.is_active is False:
            self.left.append(member)
            self.report.add_leaver(row.person.external_id)
            return
        if not is_active and row.is_active:
            self.returned.append(member)
            self.report.returned += 1
            changes = [*changes, ("state", MemberState.INACTIVE.value, MemberState.ACTIVE.value)]
        elif not is_active:
            self.report.still_inactive += 1
        if changes or is_first:
            self.report.add_changed(row, changes)
        else:
            self.report.add_unchanged()

    def _write(
        self,
        known: Mapping[str, VaultEntry],
        newcomers: Sequence[MemberRow],
        versions: Sequence[tuple[str, datetime | None, dict[str, str]]],
        resealed: Sequence[VaultEntry],
        touched: Sequence[Member],
    ) -> None:
        made = add_members(program=self.program, people=[row.person for row in newcomers], at=self.at)
        members = {external_id: entry.member for external_id, entry in known.items()} | made
        self.named.update(member.pk for member in made.values())
        for row in newcomers:
            member = made[row.person.external_id]
            member.joined_date = row.joined_date
            if row.is_active is False:  # someone who left before Plum heard of them: the history keeps its attributes
                member.state, member.deactivated_at = MemberState.INACTIVE, self.at
        special = [made[row.person.external_id] for row in newcomers if row.joined_date or row.is_active is False]
        Member.objects.bulk_update([*touched, *special], ["joined_date", "state", "deactivated_at"], batch_size=500)
        sets = attribute_sets(program=self.program, wanted=[reported(self.program, values) for _, _, values in versions])
        MemberVersion.objects.bulk_create(
            [
                MemberVersion(
                    member=members[external_id],
                    valid_from=valid_from,
                    values=values,
                    attribute_set=sets[canonical_values(reported(self.program, values))],
                )
                for external_id, valid_from, values in versions
            ],
            batch_size=2000,
        )
        if versions:
            bump_people_revision(program_id=self.program.pk)
        fields = [*PLAIN_FIELDS, *(f"{name}_sealed" for name in SEALED_FIELDS)]
        VaultEntry.objects.bulk_update(resealed, fields, batch_size=200)

    def find_leavers(self) -> None:
        """The active members whom no row names."""
        active = Member.objects.filter(program=self.program, state=MemberState.ACTIVE).order_by("pk")
        absent = [member for member in active.iterator(chunk_size=ROWS_AT_ONCE) if member.pk not in self.named]
        self.left += absent
        self.report.absent = len(absent)
        self.report.deactivated += len(absent)
        room = max(SHOWN - len(self.report.leavers), 0)
        entries = VaultEntry.objects.filter(member__in=absent[:room]).order_by("member_id")
        self.report.leavers += [open_external_id(program=self.program, entry=entry) for entry in entries]

    def deactivate(self) -> None:
        """Write who left and who came back."""
        for member in self.left:
            member.state, member.deactivated_at = MemberState.INACTIVE, self.at
        for member in self.returned:
            member.state, member.deactivated_at = MemberState.ACTIVE, None
        Member.objects.bulk_update([*self.left, *self.returned], ["state", "deactivated_at"], batch_size=500)

    def log(self, actor: User | str, allow_leavers: bool) -> None:
        """The audit rows: who left, who came back, and one for the whole."""
        if not self.report.writes_anything():
            return
        about: dict[str, Any] = {"program_id": self.program.pk, "actor": actor, "at": self.at}
        active, inactive = {"state": MemberState.ACTIVE.value}, {"state": MemberState.INACTIVE.value}
        audit.record_each(action="activity.deactivate_member", rows=self.left, before=active, after=inactive, **about)
        audit.record_each(action="activity.reactivate_member", rows=self.returned, before=inactive, after=active, **about)
        after = self.report.counts() | {"mode": self.report.mode, "source": self.report.source}
        if allow_leavers and is_too_many(self.report.deactivated, self.report.active_before):
            after["confirmed_leavers"] = self.report.deactivated
        audit.record(action="activity.apply_people", row=self.program, after=after, **about)


def _latest_versions(member_ids: Sequence[int]) -> dict[int, MemberVersion]:
    latest: dict[int, MemberVersion] = {}
    for start in range(0, len(member_ids), 5000):
        versions = MemberVersion.objects.filter(member__id__one_of=member_ids[start : start + 5000]).order_by("member_id", "id")
        latest.update({version.member_id: version for version in versions})
    return latest


def find_member(*, program: Program, external_id: str) -> Member | None:
    """
    The member behind an outside id, or None.

    Raises: nothing of its own.
    Writes: nothing.
    """
    return find_members(program=program, external_ids=[external_id]).get(external_id)
