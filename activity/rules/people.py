"""Rows about people, whichever door they come in by: flat cells in, a sound row or the fault of it out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from plum_site.lib.errors import InvalidInput

STATE_COLUMNS = ("status", "active")
PERSON_COLUMNS = ("external_id", "email", "display_name", "language", "push_opt_out", "joined_on", *STATE_COLUMNS)
LONGEST = {"external_id": 200, "email": 254, "display_name": 200, "language": 10}
LONGEST_ATTRIBUTE = 200
YES = frozenset({"1", "true", "yes", "y"})
NO = frozenset({"0", "false", "no", "n"})
STATES = {**dict.fromkeys(YES | {"active"}, True), **dict.fromkeys(NO | {"inactive", "left"}, False)}

# Of the active members, so many in a hundred may be missing from a full file before a person has to confirm it.
LEAVERS_PERCENT = 10


@dataclass(frozen=True)
class Person:
    """What the vault keeps of one person. None: not said, so that what is kept already stays; "" takes it away."""

    external_id: str
    email: str | None = None
    display_name: str | None = None
    language: str | None = None
    push_opt_out: bool | None = None


@dataclass(frozen=True)
class MemberRow:
    """
    One row about a member: who, the attributes that it says ("" for unknown), and whether they are active.

    Attributes that it does not name, and None in `is_active` and `joined_date`, stay as they are. line, text: where it
    stands in a file, and how.
    """

    person: Person
    attributes: Mapping[str, str] = field(default_factory=dict)
    is_active: bool | None = None
    joined_date: date | None = None
    line: int = 0
    text: str = ""


class PeopleFault(NamedTuple):
    """A row that is not taken: where it stands, the column at fault, a stable reason, and a sentence for people."""

    line: int
    column: str
    reason: str
    detail: str
    external_id: str = ""
    text: str = ""


def parse_member(cells: Mapping[str, str], attributes: Sequence[str], line: int = 0, text: str = "") -> MemberRow:
    """
    One row of a people file, whose columns are PERSON_COLUMNS and the program's attributes; others are not looked at.

    A column that a program keeps as an attribute is the attribute, whatever its name. Raises InvalidInput, whose field is
    the column at fault.
    """
    kept = {name: cells[name].strip() for name in attributes if name in cells}
    own = {name: cells[name].strip() for name in PERSON_COLUMNS if name in cells and name not in kept}
    person = Person(
        external_id=cells.get("external_id", ""),
        email=own.get("email"),
        display_name=own.get("display_name"),
        language=own.get("language"),
        push_opt_out=_yes_or_no("push_opt_out", own.get("push_opt_out")),
    )
    row = MemberRow(person, kept, _state(own), _day("joined_on", own.get("joined_on", "")), line, text)
    check_member(row)
    return row


def check_member(row: MemberRow) -> None:
    """InvalidInput, with the column at fault, for a row that cannot be kept as it is."""
    external_id = row.person.external_id
    if not external_id.strip() or len(external_id) > LONGEST["external_id"] or not external_id.isprintable():
        raise _fault("external_id", "required", "external_id must be 1 to 200 printable characters.")
    texts = {name: getattr(row.person, name) or "" for name in LONGEST} | dict(row.attributes)
    for name, text in texts.items():
        longest = LONGEST.get(name, LONGEST_ATTRIBUTE) if name not in row.attributes else LONGEST_ATTRIBUTE
        if not text.isprintable() and any(char < " " or char == "\x7f" for char in text):
            raise _fault(name, "invalid", f"{name} contains a control character.")
        if len(text) > longest:
            raise _fault(name, "too_long", f"{name} has {len(text)} characters; Plum keeps {longest} at most.")
    if row.person.email and not _looks_like_address(row.person.email):
        raise _fault("email", "invalid", f"{row.person.email!r} is not an e-mail address.")


def is_too_many(leavers: int, active: int) -> bool:
    """Whether so many leavers among the active members need a person who confirms them."""
    return leavers * 100 > active * LEAVERS_PERCENT


def unknown_columns(columns: Iterable[str], attributes: Sequence[str]) -> list[str]:
    """The columns of a people file that Plum does not store, in their order."""
    return [name for name in columns if name not in PERSON_COLUMNS and name not in attributes]


def _fault(column: str, code: str, sentence: str) -> InvalidInput:
    return InvalidInput(code, sentence, {column: sentence})


def _looks_like_address(text: str) -> bool:
    name, _, host = text.rpartition("@")
    return bool(name) and bool(host) and not any(char.isspace() for char in text)


def _state(cells: Mapping[str, str]) -> bool | None:
    said = {name: STATES.get(cells[name].lower()) for name in STATE_COLUMNS if cells.get(name)}
    for name, state in said.items():
        if state is None:
            raise _fault(name, "invalid", f"{cells[name]!r} in {name} is neither active nor inactive.")
    if len(set(said.values())) > 1:
        raise _fault("status", "contradicts", "status and active say different things.")
    return next(iter(said.values()), None)


def _yes_or_no(column: str, text: str | None) -> bool | None:
    if text is None:
        return None
    if text.lower() not in YES | NO | {""}:
        raise _fault(column, "invalid", f"{text!r} in {column} is neither yes nor no.")
    return text.lower() in YES


def _day(column: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise _fault(column, "invalid", f"{text!r} in {column} is not a day, such as 2026-03-01.") from None
