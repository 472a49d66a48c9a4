"""The activity dashboard: every figure of the metric layer for the days, members and offers that the address names."""

import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse

from activity.metrics import METRICS, shown_rates
from activity.pages import parts
from activity.pages.answers import Answer, answer, follow
from activity.pages.choices import list_dimensions, member_noun
from activity.pages.questions import MEMBER, Question, ask
from activity.pages.sheets import SHEETS
from activity.selectors import count_unsealed, head_of
from activity.selectors.readings import was_read_recently
from activity.selectors.recent import find_last_recorded
from plum_site.lib.admin import allowed, page, person_of, show
from plum_site.lib.clock import now
from plum_site.lib.errors import InvalidInput
from plum_site.lib.present import age

BLOCKS = ("freshness", "totals", "rates", "trend", "table", "rest")
FRAGMENT, FUNNEL = "fragment", "funnel"


@page("activity/", name="activity_dashboard", operation="metric.read", title="Activity dashboard")
def show_dashboard(request: HttpRequest) -> HttpResponse:
    """The whole page; with ?fragment=live or ?fragment=funnel the part of it that its script asks for."""
    at = now()
    question = ask(request, at)
    if (away := find_gate(request, question, at)) is not None:
        return away
    question = without_forbidden(request, question)
    fragment = request.GET.get(FRAGMENT, "")
    if fragment == FUNNEL:
        return HttpResponse(render_funnel(request, question))
    question, found = answered(question, answer)
    blocks = render_blocks(request, found, at)
    if fragment == "live":
        return HttpResponse(render_to_string("activity/live.html", {"blocks": blocks}))
    return show(request, "activity/dashboard.html", title="Activity dashboard", blocks=blocks, **frame(request, question))


@page("activity/csv/", name="activity_csv", operation="metric.read")
def download(request: HttpRequest) -> HttpResponse:
    """What the page shows, as CSV: ?table= names the part."""
    at = now()
    question = ask(request, at)
    if (away := find_gate(request, question, at)) is not None:
        return away
    question, found = answered(without_forbidden(request, question), answer)
    table = request.GET.get("table") or "breakdown"
    if question.problems or table not in SHEETS:
        said = question.problems or (f"table: there is no {table!r} here. There are: {', '.join(SHEETS)}.",)
        return HttpResponse(
            "\n".join(["Nothing was downloaded.", *said, ""]), status=400, content_type="text/plain; charset=utf-8"
        )
    span = question.span
    name = f"activity-{table}-{span.starts_date:%Y-%m-%d}-{question.last_day:%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    response = HttpResponse(content_type="text/csv; charset=utf-8", headers=headers)
    csv.writer(response).writerows(SHEETS[table](found))
    return response


def find_gate(request: HttpRequest, question: Question, at: datetime) -> HttpResponse | None:
    """Where to go first: one member's figures are shown to who gave a reason for reading that member today."""
    if question.member is None or not allowed(request, "timeline.read"):
        return None
    if was_read_recently(member=question.member, reader=person_of(request), at=at):
        return None
    url = reverse("admin:ask_timeline", args=[question.member.pk])
    return HttpResponseRedirect(f"{url}?{urlencode({'next': question.address()})}")


def without_forbidden(request: HttpRequest, question: Question) -> Question:
    """The question without the member, where the person may not look at single members."""
    if question.member is None or allowed(request, "timeline.read"):
        return question
    said = f"{MEMBER}: you may not look at one {member_noun(question.program)}; these are the figures of all. Nothing was read."
    return replace(question, member=None, problems=(*question.problems, said))


def answered(question: Question, read: Callable[[Question], Any]) -> tuple[Question, Any]:
    """The answer; where the filters cannot be answered together, that is said and they are left out."""
    try:
        return question, read(question)
    except InvalidInput as error:
        plain = replace(question, where={}, member=None, by="partner", problems=(*question.problems, error.detail))
        return plain, read(plain)


def frame(request: HttpRequest, question: Question) -> dict[str, Any]:
    """What stands around the figures: chips, the filter form, what is wrong with the address."""
    choices = question.choices
    shows_funnel = request.GET.get("with") == FUNNEL
    return {
        "question": question,
        "problems": question.problems,
        "period": parts.make_period(question),
        "chips": parts.make_chips(question),
        "form": parts.make_form(question),
        "dimensions": list_dimensions(choices),
        "clear_url": question.address(only=("compare", "by", "sort")),
        "clear_period_url": question.address(without=("period", "first", "last")),
        "live_url": question.address(fragment="live"),
        "funnel_url": question.address(fragment=FUNNEL),
        "with_funnel_url": f"{question.address(**{'with': FUNNEL})}#stages",
        "funnel": render_funnel(request, question) if shows_funnel else "",
        "noun": member_noun(question.program),
        "take_url": take_url(question) if allowed(request, "export.request") else "",
        "find_url": find_url(question) if allowed(request, "timeline.read") else "",
    }


def take_url(question: Question) -> str:
    """The form that takes the single events of these days and filters as files; it knows the same names."""
    days = [("first", question.span.starts_date.isoformat()), ("last", question.last_day.isoformat())]
    pairs = [(name, value) for name, values in question.where.items() for value in values]
    return f"{reverse('admin:exports_export_add')}?{urlencode([*days, *pairs])}"


def find_url(question: Question) -> str:
    """The look-up of a member, and back to this page."""
    return f"{reverse('admin:find_member')}?{urlencode({'next': question.address(without=(MEMBER,))})}"


def render_blocks(request: HttpRequest, found: Answer, at: datetime) -> list[tuple[str, str, str]]:
    """Every part that is refreshed, as (name, version, HTML): the version is another one when the HTML is."""
    question = found.question
    may_read = allowed(request, "event.read")
    label = list_dimensions(question.choices)[question.by]
    context = {
        "question": question,
        "freshness": make_freshness(question.program.pk, at),
        "period": parts.make_period(question),
        "totals": found.totals,
        "headlines": parts.make_headlines(found, may_read),
        "rates": parts.make_rates(found, may_read),
        "rest": parts.make_rest(found),
        "charts": parts.make_charts(found),
        "columns": parts.make_columns(question, label),
        "lines": parts.make_lines(found),
        "total_lines": len(found.rows),
        "dimension": label,
        "minimum": question.program.minimum_group,
        "csv": {table: parts.csv_url(question, table) for table in SHEETS},
    }
    blocks: list[tuple[str, str, str]] = []
    for name in BLOCKS:
        html = render_to_string(f"activity/blocks/{name}.html", context)
        blocks.append((name, sha256(html.encode()).hexdigest()[:16], html))
    return blocks


def render_funnel(request: HttpRequest, question: Question) -> str:
    """The part that reads the history itself: the ordered funnel, and who could have taken part."""
    question, (row, before) = answered(question, follow)
    context = {
        "question": question,
        "row": row,
        "chart": parts.make_funnel(row),
        "reach": parts.make_reach(row, before, question, allowed(request, "event.read")),
        "first_rate": METRICS[shown_rates(question.program.stage_order)[0]].label,
    }
    return render_to_string("activity/funnel.html", context)


def make_freshness(program_id: int, at: datetime) -> dict[str, Any]:
    """As of when the figures are, and how new the newest event in them is."""
    head, unsealed, last = head_of(program_id), count_unsealed(program_id), find_last_recorded(program_id)
    return {
        "as_of": head.sealed_at if head else None,
        "unsealed": unsealed.events if unsealed.batches else 0,
        "last": last,
        "age": age(max((at - last).total_seconds(), 0)) if last else "",
    }
