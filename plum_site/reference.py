"""
The pages of docs/ that are made from the code: by `manage.py write_reference`, and compared with the code by a test.
"""

from collections.abc import Callable, Mapping

import msgspec

from activity.api.descriptions import event_schema_document, message_schema_document
from activity.rules.codes import ITEM_CODES, WARNING_CODES
from plum_site.api import describe_api
from plum_site.lib.access import ANYONE, OPERATOR, SIGNED_IN, Operation, operations
from plum_site.lib.choices import Role, Scope
from plum_site.schedule import write_schedule

OPEN_TO = {ANYONE: "anyone", SIGNED_IN: "anyone with a role in some program", OPERATOR: "operators"}
PEOPLE = {role.value: role.label for role in Role}


def write_event_schema() -> str:
    """docs/event.schema.json: one event as it is sent over HTTP."""
    return msgspec.json.format(msgspec.json.encode(event_schema_document()), indent=2).decode() + "\n"


def write_message_schema() -> str:
    """docs/message.schema.json: one message as it is sent over HTTP."""
    return msgspec.json.format(msgspec.json.encode(message_schema_document()), indent=2).decode() + "\n"


def write_openapi() -> str:
    """docs/reference/openapi.json: the API."""
    return describe_api().decode()


def write_event_codes() -> str:
    """docs/reference/event-codes.md: why an event or a message is not taken."""
    lines = [
        "# Why an event is not taken",
        "",
        "Made from `activity/rules/codes.py` by `manage.py write_reference`; tests compare it with the code that gives them.",
        "",
        "The answer to `POST /api/v1/events` has a result for every event that was not simply accepted: its `index` in the",
        "request, its `id`, its `status`, and for one that was rejected or is in conflict the `code`, a `pointer` to the place",
        "and a `detail` for people. A rejects file has the same codes.",
        "",
        "| code | meaning |",
        "| --- | --- |",
        *(f"| `{code}` | {meaning} |" for code, meaning in ITEM_CODES.items()),
        "",
        "An event that was accepted may carry a `warning`:",
        "",
        "| warning | meaning |",
        "| --- | --- |",
        *(f"| `{code}` | {meaning} |" for code, meaning in WARNING_CODES.items()),
    ]
    return "\n".join(lines) + "\n"


def write_permissions() -> str:
    """docs/reference/permissions.md: who may do what, for people who read."""
    rows = operations().values()
    lines = [
        "# Who may do what",
        "",
        "Made from `plum_site/permissions.yaml` by `manage.py write_reference`; a test compares the two.",
        "Whatever is not listed is refused.",
        "",
        "Rights hold inside one program and nowhere else: a person has the roles that were granted in that program, a token the",
        "scopes it was made with. What belongs to another program is answered like something that does not exist. An operator",
        "(Django's superuser) runs the installation and may do in every program whatever at least one role may do; sending",
        "events is for tokens alone. ✎ marks what changes something.",
        "",
        "## People",
        "",
        f"| operation | {' | '.join(PEOPLE.values())} |",
        f"| --- | {' | '.join('---' for _ in PEOPLE)} |",
    ]
    lines += [describe_for_people(row) for row in rows if row.roles]
    lines += ["", "## API tokens", "", "| scope | what it is for | operations |", "| --- | --- | --- |"]
    lines += [describe_scope(scope, [row for row in rows if scope.value in row.scopes]) for scope in Scope]
    lines += ["", "## Open", "", "| operation | to whom |", "| --- | --- |"]
    lines += [f"| {name(row)} | {OPEN_TO[row.open_to]} |" for row in rows if row.open_to]
    lines += ["", "## Addresses", "", "| address | operation |", "| --- | --- |"]
    lines += [f"| `{route}` | `{row.id}` |" for row in rows for route in row.routes]
    return "\n".join(lines) + "\n"


def name(row: Operation) -> str:
    """An operation in words, with its id."""
    return f"{row.title}{' ✎' if row.writes else ''} (`{row.id}`)"


def describe_for_people(row: Operation) -> str:
    """One line of the table of roles."""
    return f"| {name(row)} | {' | '.join('yes' if role in row.roles else '–' for role in PEOPLE)} |"


def describe_scope(scope: Scope, rows: list[Operation]) -> str:
    """One line of the table of scopes."""
    return f"| `{scope.value}` | {scope.label} | {', '.join(f'`{row.id}`' for row in rows)} |"


# Path under the checkout to the function that writes it.
PAGES: Mapping[str, Callable[[], str]] = {
    "docs/event.schema.json": write_event_schema,
    "docs/message.schema.json": write_message_schema,
    "docs/reference/event-codes.md": write_event_codes,
    "docs/reference/openapi.json": write_openapi,
    "docs/reference/permissions.md": write_permissions,
    "docs/reference/schedule.md": write_schedule,
}
