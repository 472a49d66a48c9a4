"""The playbook: which diagnosis leads to which proposal, its versions, and the page on which its lines are edited."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse

from plum_site.lib.admin import Button, allowed, go, page, person_of, program_of, show
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.people import names_of
from plum_site.lib.present import NO_DATA, Table, badge, instant
from reviews.choices import ActionKind
from reviews.forms import LineForm, PlacingForm, begin_line, read_number
from reviews.models import Playbook
from reviews.rules.actions import (
    MOST_LINES,
    PlacingSpec,
    PlaybookLine,
    check_playbook,
    default_playbook,
    read_lines,
    say_line,
    say_placing,
)
from reviews.selectors.actions import list_playbook_versions, read_playbook
from reviews.services.actions import HANDLINGS, save_playbook

NEW = {"months": 1, "kind": ActionKind.CONTACT_PARTNER, "audience": "everyone", "how": "top"}
NOTHING = "Nothing is proposed by rule."
NOT_SENT_ON = ("do", "csrfmiddlewaretoken")
FIRST_MATCH = "The first line that fits is taken. Nothing is ever proposed for what is nobody's fault."


@page("playbook/", name="action_playbook", operation="review.read", title="Playbook")
def show_playbook(request: HttpRequest) -> HttpResponse:
    """What is in force, and every version before."""
    program = program_of(request)
    in_force = read_playbook(program.pk)
    edit = Button("Edit the playbook", reverse("admin:write_playbook"), is_primary=True)
    number = f"version {in_force.number}" if in_force.number else "what every program begins with"
    rows = [[str(place), say_line(line)] for place, line in enumerate(in_force.lines, 1)]
    return show(
        request,
        "plum/page.html",
        title="Playbook",
        intro="What is proposed when a flag opens and when its month is over, by its diagnosis. A proposal changes nothing by "
        "itself: somebody approves it, or not.",
        buttons=[edit] if allowed(request, "rule.edit") else [],
        tables=[
            Table(f"In force: {number}", ["Line", "What it says"], rows, NOTHING, note=FIRST_MATCH),
            Table("For segments, once a month is over", ["What it says"], [[said] for said in say_placing(in_force.placing)]),
            make_history(list(list_playbook_versions(program.pk))),
        ],
    )


@page("playbook/write/", name="write_playbook", operation="rule.edit")
def write_playbook(request: HttpRequest) -> HttpResponse:
    """The lines, each with its fields."""
    in_force = read_playbook(program_of(request).pk)
    forms = make_forms([begin_line(line) for line in in_force.lines], kinds_of(in_force.lines))
    return show_editor(request, forms, PlacingForm(spec=in_force.placing))


@page("playbook/change/", name="change_playbook", operation="rule.edit", method="POST")
def change_playbook(request: HttpRequest) -> HttpResponse:
    """Add, move or remove a line on the page, which saves nothing; or look at what would change."""
    rows, kinds = rows_of(request.POST), kinds_of(read_playbook(program_of(request).pk).lines)
    do, _, place = request.POST.get("do", "").partition(":")
    if do == "look":
        return ask(request)
    at = int(place) if place.isdecimal() and len(place) < 5 else -1
    if do == "add" and len(rows) < MOST_LINES:
        rows.append(dict(NEW))
    elif do == "remove" and 0 <= at < len(rows):
        rows.pop(at)
    elif do == "up" and 0 < at < len(rows):
        rows[at - 1], rows[at] = rows[at], rows[at - 1]
    elif do == "down" and 0 <= at < len(rows) - 1:
        rows[at + 1], rows[at] = rows[at], rows[at + 1]
    return show_editor(request, make_forms(rows, kinds), read_placing(request))


@page("playbook/save/", name="save_playbook", operation="rule.edit", method="POST")
def save(request: HttpRequest) -> HttpResponse:
    """One service call, if nobody has saved another version meanwhile."""
    program = program_of(request)
    replaces = read_number(request.POST.get("number", ""))
    lines, forms = read_sent(request)
    placing = read_placing(request)
    if not placing.is_valid() or lines is None:
        return show_editor(request, forms, placing)
    try:
        row = save_playbook(
            program_id=program.pk,
            lines=lines,
            placing=placing.read(),
            actor=person_of(request),
            at=now(),
            replaces=replaces,
        )
    except DomainError as error:
        messages.error(request, error.detail)
        if error.code == "changed_since":
            return go(request, "action_playbook")
        return show_editor(request, forms, placing)
    messages.success(request, f"{row} is in force for flags from now on.")
    return go(request, "action_playbook")


def ask(request: HttpRequest) -> HttpResponse:
    """What the next version says, against what is in force, before it is saved."""
    in_force = read_playbook(program_of(request).pk)
    lines, forms = read_sent(request)
    placing = read_placing(request)
    if not placing.is_valid() or lines is None:
        return show_editor(request, forms, placing)
    spec = placing.read()
    if (lines, spec) == (in_force.lines, in_force.placing):
        messages.info(request, "That is what is in force already. Nothing was saved.")
        return go(request, "action_playbook")
    return show(
        request,
        "reviews/playbook_ask.html",
        title=f"Put version {in_force.number + 1} of the playbook in force",
        intro="It counts for flags that open from now on, and for months that are over from now on. What was proposed stays.",
        sent=[(name, value) for name, value in request.POST.items() if name not in NOT_SENT_ON],
        action=reverse("admin:save_playbook"),
        again=reverse("admin:change_playbook"),
        changes=[
            Table(
                "The next version",
                ["Line", "What it says", "What is new"],
                list_lines(in_force.lines, lines),
                "Nothing is proposed by rule.",
            ),
            Table("For segments", ["Now", "Afterwards"], pair_sentences(say_placing(in_force.placing), say_placing(spec))),
            Table("No longer there", ["Line", "What it said"], list_gone(in_force.lines, lines), "Every line of before stays."),
        ],
        back_url=reverse("admin:action_playbook"),
        back_label="Playbook",
    )


def show_editor(request: HttpRequest, forms: Sequence[LineForm], placing: PlacingForm) -> HttpResponse:
    """The page with the lines; each begins with what it says."""
    in_force = read_playbook(program_of(request).pk)
    lines = [(form, say_form(form), index) for index, form in enumerate(forms)]
    return show(
        request,
        "reviews/playbook_form.html",
        title="Edit the playbook",
        intro=f"{FIRST_MATCH} Adding, moving and removing change this page only; nothing is in force before you looked at it.",
        lines=lines,
        last=len(lines) - 1,
        placing=placing,
        number=request.POST.get("number", str(in_force.number)),
        action=reverse("admin:change_playbook"),
        back_url=reverse("admin:action_playbook"),
        back_label="Playbook",
    )


def say_form(form: LineForm) -> str:
    """What a line says as it was last read; "" where it cannot be read."""
    probe = LineForm({name: form[name].value() for name in form.fields}, kinds=form.kinds)
    if not probe.is_valid():
        return ""
    return say_line(probe.read())


def make_forms(rows: Sequence[Mapping[str, Any]], kinds: list[tuple[str, str]]) -> list[LineForm]:
    """One form for each line, not judged yet."""
    return [LineForm(initial=dict(row), prefix=str(index), kinds=kinds) for index, row in enumerate(rows)]


def rows_of(data: QueryDict) -> list[dict[str, Any]]:
    """The lines as they were sent, in their order."""
    number = data.get("lines", "")
    lines = min(int(number), MOST_LINES) if number.isdecimal() and len(number) < 5 else 0
    return [{name: data.get(f"{index}-{name}", "") for name in LineForm.base_fields} for index in range(lines)]


def read_sent(request: HttpRequest) -> tuple[list[PlaybookLine] | None, list[LineForm]]:
    """The lines that were sent, or None; and the forms, with what is wrong at its line."""
    kinds = kinds_of(read_playbook(program_of(request).pk).lines)
    forms = [LineForm(request.POST, prefix=str(index), kinds=kinds) for index, _ in enumerate(rows_of(request.POST))]
    if not all(form.is_valid() for form in forms):
        return None, forms
    lines = [form.read() for form in forms]
    try:
        check_playbook(lines)
    except InvalidInput as error:
        for name, sentence in error.fields.items():
            place = int(name.removeprefix("line ")) - 1
            forms[place].add_error(None, sentence)
        return None, forms
    return lines, forms


def read_placing(request: HttpRequest) -> PlacingForm:
    """What was sent for segments."""
    return PlacingForm(request.POST, spec=read_playbook(program_of(request).pk).placing)


def pair_sentences(left: Sequence[str], right: Sequence[str]) -> list[list[str]]:
    """What two versions say, sentence beside sentence."""
    return [[*pair] for pair in zip_longest(left, right, fillvalue="")]


def kinds_of(lines: Sequence[PlaybookLine]) -> list[tuple[str, str]]:
    """The kinds that a line may propose: those that can be carried out, and those that stand in the playbook already."""
    standing = {line.kind for line in lines}
    return [(kind.value, kind.label) for kind in ActionKind if kind in HANDLINGS or kind in standing]


def list_lines(before: Sequence[PlaybookLine], after: Sequence[PlaybookLine]) -> list[list[Any]]:
    """The lines of the next version, with what is new about each."""
    rows: list[list[Any]] = []
    for place, line in enumerate(after, 1):
        if line not in before:
            mark: Any = badge("new", "info")
        else:
            mark = NO_DATA if before.index(line) == place - 1 else f"was line {before.index(line) + 1}"
        rows.append([str(place), say_line(line), mark])
    return rows


def list_gone(before: Sequence[PlaybookLine], after: Sequence[PlaybookLine]) -> list[list[Any]]:
    """The lines that the next version does not have any more."""
    return [[str(place), say_line(line)] for place, line in enumerate(before, 1) if line not in after]


def make_history(versions: list[Playbook]) -> Table:
    """Every version, newest first, with what it brought and took away."""
    names: Mapping[str, str] = names_of(row.made_by for row in versions)
    rows = []
    for index, row in enumerate(versions):
        before = read_lines(versions[index + 1].lines) if index + 1 < len(versions) else default_playbook()
        lines = read_lines(row.lines)
        new = [f"New: {say_line(line)}" for line in lines if line not in before]
        gone = [f"Gone: {say_line(line)}" for line in before if line not in lines]
        state = badge("in force", "good") if index == 0 else NO_DATA
        placing = PlacingSpec.from_json(row.placing)
        then = PlacingSpec.from_json(versions[index + 1].placing) if index + 1 < len(versions) else PlacingSpec()
        segments = [] if placing == then else ["For segments:", *say_placing(placing)]
        said = " ".join(new + gone + segments) or "The lines stand in another order."
        rows.append([f"Version {row.number}", state, said, instant(row.made_at), names[row.made_by]])
    headers = ["Version", "State", "What it changed", "When", "Who"]
    return Table("Versions, newest first", headers, rows, "Nobody has changed the playbook yet.")
