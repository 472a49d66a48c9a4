"""The program's state on one page: the month so far, what waits for a person, how fresh it all is."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from activity.figures import draw_days
from activity.metrics import METRICS, measure
from activity.selectors import count_unsealed, head_of
from activity.selectors.quarantine import Waiting, summarise_quarantine
from activity.selectors.recent import find_last_day, find_last_recorded, tally_days, tally_program
from activity.selectors.sources import list_silent_sources
from plum_site.console.first_steps import list_first_steps
from plum_site.lib import jobs
from plum_site.lib.admin import allowed, person_of, program_of, show, url_of
from plum_site.lib.choices import JobState
from plum_site.lib.clock import now
from plum_site.lib.models import Heartbeat, Job, User
from plum_site.lib.periods import local_date, month_start, next_month
from plum_site.lib.present import Table, age, badge, change, count, instant, link, month, words
from reviews.admin.flags import say_allowed, worst_first
from reviews.admin.gaps import show_acceptance, show_end
from reviews.choices import CycleState, Standing
from reviews.figures import show_value
from reviews.models import DataGap, FlagCase, ReviewCycle, Scorecard
from reviews.pages import CORE, Headline, show_standing, show_state
from reviews.pages.flags import show_flag_state, show_measured, show_severity
from reviews.selectors import (
    find_latest_cycle,
    list_cycles,
    list_data_gaps,
    list_gap_months,
    list_open_flags,
    list_scorecards,
    summarise_progress,
)
from reviews.selectors.actions import list_actions_waiting_for
from reviews.selectors.approvals import find_open_request
from reviews.selectors.replacements import list_replacements_waiting_for

SHOWN_FLAGS = 10
SHOWN_GAPS = 50
SHOWN_PARTNERS = 5
SILENT_SECONDS = 60


@dataclass(frozen=True)
class Window:
    """The days that home shows, and the same days of the month before."""

    first: date
    end: date
    before_first: date
    before_end: date
    is_present: bool


def show_home(request: HttpRequest) -> TemplateResponse:
    """Home."""
    program = program_of(request)
    if program is None:
        return show(request, "plum/no_program.html", title="Welcome to Plum")
    at = now()
    last_day = find_last_day(program.pk)
    context: dict[str, Any] = {"freshness": make_freshness(program, at), "has_activity": last_day is not None}
    if last_day is not None and allowed(request, "metric.read"):
        context |= make_month(program, choose_window(local_date(at, program.time_zone), last_day))
    if allowed(request, "review.read"):
        context |= make_review(program, person_of(request)) | make_waiting_actions(request) | make_lowering(request)
    if not context["has_activity"] or ("cycle_url" not in context and allowed(request, "review.read")):
        context["first_steps"] = list_first_steps(request)
    return show(request, "plum/home.html", title=program.name, **context)


def choose_window(today: date, last_day: date) -> Window:
    """The present month up to today; where nothing happened in it, the last month in which something did."""
    present = last_day >= month_start(today)
    first = month_start(today) if present else month_start(last_day)
    end = today + timedelta(days=1) if present else next_month(first)
    before_first = next_month(first, -1)
    before_end = min(before_first + (end - first), first) if present else first
    return Window(first, end, before_first, before_end, present)


def make_month(program: Any, window: Window) -> dict[str, Any]:
    """The four metrics of the window against the month before, and the days as a chart."""
    stages = program.recorded_stages
    figures = measure(tally_program(program.pk, window.first, window.end), stages)
    before = measure(tally_program(program.pk, window.before_first, window.before_end), stages)
    headlines = []
    for key in CORE:
        rows = [("Same days before" if window.is_present else "Month before", show_value(key, before[key], stages))]
        if METRICS[key].unit == "count" and METRICS[key].is_recorded(stages):
            rows.append(("Change", change(figures[key], before[key])))
        value = show_value(key, figures[key], stages)
        headlines.append(Headline(METRICS[key].label, METRICS[key].formula, value, rows, is_long=METRICS[key].unit == "money"))
    days = tally_days(program.pk, window.first, window.end)
    chart = draw_days(days, window.first, window.end, stages, program.currency)
    return {"headlines": headlines, "window": window, "month": month(window.first), "chart": chart}


def make_freshness(program: Any, at: Any) -> dict[str, Any]:
    """How old what is shown may be, and whether the background works."""
    head, unsealed = head_of(program.pk), count_unsealed(program.pk)
    waited = (at - unsealed.since).total_seconds() if unsealed.since else 0
    last = find_last_recorded(program.pk)
    dead = Job.objects.filter(program_id=program.pk, state=JobState.DEAD).count()
    alive = Heartbeat.objects.filter(name="worker").values_list("at", flat=True).first()
    silent = alive is None or (jobs.database_now() - alive).total_seconds() > SILENT_SECONDS
    silent_sources, waiting = list_silent_sources(program, at), summarise_quarantine(program.pk)
    sealed = badge(f"{count(unsealed.events)} events for {age(waited)}", "warn" if waited > SILENT_SECONDS else "info")
    return {
        "as_of": head.sealed_at if head else None,
        "last": last,
        "last_age": age((at - last).total_seconds()) if last else "",
        "unsealed": sealed if unsealed.batches else badge("none", "good"),
        "dead": badge(f"{dead} given up", "bad") if dead else badge("none", "good"),
        "dead_url": f"{reverse('admin:plum_job_changelist')}?state__exact=dead" if dead else "",
        "silent_sources": badge(words(source.code for source in silent_sources), "warn") if silent_sources else "",
        "quarantine": make_waiting(waiting),
        "worker": badge("no sign of life: nothing runs in the background", "warn") if silent else badge("working", "good"),
    }


def make_waiting(waiting: Waiting) -> SafeString | str:
    """How much waits in quarantine; "" where nothing does."""
    if not waiting.count:
        return ""
    said = f"{count(waiting.count)} event{pluralize(waiting.count)}"
    refused = f", {count(waiting.refused)} of them refused" if waiting.refused else ""
    return badge(f"{said} of people who are not known yet{refused}", "warn" if waiting.refused else "info")


def make_review(program: Any, person: User) -> dict[str, Any]:
    """The latest review: its progress, its best and worst, and the open flags: this person's, else everybody's."""
    cases = list_open_flags(program.pk)
    mine = worst_first(cases.filter(owner=person))
    flags = list(mine[: SHOWN_FLAGS + 1])
    are_mine = bool(flags)
    if not are_mine:
        flags = list(worst_first(cases)[: SHOWN_FLAGS + 1])
    cycle = find_latest_cycle(program.pk)
    waiting = (
        ReviewCycle.objects.filter(program=program, scorecards__isnull=False, scorecards__decision__isnull=True)
        .filter(state=CycleState.READY)  # a month that still runs waits for nobody
        .order_by("-month_start_date")
        .distinct()
    )
    context: dict[str, Any] = {
        "gaps": make_gaps(program),
        "flags": make_flags(flags[:SHOWN_FLAGS], are_mine),
        "all_flags": cases.count(),
        "cycle": cycle,
        "others": [(month(other.month_start_date), url_of(other)) for other in waiting[:6] if other != cycle],
    }
    if cycle is not None:
        ranked = list(list_scorecards(cycle.pk).filter(rank__isnull=False))
        context |= {
            "cycle_month": month(cycle.month_start_date),
            "cycle_url": url_of(cycle),
            "cycle_state": show_state(cycle),
            "progress": summarise_progress(cycle.pk),
            "best": make_ranks("Leading", [card for card in ranked if not is_behind(card)][:SHOWN_PARTNERS]),
            "worst": make_ranks("Falling behind", [card for card in ranked[::-1] if is_behind(card)][:SHOWN_PARTNERS]),
        }
    return context


def make_waiting_actions(request: HttpRequest) -> dict[str, Any]:
    """How many corrective actions and steps of replacements wait for this person, for those who may do something about it."""
    may_approve = allowed(request, "action.approve")
    if not may_approve and not allowed(request, "action.propose"):
        return {}
    program, person = program_of(request), person_of(request)
    return {
        "waiting_actions": list_actions_waiting_for(program.pk, person.pk, may_approve=may_approve).count(),
        "waiting_actions_url": f"{reverse('admin:reviews_correctiveaction_changelist')}?whose=you",
        "waiting_steps": list_replacements_waiting_for(program.pk, person.pk, may_approve=may_approve).count(),
        "waiting_steps_url": f"{reverse('admin:reviews_replacement_changelist')}?whose=you",
    }


def make_lowering(request: HttpRequest) -> dict[str, Any]:
    """A request to lower the approvals that waits, for those who may stop it."""
    waiting = find_open_request(program_of(request).pk) if allowed(request, "rule.edit") else None
    return {"lowering": waiting, "is_own_lowering": waiting is not None and waiting.asker_id == person_of(request).pk}


def is_behind(card: Scorecard) -> bool:
    """Whether a card belongs among those that fall behind."""
    return card.standing in (Standing.WATCH, Standing.UNDERPERFORMING)


def make_flags(cases: list[FlagCase], are_mine: bool) -> Table:
    """Open flags, the gravest first."""
    rows = [
        [
            link(url_of(case), case.partner),
            show_severity(case.seen["severity"]),
            f"{case.rule.name}{f' ({case.target_key})' if case.target_key else ''}",
            show_measured(case.seen["metric"], case.seen["observed"]),
            say_allowed(case.seen),
            month(case.first_month_date),
            show_flag_state(case.state),
        ]
        for case in cases
    ]
    headers = ["Partner", "Severity", "Rule", "Observed", "Allowed", "Since", "State"]
    title = "Open flags that are yours" if are_mine else "Open flags"
    return Table(title, headers, rows, "No flag is open.", frozenset({3}))


def make_gaps(program: Any) -> Table | None:
    """Sources that are silent now, and gaps of months that are not closed which nobody has accepted; None where all is well."""
    open_months = list(list_cycles(program.pk).exclude(state=CycleState.CLOSED).defer("config"))
    shown: list[DataGap] = [
        gap
        for gap in list_data_gaps(program.pk)[:SHOWN_GAPS]
        if gap.ends_at is None or (gap.accepted_at is None and list_gap_months(gap, open_months))
    ]
    rows = [[link(url_of(gap), gap.source.code), instant(gap.starts_at), show_end(gap), show_acceptance(gap)] for gap in shown]
    note = "Partners that such a source feeds are not flagged for what is missing. A month is closed once its gaps are accepted."
    return Table("Data gaps", ["Source", "Silent from", "Until", "Accepted"], rows, note=note) if rows else None


def make_ranks(title: str, cards: list[Scorecard]) -> Table:
    """A few scorecards of one end of the ranking."""
    rows = [[link(url_of(card), card.partner), show_standing(card.standing), str(card.score), str(card.rank)] for card in cards]
    return Table(title, ["Partner", "Standing", "Score", "Rank"], rows, "Nobody.", frozenset({2, 3}))
