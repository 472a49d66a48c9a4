"""What a run of people did, or would do: counts that add up, and the first rows of each kind."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from activity.choices import PeopleMode
from activity.rules import MemberRow, PeopleFault
from activity.rules.people import LEAVERS_PERCENT
from plum_site.lib.errors import DomainError

Change = tuple[str, str | None, str | None]  # what, before, after
SHOWN = 200  # rows of each kind that a report names; the counts are of all


class ChangedMember(NamedTuple):
    """One member who differs: (attribute, before, after); before and after are None where the value is for the vault alone."""

    line: int
    external_id: str
    changes: list[Change]


@dataclass
class PeopleReport:
    """
    What the rows did. rows = created + changed + unchanged + rejected + deactivated by a row of their own.

    absent: of the deactivated, those whom a full file did not name. unnamed: rejected rows of which nobody can tell whom
    they mean. returned: of the changed, those who came back. still_inactive: named, inactive, and not called active.
    refusal: why it was, or would be, refused; "" if it was not.
    """

    mode: str = PeopleMode.DELTA
    source: str = ""
    rows: int = 0
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    deactivated: int = 0
    absent: int = 0
    returned: int = 0
    still_inactive: int = 0
    unnamed: int = 0
    active_before: int = 0
    refusal: str = ""
    newcomers: list[tuple[int, str]] = field(default_factory=list)
    changes: list[ChangedMember] = field(default_factory=list)
    leavers: list[str] = field(default_factory=list)
    faults: list[PeopleFault] = field(default_factory=list)

    COUNTS = ("rows", "created", "changed", "unchanged", "rejected", "deactivated", "absent", "returned", "still_inactive")

    def counts(self) -> dict[str, int]:
        """The counts alone, which name nobody."""
        return {name: getattr(self, name) for name in self.COUNTS}

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON; it names people, so it is kept only as long as their file."""
        return asdict(self)

    def writes_anything(self) -> bool:
        """Whether anything differs from what is known."""
        return bool(self.created or self.changed or self.deactivated)

    def add_created(self, row: MemberRow) -> None:
        """Count a newcomer."""
        self.rows, self.created = self.rows + 1, self.created + 1
        if len(self.newcomers) < SHOWN:
            self.newcomers.append((row.line, row.person.external_id))

    def add_changed(self, row: MemberRow, changes: list[Change]) -> None:
        """Count someone of whom something differs."""
        self.rows, self.changed = self.rows + 1, self.changed + 1
        if len(self.changes) < SHOWN:
            self.changes.append(ChangedMember(row.line, row.person.external_id, changes))

    def add_unchanged(self) -> None:
        """Count someone who is known so already."""
        self.rows, self.unchanged = self.rows + 1, self.unchanged + 1

    def add_leaver(self, external_id: str) -> None:
        """Count someone whom a row calls inactive."""
        self.rows, self.deactivated = self.rows + 1, self.deactivated + 1
        if len(self.leavers) < SHOWN:
            self.leavers.append(external_id)

    def add_faults(self, faults: Iterable[PeopleFault]) -> None:
        """Count rows that are not taken."""
        for fault in faults:
            self.rows, self.rejected = self.rows + 1, self.rejected + 1
            self.unnamed += not fault.external_id
            if len(self.faults) < SHOWN:
                self.faults.append(fault)

    def refusal_in_words(self) -> str:
        """Why a full file is not applied as it is, for people; "" where nothing stands against it."""
        sentences = {
            "too_many_leavers": f"{self.deactivated} of {self.active_before} active members would be deactivated, more than "
            f"{LEAVERS_PERCENT} %. Nobody was changed. Check that the file is complete, or confirm that they all left.",
            "unreadable_rows": f"{self.unnamed} rows do not say whom they are about, so nobody can tell who is missing from "
            "this full file. Nobody was changed. Mend these rows, or apply the file as a delta.",
            "names_nobody": "The file names nobody, and a full file of nobody would deactivate everyone. Nobody was changed. "
            "Choose the right file.",
        }
        return sentences.get(self.refusal, "")


class UnableToApplyPeople(DomainError):
    """A full file is refused as it is, and nobody was changed; `report` says what it would have done."""

    def __init__(self, report: PeopleReport) -> None:
        super().__init__(report.refusal, report.refusal_in_words())
        self.report = report
