"""The parts of the dashboard: figures with their definitions, charts, the table, the chips; rows in, words out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.safestring import SafeString

from activity.choices import Kind, Status
from activity.figures import draw_spend, draw_steps, draw_trend, show_metric
from activity.metrics import EVENT_COUNTS, METRICS, Unit, shown_rates
from activity.pages.answers import HEADLINES, MORE_RATES, REACH, TREND, Answer, Row, shown_keys, sort_of, state_of
from activity.pages.choices import Choice, member_noun, month_values, say_key
from activity.pages.definitions import Definition, define
from activity.pages.questions import COMPARISONS, MEMBER, PRESETS, Question, key_of
from plum_site.lib.charts import Chart
from plum_site.lib.present import change, count, day, link

MOST_ROWS = 100
KEPT = ("period", "first", "last", "compare")
LESS_OFTEN = ("failures", "reversals", "reversed_spend", "average_spend", "cost_per_redemption")


@dataclass(frozen=True)
class Figure:
    """One figure on the page: its value for programs, why there is none, and how it looks."""

    key: str
    value: str
    state: str
    shown: Any


@dataclass(frozen=True)
class Card:
    """A figure with what stands around it."""

    definition: Definition
    figure: Figure
    before: Figure | None
    change: Any
    over: str
    events_url: str
    is_long: bool = False


@dataclass(frozen=True)
class Column:
    """A header of the table: where a click leads, and how the table is sorted by it now ("" where it is not)."""

    label: str
    url: str
    sorted: str
    is_numeric: bool = True


@dataclass(frozen=True)
class Line:
    """A row of the table: its key for programs, its name, and its figures."""

    key: str
    name: Any
    figures: list[Figure]


@dataclass(frozen=True)
class Chip:
    """A filter in force, and the page without it."""

    label: str
    value: str
    url: str


def make_figure(key: str, row: Row, stages: Sequence[str], currency: str) -> Figure:
    """One figure of a row."""
    value = json.dumps(row[key], sort_keys=True)
    return Figure(key, value, state_of(key, row, stages), show_metric(key, row, stages, currency))


def make_card(key: str, now: Row, before: Row | None, question: Question, stages: Sequence[str], may_read: bool) -> Card:
    """A figure with its definition, what it is compared with, and the way to the events beneath it."""
    currency, metric = question.program.currency, METRICS[key]
    older = make_figure(key, before, stages, currency) if before else None
    moved = change(now[key], before[key]) if before and metric.unit in (Unit.COUNT, Unit.MEMBERS) else ""
    over = ""
    if metric.over and not now["suppressed"] and now[key] is not None:
        over = f"{count(now[metric.over[0]])} of {count(now[metric.over[1]])}"
    url = events_url(key, question) if may_read and metric.is_recorded(stages) else ""
    figure = make_figure(key, now, stages, currency)
    return Card(define(key, stages), figure, older, moved, over, url, metric.unit is Unit.MONEY)


def make_headlines(answer: Answer, may_read: bool) -> list[Card]:
    """The four metrics that come first."""
    return [make_card(key, *around(answer, may_read)) for key in HEADLINES]


def make_rates(answer: Answer, may_read: bool) -> list[Card]:
    """The rates that fit the program's stage order, then those of what went wrong."""
    keys = [*shown_rates(answer.question.program.stage_order), *MORE_RATES]
    return [make_card(key, *around(answer, may_read)) for key in keys]


def make_reach(now: Row, before: Row | None, question: Question, may_read: bool) -> list[Card]:
    """Who could have taken part, and who did."""
    return [make_card(key, now, before, question, question.program.recorded_stages, may_read) for key in REACH]


def around(answer: Answer, may_read: bool) -> tuple[Any, ...]:
    """What every card of an answer needs."""
    return answer.totals, answer.before, answer.question, answer.recorded_stages, may_read


def make_rest(answer: Answer) -> list[tuple[Definition, Figure, Figure | None]]:
    """Every other figure of the period: nothing that the API gives is missing here."""
    later = {*REACH, "funnel"}
    keys = [key for key in METRICS if key not in later and not key.startswith("settled_")]
    currency, stages = answer.question.program.currency, answer.recorded_stages
    return [
        (
            define(key, stages),
            make_figure(key, answer.totals, stages, currency),
            make_figure(key, answer.before, stages, currency) if answer.before else None,
        )
        for key in keys
    ]


def make_charts(answer: Answer) -> list[Chart]:
    """The stages over time, and the spend in the reporting currency."""
    question, stages = answer.question, answer.recorded_stages
    keys = [key for key in TREND if key in EVENT_COUNTS and METRICS[key].is_recorded(stages)]
    charts = [draw_trend(answer.trend, question.grain, keys, stages)] if keys else []
    spend = draw_spend(answer.trend, question.grain, question.program.currency, stages)
    return [*charts, spend] if spend else charts


def make_funnel(row: Row) -> Chart | None:
    """The funnel, or None where nothing began in the period."""
    steps = row["funnel"] or []
    return draw_steps(steps) if steps else None


def make_columns(question: Question, label: str) -> list[Column]:
    """The headers of the table: the dimension, then the metrics; a click sorts, the falling way first."""
    by, falls = sort_of(question)
    columns = []
    for key in ["key", *shown_keys(question.program)]:
        now = ("descending" if falls else "ascending") if key == by else ""
        turned = key if now == "descending" or (key == "key" and not now) else f"-{key}"
        title = label if key == "key" else METRICS[key].label
        columns.append(Column(title, question.address(sort=turned), now, key != "key"))
    return columns


def make_lines(answer: Answer) -> list[Line]:
    """The rows of the table; a name leads to the page with this filter too."""
    question, stages = answer.question, answer.recorded_stages
    keys, currency = shown_keys(question.program), question.program.currency
    return [
        Line(
            str(row[question.by]),
            name_row(question, str(row[question.by])),
            [make_figure(key, row, stages, currency) for key in keys],
        )
        for row in answer.rows[:MOST_ROWS]
    ]


def name_row(question: Question, value: str) -> SafeString:
    """A row's name, as a way into it: the same page for this value alone."""
    by, name = question.by, say_key(question.choices, question.by, value)
    if by in ("month", "day"):
        first, last = month_values(value) if by == "month" else (value, value)
        return link(question.address(without=("by", "sort"), period="own", first=first, last=last), name)
    return link(question.address(without=("sort",), **{by: value}), name)


def make_chips(question: Question) -> list[Chip]:
    """The filters in force, each with the page without it."""
    chips = []
    for name, values in question.where.items():
        choice = question.choices[name]
        chips += [Chip(choice.label, choice.say(value), question.address_without(name, value)) for value in values]
    if question.member:
        noun = member_noun(question.program).capitalize()
        chips.append(Chip(noun, str(question.member), question.address_without(MEMBER, key_of(question.member))))
    return chips


def events_url(key: str, question: Question) -> str:
    """The events beneath a figure: the activity history with the same days, filters, kind and status."""
    kinds: dict[str, tuple[str, Any]] = {name: ("kind", kind) for name, kind in EVENT_COUNTS.items()}
    kinds |= dict.fromkeys(("reversals", "spend", "reward_cost"), ("kind", Kind.REDEEMED))
    statuses = {"failures": Status.FAILED, "reversals": Status.REVERSED}
    if key not in kinds and key not in statuses:
        return ""
    pairs = [("first", question.span.starts_date.isoformat()), ("last", question.last_day.isoformat())]
    pairs += [(kinds[key][0], str(kinds[key][1].value))] if key in kinds else []
    pairs.append(("status", str(statuses.get(key, Status.CONFIRMED).value)))
    pairs += [("where", condition) for condition in question.conditions()]
    return f"{reverse('admin:activity_event_changelist')}?{urlencode(pairs)}"


def csv_url(question: Question, table: str) -> str:
    """What one part of the page shows, as CSV."""
    return f"{reverse('admin:activity_csv')}?{urlencode([*question.pairs(), ('table', table)])}"


def make_period(question: Question) -> dict[str, Any]:
    """The period and what it is compared with, in words."""
    before = question.before
    return {
        "name": PRESETS.get(question.preset, ""),
        "first": day(question.span.starts_date),
        "last": day(question.last_day),
        "is_one_day": question.span.starts_date == question.last_day,
        "before_first": day(before.starts_date) if before else "",
        "before_last": day(before.ends_date.fromordinal(before.ends_date.toordinal() - 1)) if before else "",
        "is_fallback": question.is_fallback,
    }


def make_form(question: Question) -> dict[str, Any]:
    """What the filter form offers, with what is chosen now."""
    return {
        "presets": PRESETS,
        "preset": question.preset or "this_month",
        "first": question.span.starts_date.isoformat(),
        "last": question.last_day.isoformat(),
        "comparisons": COMPARISONS,
        "compare": question.compare,
        "picks": [make_pick(choice, question.where.get(choice.name, ())) for choice in question.choices.values()],
        "member": key_of(question.member) if question.member else "",
    }


def make_pick(choice: Choice, chosen: Sequence[str]) -> dict[str, Any]:
    """One filter: its values as (value, words, whether it is chosen), and whether another may be written beside them."""
    values: Mapping[str, str] = choice.labels if choice.kind == "list" else dict.fromkeys([*chosen, *choice.labels], "")
    options = [(value, choice.say(value), value in chosen) for value in values]
    says = ", ".join(choice.say(value) for value in chosen[:2]) + (f" and {len(chosen) - 2} more" if len(chosen) > 2 else "")
    return {
        "name": choice.name,
        "label": choice.label,
        "says": says or "any",
        "options": options,
        "is_open": choice.kind != "list",
        "input": "month" if choice.kind == "month" else "text",
        "is_long": len(options) > 12,
        "is_chosen": bool(chosen),
    }
