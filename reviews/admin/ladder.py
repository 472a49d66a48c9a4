"""The ladder: its rule and versions, who is where, and keeping a partner from being moved up."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from partners.models import Partner
from plum_site.lib.admin import Button, allowed, go, page, person_of, program_of, refuse, show, try_to, url_of
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.panels import panel
from plum_site.lib.people import names_of
from plum_site.lib.periods import local_date
from plum_site.lib.present import NO_DATA, Table, badge, instant
from reviews.admin.playbooks import pair_sentences
from reviews.choices import LadderName
from reviews.forms import HoldForm, LadderForm, read_number
from reviews.models import LadderVersion
from reviews.pages.ladder import make_changes, make_moves, make_rungs, say_hold, say_months, show_rung
from reviews.rules.ladder import RUNGS, LadderRule, say_judgement, say_ladder
from reviews.selectors.ladder import (
    find_hold,
    list_holds,
    list_ladder_versions,
    list_moves,
    list_moves_of,
    preview_rungs,
    read_ladder,
    read_rungs,
)
from reviews.services import end_hold, hold_on_ladder, save_ladder

LAST_MOVES = 50
LAST_MOVES_OF_ONE = 10
EVERYBODY = "what every program begins with"


@page("ladder/", name="ladder", operation="review.read", title="Ladder")
def show_ladder(request: HttpRequest) -> HttpResponse:
    """What is in force, who is where, who moved, and every version before."""
    program = program_of(request)
    in_force = read_ladder(program.pk)
    edit = Button("Change the ladder", reverse("admin:write_ladder"), is_primary=True)
    number = f"version {in_force.number}" if in_force.number else EVERYBODY
    holds = {hold.partner_id: hold for hold in list_holds(program.pk, local_date(now(), program.time_zone))}
    return show(
        request,
        "plum/page.html",
        title="Ladder",
        intro="When a partner that stays poor is put on notice, gets an improvement plan, and is due to be replaced; and when "
        "it is active again. It moves by rule alone, when a review is closed. People restore a partner, or hold it where it is.",
        buttons=[edit] if allowed(request, "rule.edit") else [],
        tables=[
            Table(f"In force: {number}", ["What it says"], [[line] for line in say_ladder(in_force.rule)]),
            make_rungs(read_rungs(program.pk, in_force.rule), holds),
            make_moves(f"The last {LAST_MOVES} steps", list(list_moves(program.pk)[:LAST_MOVES]), "Nobody has moved yet."),
            make_history(list(list_ladder_versions(program.pk))),
        ],
    )


@page("ladder/write/", name="write_ladder", operation="rule.edit")
def write_ladder(request: HttpRequest, form: LadderForm | None = None) -> HttpResponse:
    """The form of the next version."""
    in_force = read_ladder(program_of(request).pk)
    return show(
        request,
        "reviews/approvals_form.html",
        title="Change the ladder",
        intro="It counts for reviews that are closed from now on. Nobody moves by saving it.",
        form=form or LadderForm(rule=in_force.rule),
        number=in_force.number,
        action=reverse("admin:ask_ladder"),
        back_url=reverse("admin:ladder"),
        back_label="Ladder",
    )


@page("ladder/ask/", name="ask_ladder", operation="rule.edit", method="POST")
def ask_ladder(request: HttpRequest) -> HttpResponse:
    """What the next version says, and who would be on which rung, before it is saved."""
    program = program_of(request)
    in_force = read_ladder(program.pk)
    form = LadderForm(request.POST, rule=in_force.rule)
    if request.POST.get("do") == "again" or not form.is_valid():
        return write_ladder(request, form)
    rule = form.read()
    if rule == in_force.rule:
        messages.info(request, "That is what is in force already. Nothing was saved.")
        return go(request, "ladder")
    before, after = preview_rungs(program.pk, in_force.rule), preview_rungs(program.pk, rule)
    return show(
        request,
        "reviews/playbook_ask.html",
        title=f"Put version {in_force.number + 1} of the ladder in force",
        sent=[(name, value) for name in (*form.fields, "number") for value in request.POST.getlist(name)],
        changes=[
            Table("What it says", ["Now", "Afterwards"], pair_sentences(say_ladder(in_force.rule), say_ladder(rule))),
            make_changes(before, after, read_rungs(program.pk, in_force.rule)),
        ],
        action=reverse("admin:save_ladder"),
        again=reverse("admin:ask_ladder"),
        back_url=reverse("admin:ladder"),
        back_label="Ladder",
    )


@page("ladder/save/", name="save_ladder", operation="rule.edit", method="POST")
def save(request: HttpRequest) -> HttpResponse:
    """One service call, if nobody has saved another version meanwhile."""
    program = program_of(request)
    form = LadderForm(request.POST, rule=read_ladder(program.pk).rule)
    if not form.is_valid():
        return write_ladder(request, form)
    number = read_number(request.POST.get("number", ""))

    def act() -> str:
        row = save_ladder(program_id=program.pk, rule=form.read(), actor=person_of(request), at=now(), replaces=number)
        return f"{row} is in force for reviews that are closed from now on."

    try_to(request, act)
    return go(request, "ladder")


@page("ladder/<int:pk>/hold/", name="ask_hold", operation="ladder.hold")
def ask_hold(request: HttpRequest, pk: int, form: HoldForm | None = None) -> HttpResponse:
    """Until when a partner stays where it is, and why."""
    partner = partner_or_404(request, pk)
    hold = find_hold(partner.pk, local_date(now(), partner.program.time_zone))
    return show(
        request,
        "plum/ask.html",
        title=f"Hold {partner} on the ladder",
        intro="Until then no closing of a review moves it up; what the rule asks for is kept beside the review. It may still "
        f"come back down. {say_hold(hold) if hold else ''}".strip(),
        form=form or HoldForm(initial={"until": hold.until_date, "reason": hold.reason} if hold else {}),
        action=reverse("admin:save_hold", args=[pk]),
        submit="Hold it",
        back_url=url_of(partner),
        back_label=partner.name,
    )


@page("ladder/<int:pk>/held/", name="save_hold", operation="ladder.hold", method="POST")
def save_hold(request: HttpRequest, pk: int) -> HttpResponse:
    """One service call."""
    partner, form = partner_or_404(request, pk), HoldForm(request.POST)
    if not form.is_valid():
        return ask_hold_again(request, pk, form)
    try:
        given = form.cleaned_data
        hold_on_ladder(
            partner_id=partner.pk, until_date=given["until"], reason=given["reason"], actor=person_of(request), at=now()
        )
    except DomainError as error:
        refuse(form, error)
        return ask_hold_again(request, pk, form)
    messages.success(request, f"{partner} is held where it is until {given['until']}.")
    return HttpResponseRedirect(url_of(partner))


@page("ladder/<int:pk>/let-go/", name="end_hold", operation="ladder.hold", method="POST")
def let_go(request: HttpRequest, pk: int) -> HttpResponse:
    """One service call."""
    partner = partner_or_404(request, pk)

    def act() -> str:
        end_hold(partner_id=partner.pk, actor=person_of(request), at=now())
        return f"{partner} is held no more. It moves when a review is closed, if the rule says so."

    try_to(request, act)
    return HttpResponseRedirect(url_of(partner))


@panel("partners.Partner", title="Ladder", template="reviews/ladder_panel.html", operation="review.read")
def fill_ladder_panel(request: HttpRequest, row: Any) -> dict[str, Any]:
    """On which rung a partner is and why, what its closed reviews ask for, and whether it is held."""
    program = program_of(request)
    rungs = read_rungs(program.pk, read_ladder(program.pk).rule, [row.pk])
    hold = find_hold(row.pk, local_date(now(), program.time_zone))
    may_hold = row.state in RUNGS and allowed(request, "ladder.hold")
    rung = rungs[0] if rungs else None
    return {
        "rung": show_rung(row.state) if rung else "",
        "since": instant(rung.since) if rung and rung.since else "",
        "months": say_months(rung.months) if rung else "",
        "next": LadderName(rung.next.name).label if rung and rung.next else "",
        "because": say_judgement(rung.next.as_json()) if rung and rung.next else "",
        "hold": say_hold(hold) if hold else "",
        "ladder_url": reverse("admin:ladder"),
        "buttons": list_buttons(row.pk, hold is not None) if may_hold else [],
        "moves": make_moves(
            "Steps", list(list_moves_of(row.pk)[:LAST_MOVES_OF_ONE]), "No review has moved it.", with_partner=False
        ),
    }


def list_buttons(pk: int, is_held: bool) -> list[Button]:
    """Hold it, or let it go."""
    ask = Button("Hold it for longer…" if is_held else "Hold it on its rung…", reverse("admin:ask_hold", args=[pk]))
    go_on = Button(
        "Let it go",
        reverse("admin:end_hold", args=[pk]),
        posts=True,
        asks="Let the ladder move it again? Nothing moves before the next review is closed.",
    )
    return [ask, go_on] if is_held else [ask]


def ask_hold_again(request: HttpRequest, pk: int, form: HoldForm) -> HttpResponse:
    """The page again, with what was refused beside its field."""
    request.method = "GET"
    return ask_hold(request, pk, form)


def partner_or_404(request: HttpRequest, pk: int) -> Partner:
    """A partner of this program."""
    partner = Partner.objects.select_related("program").filter(program_id=program_of(request).pk, pk=pk).first()
    if partner is None:
        raise Http404("No such partner")
    return partner


def make_history(versions: list[LadderVersion]) -> Table:
    """Every version, newest first, with what it says."""
    names: Mapping[str, str] = names_of(row.made_by for row in versions)
    rows = [
        [
            f"Version {row.number}",
            badge("in force", "good") if index == 0 else NO_DATA,
            " ".join(say_ladder(LadderRule.from_json(row.rule))),
            instant(row.made_at),
            names[row.made_by],
        ]
        for index, row in enumerate(versions)
    ]
    headers = ["Version", "State", "What it says", "When", "Who"]
    return Table("Versions, newest first", headers, rows, "Nobody has changed the ladder yet.")
