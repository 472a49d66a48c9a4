"""
One member's timeline: how far with each offer, with what is missing on the way; then everything, in the order of time.

Shown only after the reading was logged: see `lookup`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from activity.choices import Kind, Status
from activity.metrics import IMPRESSION, Tally, funnel_stages, measure
from activity.models import Member
from activity.pages.questions import key_of, write_address
from activity.rules.steps import Step, follow_steps, link_reversals
from activity.selectors import OfferState, StageTimes, list_offer_states, list_timeline
from partners.models import Program
from plum_site.lib.admin import Button, allowed, program_of, show
from plum_site.lib.money import parse_minor
from plum_site.lib.periods import local_date
from plum_site.lib.present import amounts, badge

TONES = {"confirmed": "good", "failed": "warn", "reversed": "bad"}
MOST_EVENTS = 1000
NOUNS = {"viewed": "view", "unlocked": "unlock", "activated": "activation", "redeemed": "redemption"}
CODES = {kind.label: kind.value for kind in Kind}
STATUSES = {status.label: status.value for status in Status}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Stop:
    """One stage of one offer on the page: when, how often, and how long after the stage before; or that it is missing."""

    label: str
    times: StageTimes | None
    waited: str
    is_out_of_order: bool


@dataclass(frozen=True)
class Journey:
    """One offer: the stops in order, what is odd about them in sentences, and what failed or was taken back."""

    state: OfferState
    stops: list[Stop]
    gaps: list[str]
    failures: list[str]
    reversals: int


@dataclass(frozen=True)
class Entry:
    """One event of the list: its place, from 1, and the places of the events that it takes back, or that take it back."""

    place: int
    event: Mapping[str, Any]
    status: Any
    spend: str
    takes_back: int | None
    taken_back_by: int | None


def render_timeline(request: HttpRequest, member: Member) -> HttpResponse:
    """The page."""
    program = program_of(request)
    events = list_timeline(program=program, member=member)
    states = list_offer_states(program=program, member=member)
    entries = make_entries(events)
    return show(
        request,
        "activity/timeline.html",
        title=f"Timeline of member {member.pk}",
        member=member,
        summary=make_summary(program, events, states),
        journeys=make_journeys(program, events, states),
        entries=entries[-MOST_EVENTS:],
        total=len(entries),
        buttons=make_buttons(request, member, events),
        back_url=reverse("admin:activity_member_change", args=[member.pk]),
        back_label=f"Member {member.pk}",
    )


def make_buttons(request: HttpRequest, member: Member, events: Sequence[Mapping[str, Any]]) -> list[Button]:
    """On to the figures and the single events of this member, over the days in which there are any."""
    if not events:
        return []
    zone = program_of(request).time_zone
    first, last = (local_date(events[place]["occurred_at"], zone).isoformat() for place in (0, -1))
    buttons = []
    if allowed(request, "metric.read"):
        pairs = [("period", "own"), ("first", first), ("last", last), ("member", key_of(member)), ("compare", "none")]
        buttons.append(Button("Dashboard of this member", write_address(pairs), is_primary=True))
    if allowed(request, "event.read"):
        url = f"{reverse('admin:activity_event_changelist')}?{urlencode({'member': member.pk})}"
        buttons.append(Button("Single events", url))
    return buttons


def make_summary(program: Program, events: Sequence[Mapping[str, Any]], states: Sequence[OfferState]) -> dict[str, Any]:
    """The first and the last that was seen, how much there is, and the spend, as the metric layer counts it."""
    tally = Tally()
    for event in events:
        tally.add_events(CODES[event["kind"]], STATUSES[event["status"]], 1)
        if event["kind"] == "redeemed" and event["spend_amount"]:
            minor = parse_minor(event["spend_amount"], event["spend_currency"])
            tally.add_amount(2, STATUSES[event["status"]], event["spend_currency"], 1, minor)
    figures = measure(tally, program.recorded_stages)
    return {
        "first": events[0]["occurred_at"] if events else None,
        "last": events[-1]["occurred_at"] if events else None,
        "events": len(events),
        "offers": len(states),
        "partners": len({state.partner for state in states}),
        "spend": amounts(figures["spend"], program.currency),
        "reversed": amounts(figures["reversed_spend"], program.currency) if figures["reversed_spend"] else "",
        "failures": figures["failures"],
        "reversals": figures["reversals"],
    }


def make_journeys(program: Program, events: Sequence[Mapping[str, Any]], states: Sequence[OfferState]) -> list[Journey]:
    """The offers, the one that was last touched first."""
    order = funnel_stages(program.stage_order, program.recorded_stages)
    touched = {event["offer"]: place for place, event in enumerate(events)}
    journeys = []
    for state in sorted(states, key=lambda state: -touched[state.offer]):
        # An impression is shown to people, not done by them: it leads to nothing, and nothing is missing without it.
        shown = [Stop(IMPRESSION, state.stages[IMPRESSION], "", False)] if IMPRESSION in state.stages else []
        steps = follow_steps({stage: times.first_at for stage, times in state.stages.items() if stage != IMPRESSION}, order)
        own = [event for event in events if event["offer"] == state.offer]
        stops = [Stop(step.stage, state.stages.get(step.stage), say_wait(step.after), step.is_out_of_order) for step in steps]
        journeys.append(Journey(state, shown + stops, say_gaps(steps), say_failures(own), state.reversals))
    return journeys


def say_gaps(steps: Sequence[Step]) -> list[str]:
    """What is missing on the way, or came before what should lead to it."""
    said, missing, before = [], [], ""
    for step in steps:
        if step.is_missing:
            missing.append(step.stage)
            continue
        if missing:
            said.append(f"{step.stage.capitalize()} without a recorded {' or '.join(NOUNS[stage] for stage in missing)}.")
        if step.is_out_of_order:
            said.append(f"{step.stage.capitalize()} before it was {before}.")
        missing, before = [], step.stage
    return said


def say_failures(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """What failed, how often, and why."""
    numbers: dict[tuple[str, str], int] = {}
    for event in events:
        if event["status"] == "failed":
            why = event["reason_code"] or "no reason given"
            numbers[event["kind"], why] = numbers.get((event["kind"], why), 0) + 1
    return [f"{kind} failed{f' {number} times' if number > 1 else ''}: {why}" for (kind, why), number in sorted(numbers.items())]


def say_wait(wait: timedelta | None) -> str:
    """A time between two stages, in its largest unit that fits."""
    if wait is None:
        return ""
    size = abs(wait)
    number, unit = (size // DAY, "d") if size >= DAY else (size // HOUR, "h") if size >= HOUR else (size.seconds // 60, "min")
    text = "at once" if not size else f"{number} {unit}" if number else f"{size.seconds} s"
    return text if not size else f"{text} before" if wait < timedelta() else f"{text} later"


def make_entries(events: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """Every event in time order, reversals tied to what they take back."""
    links = link_reversals(events)
    back = {redemption: reversal for reversal, redemption in links.items()}
    return [
        Entry(
            place + 1,
            event,
            badge(event["status"], TONES[event["status"]]),
            amounts({event["spend_currency"]: event["spend_amount"]} if event["spend_amount"] else {}),
            links[place] + 1 if place in links else None,
            back[place] + 1 if place in back else None,
        )
        for place, event in enumerate(events)
    ]
