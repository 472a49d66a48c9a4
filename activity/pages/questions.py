"""
What is asked of the dashboard: its address as one question, and questions as addresses again.

Everything is in the address, so that it can be shared. What is wrong with it is said by name, and left out; the rest is
answered. A program's own values, such as attributes, are names like any other: see `choices`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict
from django.urls import reverse

from activity.metrics import METRICS
from activity.models import Member
from activity.pages.choices import Choice, list_choices, list_dimensions
from activity.selectors.breakdown import Span
from activity.selectors.figures import LONGEST_DAYS
from activity.selectors.recent import find_last_day
from offers.models import Offer
from partners.models import Program
from plum_site.lib.admin import program_of
from plum_site.lib.periods import local_date, month_start, months_between, next_month

PRESETS = {
    "this_month": "This month",
    "last_month": "Last month",
    "last_3_months": "Last 3 months",
    "last_12_months": "Last 12 months",
    "own": "Own dates",
}
COMPARISONS = {"before": "The period before", "year": "The same a year before", "none": "Nothing"}
OWN = ("period", "first", "last", "compare", "by", "sort", "fragment", "with", "table")
KEY = re.compile(r"[0-9a-f]{32}")
MEMBER = "member"
MOST_DAYS_BY_DAY = 62


@dataclass(frozen=True)
class Question:
    """
    One address of the dashboard, understood.

    preset: a key of PRESETS, "" where none was asked for. where: as `summarise` takes it, without the member. problems: what
    was wrong with the address, in sentences. is_fallback: whether nothing was asked for and nothing happens now, so that the
    last month with activity is shown.
    """

    program: Program
    span: Span
    preset: str
    compare: str
    where: Mapping[str, tuple[str, ...]]
    by: str
    sort: str
    choices: Mapping[str, Choice]
    member: Member | None = None
    problems: tuple[str, ...] = ()
    is_fallback: bool = False

    @property
    def filters(self) -> dict[str, tuple[str, ...]]:
        """What `summarise` is asked to keep, the member included."""
        one = {MEMBER: (key_of(self.member),)} if self.member else {}
        return {**self.where, **one}

    @property
    def before(self) -> Span | None:
        """The days to compare with."""
        return None if self.compare == "none" else span_before(self.span, self.compare)

    @property
    def grain(self) -> str:
        """What the trend is drawn by: days while they can be told apart, else months."""
        return "day" if (self.span.ends_date - self.span.starts_date).days <= MOST_DAYS_BY_DAY else "month"

    @property
    def last_day(self) -> date:
        """The last day of the period."""
        return self.span.ends_date - timedelta(days=1)

    def pairs(self) -> list[tuple[str, str]]:
        """The question as the parameters of an address; what nobody chose stays out."""
        found = [("period", self.preset)] if self.preset else []
        if self.preset == "own":
            found += [("first", self.span.starts_date.isoformat()), ("last", self.last_day.isoformat())]
        found += [(name, value) for name, values in self.filters.items() for value in values]
        chosen = {"compare": (self.compare, "before"), "by": (self.by, "partner"), "sort": (self.sort, "")}
        return found + [(name, value) for name, (value, usual) in chosen.items() if value != usual]

    def address(self, *, without: Iterable[str] = (), only: Iterable[str] | None = None, **changes: str) -> str:
        """The dashboard with some parameters set to another value, or without some."""
        gone = {*without, *changes}
        kept = [(name, value) for name, value in self.pairs() if name not in gone and (only is None or name in only)]
        return write_address(kept + list(changes.items()))

    def address_without(self, name: str, value: str) -> str:
        """The dashboard without one value of one filter."""
        return write_address([pair for pair in self.pairs() if pair != (name, value)])

    def conditions(self) -> list[str]:
        """The filters as `name=value`, as the API and the activity history take them."""
        return [f"{name}={value}" for name, values in self.filters.items() for value in values]


@dataclass
class _Reader:
    """Reads one parameter after another and collects what is wrong."""

    data: QueryDict
    program: Program
    today: date
    problems: list[str] = field(default_factory=list)

    def pick(self, name: str, known: Mapping[str, str], usual: str) -> str:
        """One of the known values."""
        value = self.data.get(name, "")
        if value and value not in known:
            self.problems.append(f"{name}: there is no {value!r} here. There are: {', '.join(known)}.")
        return value if value in known else usual

    def day(self, name: str) -> date | None:
        """A day, or None."""
        text = self.data.get(name, "")
        try:
            return date.fromisoformat(text) if text else None
        except ValueError:
            self.problems.append(f"{name}: {text!r} is not a day. Write it as YYYY-MM-DD, for example 2026-03-31.")
            return None

    def span(self, preset: str) -> Span | None:
        """The days that are asked for; None where nothing is, or nothing that can be answered."""
        first, last = self.day("first"), self.day("last")
        if preset and preset != "own":
            return preset_span(preset, self.today)
        if first is None and last is None:
            return None
        last = last or max(self.today, first or self.today)
        first = first or month_start(last)
        if first > last:
            self.problems.append(f"first, last: the period from {first} to {last} has no day; the usual one is shown.")
            return None
        if (last - first).days >= LONGEST_DAYS or first.year < 1990 or last.year > 2189:
            self.problems.append(f"first, last: the period from {first} to {last} is too long; ask for at most 20 years.")
            return None
        return Span(first, last + timedelta(days=1))

    def where(self, choices: Mapping[str, Choice]) -> dict[str, tuple[str, ...]]:
        """The filters; names and values that cannot be are left out, with a sentence."""
        kept: dict[str, tuple[str, ...]] = {}
        for name, values in self.data.lists():
            if name in OWN or name == MEMBER:
                continue
            if name not in choices:
                self.problems.append(f"{name}: there is no such filter, so it was left out.")
                continue
            good = [value for value in dict.fromkeys(values) if self.fits(choices[name], value)]
            if good:
                kept[name] = tuple(good)
        return kept

    def fits(self, choice: Choice, value: str) -> bool:
        """Whether a filter can have a value; if not, it is said."""
        known = choice.takes(value) and "\x00" not in value
        if known and choice.name == "offer":
            known = Offer.objects.filter(program=self.program, external_id=value).exists()
        if not known:
            wanted = "a month, such as 2026-03" if choice.kind == "month" else "one of this program"
            self.problems.append(f"{choice.name}: {value!r} is not {wanted}, so it was left out.")
        return known

    def member(self) -> Member | None:
        """The one member asked for, by the random key."""
        keys = self.data.getlist(MEMBER)
        if not keys:
            return None
        found = None
        if len(keys) == 1 and KEY.fullmatch(keys[0]):
            found = Member.objects.filter(program=self.program, key=bytes.fromhex(keys[0])).first()
        if found is None:
            self.problems.append("member: nobody in this program has this key, so it was left out. Look the member up again.")
        return found


def ask(request: HttpRequest, at: object) -> Question:
    """The address of a request as a question."""
    program = program_of(request)
    today = local_date(at, program.time_zone)  # type: ignore[arg-type]
    reader = _Reader(drop_blank(request.GET), program, today)
    choices = list_choices(program)
    preset = reader.pick("period", PRESETS, "")
    span = reader.span(preset)
    if span is not None and not preset:
        preset = "own"
    is_fallback = False
    if span is None:
        preset, span, is_fallback = "", *usual_span(program, today)
    compare = reader.pick("compare", COMPARISONS, "before")
    by = reader.pick("by", list_dimensions(choices), "partner")
    known = {text for key in METRICS for text in (key, f"-{key}")} | {"key", "-key"}
    sort = reader.pick("sort", dict.fromkeys(sorted(known), ""), "") if "sort" in reader.data else ""
    where, member = reader.where(choices), reader.member()
    return Question(program, span, preset, compare, where, by, sort, choices, member, tuple(reader.problems), is_fallback)


def drop_blank(data: QueryDict) -> QueryDict:
    """Parameters without those that a form sends because nothing was chosen; of filters the empty value means "unknown"."""
    kept = data.copy()
    for name in [name for name in kept if name in OWN and not kept[name]]:
        del kept[name]
    added = [name for name in kept if name.startswith("add.")]
    for name in added:
        for value in filter(None, kept.pop(name)):
            kept.appendlist(name.removeprefix("add."), value.strip())
    return kept


def preset_span(preset: str, today: date) -> Span:
    """The days of a preset."""
    month = month_start(today)
    if preset == "last_month":
        return Span(next_month(month, -1), month)
    months = {"last_3_months": 2, "last_12_months": 11}.get(preset, 0)
    return Span(next_month(month, -months), today + timedelta(days=1))


def usual_span(program: Program, today: date) -> tuple[Span, bool]:
    """The present month up to today; where nothing happened in it, the last month in which something did, and True."""
    last_day = find_last_day(program.pk)
    if last_day is None or last_day >= month_start(today):
        return preset_span("this_month", today), False
    return Span(month_start(last_day), next_month(month_start(last_day))), True


def span_before(span: Span, compare: str) -> Span:
    """
    The days to compare a period with: a year earlier, or just before.

    A period that begins with a month is compared with as many whole months before, up to the same day of the month if
    it ends within one; any other with as many days.
    """
    days = span.ends_date - span.starts_date
    last = span.ends_date - timedelta(days=1)
    if compare == "year":
        first = months_earlier(span.starts_date, 12)
        return Span(first, max(end_earlier(span.ends_date, 12), first + timedelta(days=1)))
    if span.starts_date.day != 1:
        return Span(span.starts_date - days, span.starts_date)
    months = len(months_between(span.starts_date, last))
    return Span(next_month(span.starts_date, -months), end_earlier(span.ends_date, months))


def end_earlier(ends_date: date, months: int) -> date:
    """The end of a period some months earlier: an end of a month stays one."""
    if ends_date.day == 1:
        return next_month(ends_date, -months)
    return months_earlier(ends_date - timedelta(days=1), months) + timedelta(days=1)


def months_earlier(day: date, months: int) -> date:
    """The same day some months earlier, or the last day of that month where it is shorter."""
    first = next_month(month_start(day), -months)
    return min(first + timedelta(days=day.day - 1), next_month(first) - timedelta(days=1))


def key_of(member: Member) -> str:
    """A member's random key as an address has it."""
    return bytes(member.key).hex()


def write_address(pairs: Iterable[tuple[str, str]]) -> str:
    """The dashboard with these parameters."""
    found = list(pairs)
    url = reverse("admin:activity_dashboard")
    return f"{url}?{urlencode(found)}" if found else url
