"""What a check found and what applying did, as cards and tables."""

from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from activity.choices import ImportState
from activity.models import Import
from plum_site.lib.present import NO_DATA, Table, count

WOULD = {
    "created": "new",
    "changed": "changed",
    "deactivated": "deactivated",
    "unchanged": "as they are",
    "received": "read",
    "taken": "taken",
    "accepted": "new events",
    "duplicate": "known already",
    "conflict": "in conflict",
    "rejected": "rejected",
}
VAULT_WORDS = {"email": "e-mail address", "display_name": "name", "language": "language", "push_opt_out": "opt-out of messages"}
SHOWN = 200


@dataclass(frozen=True)
class Card:
    """The counts of one file: its name, and (word, count) from the most to the least interesting."""

    title: str
    rows: int | None
    figures: list[tuple[str, Any]]
    notes: list[str]


def list_count_cards(brought: Import) -> list[Card]:
    """One card a file; of what was done, else of what would be."""
    counts = (brought.result or brought.findings or {}).get("counts", {})
    return [_card(name, figures) for name, figures in counts.items()]


def _card(name: str, figures: dict[str, int]) -> Card:
    shown = [(word, count(figures[key])) for key, word in WOULD.items() if key in figures]
    notes = []
    if absent := figures.get("absent"):
        notes.append(f"{absent} of the deactivated are not in the file.")
    if returned := figures.get("returned"):
        notes.append(f"{returned} of the changed come back: the file calls them active.")
    if still := figures.get("still_inactive"):
        notes.append(f"{still} rows are about members who left; they stay inactive unless a row says active.")
    return Card(name, figures.get("rows"), shown, notes)


def list_tables(brought: Import, report: dict[str, Any]) -> list[Table]:
    """The first rows of each kind, as long as they are kept."""
    tables = []
    people = report.get("people")
    done = brought.state == ImportState.APPLIED
    if people:
        tables += _people_tables(people, done)
    elif faults := report.get("faults"):
        rows = [[name, line, column or NO_DATA, detail] for name, line, column, detail in faults]
        title = "Rows that were not taken" if done else "Rows that cannot be taken"
        total = (brought.result or brought.findings or {}).get("rejected", len(rows))
        tables.append(_first(title, ["File", "Line", "Column", "Why"], rows, total))
    for name, changes in (report.get("changes") or {}).items():
        if changes:
            tables.append(_changes_table(name, changes))
    return tables


def _people_tables(people: dict[str, Any], done: bool) -> list[Table]:
    would = "" if done else "would be "
    tables = []
    if people["leavers"]:
        rows: list[list[Any]] = [[external_id] for external_id in people["leavers"]]
        tables.append(_first(f"{_of(people, 'deactivated')} {would}deactivated", ["Member"], rows, people["deactivated"]))
    if people["changes"]:
        rows = [[external_id, line or NO_DATA, _show_changes(changes)] for line, external_id, changes in people["changes"]]
        tables.append(
            _first(f"{_of(people, 'changed')} {would}changed", ["Member", "Line", "What differs"], rows, people["changed"])
        )
    if people["newcomers"]:
        rows = [[external_id, line or NO_DATA] for line, external_id in people["newcomers"]]
        tables.append(_first(f"{_of(people, 'created')} new", ["Member", "Line"], rows, people["created"]))
    if people["faults"]:
        rows = [[line, column or NO_DATA, detail] for line, column, _reason, detail, *_ in people["faults"]]
        title = f"{_of(people, 'rejected')} {'not taken' if done else 'would not be taken'}"
        tables.append(_first(title, ["Line", "Column", "Why"], rows, people["rejected"]))
    return tables


def _of(people: dict[str, Any], name: str) -> str:
    return str(count(people[name]))


def _first(title: str, headers: list[str], rows: list[list[Any]], total: int) -> Table:
    note = f"The first {len(rows)} of {count(total)}." if total > len(rows) else ""
    return Table(title, headers, rows, note=note)


def _show_changes(changes: list[list[Any]]) -> SafeString:
    if not changes:
        return format_html("{}", "known from events; attributes now start")
    return format_html_join(", ", "{}", ((_show_change(*change),) for change in changes))


def _show_change(name: str, before: str | None, after: str | None) -> SafeString:
    if before is None and after is None:
        return format_html("{}", VAULT_WORDS.get(name, name))
    return format_html("{}: <del>{}</del> <ins>{}</ins>", name.replace("_", " "), before or "unknown", after or "unknown")


def _changes_table(name: str, changes: list[dict[str, Any]]) -> Table:
    rows = [[change["external_id"], "new" if change["is_new"] else "changed", _show_cells(change)] for change in changes]
    note = f"The first {SHOWN}." if len(changes) == SHOWN else ""
    return Table(f"{name}: what is new or changed", ["Id", "", "Values"], rows, note=note)


def _show_cells(change: dict[str, Any]) -> SafeString:
    if change["is_new"]:
        return format_html_join(", ", "{}: {}", ((name, after) for name, _, after in change["cells"] if name != "external_id"))
    return format_html_join(", ", "{}", ((_show_change(*cell),) for cell in change["cells"]))
