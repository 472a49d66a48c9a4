"""Replacements as pages show them: the sentence, the state, what comes next, the way with its days, and who stands behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from plum_site.lib.admin import url_of
from plum_site.lib.present import BREAK, NO_DATA, Table, as_written, badge, day, instant, link
from reviews.choices import ActionState, ReplacementState, ReplacementStep
from reviews.models import Replacement, ReplacementTask, ReplacementTransition
from reviews.pages.actions import name_of, say_until
from reviews.rules.actions import SOLO_HOURS

S = ReplacementState
STATE_TONES = {
    S.OPENED: "info",
    S.COMPARED: "info",
    S.CHOSEN: "info",
    S.AGREED: "info",
    S.MAPPED: "info",
    S.APPROVED: "fair",
    S.TRIALLING: "fair",
    S.SCHEDULED: "fair",
    S.CUT_OVER: "warn",
    S.VERIFIED: "good",
    S.COMPLETED: "good",
    S.ROLLED_BACK: "warn",
    S.CANCELLED: "idle",
}
# The way of a replacement: each state, and the step that leads there.
WAY: tuple[tuple[ReplacementState, ReplacementStep | None], ...] = (
    (S.OPENED, None),
    (S.COMPARED, ReplacementStep.COMPARE),
    (S.CHOSEN, ReplacementStep.CHOOSE),
    (S.AGREED, ReplacementStep.AGREE),
    (S.MAPPED, ReplacementStep.MAP),
    (S.APPROVED, ReplacementStep.APPROVE),
    (S.SCHEDULED, ReplacementStep.CUT_OVER),
    (S.CUT_OVER, None),  # by itself, at its time
    (S.VERIFIED, ReplacementStep.VERIFY),
    (S.COMPLETED, ReplacementStep.COMPLETE),
)
PLACES = {state: place for place, (state, _step) in enumerate(WAY)}
PLACES[S.TRIALLING] = PLACES[S.APPROVED]  # a trial is on the way of those who want one
WITH_A_SUCCESSOR = (S.CHOSEN, S.AGREED)  # states that are passed over where nobody takes the place
BEFORE_CUTOVER = frozenset(state for state, place in PLACES.items() if place < PLACES[S.CUT_OVER])
FOLLOWED = frozenset(PLACES) - BEFORE_CUTOVER


@dataclass(frozen=True)
class Stop:
    """One state on the way of a replacement. mark: done, present, ahead or skipped."""

    label: str
    mark: str
    step: str = ""
    owner: str = ""
    due: Any = ""
    reached: Any = ""
    is_late: bool = False


def show_replacement_state(state: str) -> SafeString:
    """The state of a replacement as a badge."""
    return badge(S(state).label, STATE_TONES[S(state)])


def say_replacement(replacement: Replacement) -> str:
    """What is replaced, for whom, and by whom, in one sentence."""
    what = f"its offers of the category {replacement.category}" if replacement.category else "all its offers"
    whom = f"the members of {replacement.segment.name}" if replacement.segment else "everyone"
    by = "; the successor is not chosen yet"
    if replacement.successor is not None:
        by = f", by {replacement.successor.name}"
    elif replacement.is_without:
        by = "; nobody takes the place"
    return f"Replace {replacement.partner.name}: {what}, for {whom}{by}."


def say_what_next(replacement: Replacement, at: datetime) -> str:
    """What a replacement waits for, and what that changes, in words."""
    who = replacement.successor.name if replacement.successor else ""
    match replacement.state:
        case S.OPENED:
            return "Name candidates beside those of the same category, and compare them. Members see no difference yet."
        case S.COMPARED:
            return "Choose who takes the place, or end it without a candidate. Members see no difference yet."
        case S.CHOSEN:
            return f"Speak with {who} and write down what is agreed, or that the terms were refused."
        case S.AGREED:
            return "Say for every old offer which one follows it, then put the mapping forward to be approved."
        case S.MAPPED:
            others = f" other than {name_of(replacement.mapper)}, who put it forward," if replacement.mapper else ""
            return f"It waits for somebody{others} to approve it. Nothing is done before."
        case S.APPROVED:
            wait = f" One person approved it alone: not before {SOLO_HOURS} hours are over." if replacement.is_solo else ""
            return f"Say when the cutover is, or try it with a share of members first.{wait} Members see no difference before."
        case S.TRIALLING:
            return f"{say_share(replacement)} Look at how both arms do, then say when the cutover is, or end the trial."
        case S.SCHEDULED:
            trial = say_share(replacement)
            more = f" {trial}" if trial else ""
            return f"The cutover happens by itself at its time. Until then it can be moved, gone back on, or called off.{more}"
        case S.CUT_OVER:
            return f"Verify that nobody is stranded and that everything stands in its place. {_say_until(replacement, at)}"
        case S.VERIFIED:
            return f"Complete it: the old offers are retired then. {_say_until(replacement, at)}"
        case S.COMPLETED:
            return f"It is done. {_say_until(replacement, at)}"
        case S.ROLLED_BACK if replacement.action.state == ActionState.EXECUTING:
            return "Members see what they saw before. Go back to an earlier step and on from there, or call it off."
        case S.ROLLED_BACK:
            return "Members see what they saw before, and it is over. Propose another replacement if one is needed."
    return "It is over. Propose another replacement if one is needed."


def say_share(replacement: Replacement) -> str:
    """Who sees the new offers while a trial runs; "" where none does."""
    trial = replacement.trial
    if trial is None or trial.ended_at is not None:
        return ""
    of_whom = f" of {replacement.segment.name}" if replacement.segment else ""
    return f"{trial.share_percent} % of members{of_whom} see the new offers already, everybody else the old ones."


def _say_until(replacement: Replacement, at: datetime) -> str:
    return say_until("rolled back", replacement.cut_over_at, at) if replacement.cut_over_at else ""


def make_way(
    replacement: Replacement, tasks: Sequence[ReplacementTask], log: Sequence[ReplacementTransition], today: date
) -> list[Stop]:
    """The states from opened to completed: what was reached and when, what is to be done by whom and when."""
    by_step = {task.step: task for task in tasks}
    reached = {step.to_state: step.at for step in log}
    is_over = replacement.state not in PLACES
    last = log[-1].from_state if is_over and log else replacement.state
    place = PLACES.get(S(last or S.OPENED), 0)
    stops = []
    for number, (state, step) in enumerate(WAY):
        if number <= place:
            skipped = replacement.is_without and state in WITH_A_SUCCESSOR
            when = "" if skipped else instant(reached.get(state))
            stops.append(Stop(state.label, "skipped" if skipped else "done", reached=when))
            continue
        task = by_step.get(step or "")
        due = task.due_date if task else None
        mark = "present" if not is_over and number == place + 1 else "ahead"
        is_late = mark == "present" and due is not None and due < today
        owner = name_of(task.owner or replacement.owner) if task else ""
        shown = day(due) if due else instant(replacement.scheduled_at) if state == S.CUT_OVER and replacement.scheduled_at else ""
        stops.append(Stop(state.label, mark, step or "", owner, shown, is_late=is_late))
    return stops


def list_replacement_facts(replacement: Replacement) -> list[tuple[str, Any]]:
    """What is to be known about a replacement beside its tables."""
    action = replacement.action
    facts: list[tuple[str, Any]] = [("Goes", link(url_of(replacement.partner), replacement.partner))]
    if replacement.category:
        facts.append(("Only the category", replacement.category))
    facts.append(("For", link(url_of(replacement.segment), replacement.segment.name) if replacement.segment else "everyone"))
    successor = "nobody" if replacement.is_without else NO_DATA
    if replacement.successor:
        named = link(url_of(replacement.successor), replacement.successor)
        successor = format_html("{} ({})", named, replacement.successor.get_state_display().lower())
    facts += [("Comes", successor), ("Owner", name_of(replacement.owner) or NO_DATA)]
    facts += [
        ("Why", action.reason or NO_DATA),
        ("Corrective action", link(url_of(action), f"{action.get_kind_display()} {action.pk}")),
    ]
    return facts


def list_agreed(replacement: Replacement) -> list[tuple[str, Any]]:
    """What was agreed, and when it happens."""
    facts: list[tuple[str, Any]] = []
    if replacement.terms:
        facts.append(("Terms", as_written(replacement.terms)))
    facts.append(("Days to activate", f"{replacement.last_activation_days} after the cutover"))
    if replacement.mapper:
        facts.append(("Mapped by", format_html("{}, {}", name_of(replacement.mapper), instant(replacement.mapped_at))))
    if replacement.approver:
        facts.append(("Approved by", format_html("{}, {}", name_of(replacement.approver), instant(replacement.approved_at))))
    if replacement.scheduled_at and replacement.state in BEFORE_CUTOVER:
        facts.append(("Cutover", instant(replacement.scheduled_at)))
    elif replacement.cut_over_at and replacement.state not in BEFORE_CUTOVER:
        facts.append(("Cut over", instant(replacement.cut_over_at)))
    if replacement.last_activation_date and replacement.state in FOLLOWED:
        facts.append(("Last activation day", day(replacement.last_activation_date)))
    return facts


def show_due(due: date | None, today: date, *, waits: bool) -> SafeString | str:
    """The day by which the next step should be done; what is late in the bad tone."""
    if due is None or not waits:
        return NO_DATA
    if due < today:
        return format_html("{}{}{}", day(due), BREAK, badge("overdue", "bad"))
    return format_html("{}{}{}", day(due), BREAK, badge("today", "warn")) if due == today else day(due)


def make_replacements(rows: Sequence[Any], partner_id: int, today: date) -> Table:
    """The replacements that concern a partner: what, which part it has, how far, what is next and when."""
    lines = [
        [
            link(url_of(row), say_replacement(row)),
            "is replaced" if row.partner_id == partner_id else "takes the place",
            format_html("{}{}{}", show_replacement_state(row.state), BREAK, say_share(row)),
            ReplacementStep(row.present_step).label if row.present_step else NO_DATA,
            show_due(row.step_due_date, today, waits=bool(row.present_step)),
        ]
        for row in rows
    ]
    return Table("", ["What", "This partner", "State", "Next", "Due"], lines, "Nothing replaces it.")
