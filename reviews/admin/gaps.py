"""Data gaps on screen: which source was silent when, what it feeds, and accepting it by name."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from plum_site.lib.admin import Button, ReadOnlyModelAdmin, TransitionsMixin, console_admin, url_of
from plum_site.lib.people import names_of
from plum_site.lib.present import NO_DATA, Table, badge, count, instant, link, month, words
from plum_site.lib.workflow import Transition
from reviews.models import DataGap, ReviewCycle
from reviews.pages import show_state
from reviews.selectors import list_cycles, list_gap_months, list_gaps_of_month, read_span, with_reliance
from reviews.services import change_gap_state
from reviews.workflow import ACCEPT, GAP_TRANSITIONS

MOST_NAMED = 20


EXPLAINED = {
    "accept": "Its months may then be closed without what is missing. Partners that the source feeds stay unflagged for it, and "
    "their scorecards name it. If it turns out to reach further back, it must be accepted again. Say why, for example that the "
    "shop was closed, or that the file is lost and is not coming.",
    "withdraw": "Its months cannot be closed then, until what is missing has come or somebody accepts it again. Say why it was "
    "not right to accept it.",
}


def show_acceptance(gap: DataGap) -> SafeString:
    """Whether somebody has said that its months may be judged without what is missing."""
    return badge("Accepted", "good") if gap.accepted_at is not None else badge("Not accepted", "warn")


def show_end(gap: DataGap) -> SafeString | str:
    """When it was over, or that it lasts."""
    return instant(gap.ends_at) if gap.ends_at is not None else badge("lasts", "bad")


def make_gaps(cycle: ReviewCycle) -> Table | None:
    """The data gaps of a month: those that it has frozen, and whether somebody accepted them; None where there is none."""
    gaps = list_gaps_of_month(cycle)
    people = names_of(gap.row.accepted_by for gap in gaps if gap.row and gap.row.accepted_by)
    rows: list[list[Any]] = []
    for gap in gaps:
        frozen, row = gap.frozen, gap.row
        if frozen is not None:
            offers = len(frozen["offers"])
            concerned = f"{count(len(frozen['partners']))} ({count(offers)} offer{'' if offers == 1 else 's'})"
            source, (starts_at, ends_at) = frozen["source"], read_span(frozen)
        elif row is not None:
            concerned = "not counted yet: consolidate again"
            source, starts_at, ends_at = row.source.code, row.starts_at, row.ends_at
        name = link(url_of(row), source) if row else source
        rows.append([name, instant(starts_at), instant(ends_at) if ends_at else "lasts", concerned, say_accepted(row, people)])
    headers = ["Source", "Silent from", "Until", "Partners not flagged for it", "Accepted"]
    note = "The month is closed once every gap is accepted."
    return Table("Data gaps", headers, rows, note=note) if rows else None


def say_accepted(gap: DataGap | None, people: Mapping[str, str]) -> SafeString | str:
    """Who accepted a gap and why; that nobody did; or that what was missing has arrived."""
    if gap is None:
        return badge("Has arrived since: consolidate again", "info")
    if gap.accepted_at is None:
        return badge("Not accepted", "warn")
    return format_html("{} by {}: {}", badge("Accepted", "good"), people.get(gap.accepted_by, gap.accepted_by), gap.reason)


@console_admin(DataGap)
class DataGapAdmin(TransitionsMixin, ReadOnlyModelAdmin):
    """Silences of sources."""

    read_operation = "review.read"
    change_operation = ACCEPT
    transitions = GAP_TRANSITIONS
    transition_key = "gap_id"
    change_state = change_gap_state
    list_display = ["named", "starts_at", "until", "acceptance"]
    list_filter = ["source"]
    list_select_related = ["source"]
    ordering = ["-starts_at", "id"]
    intro = (
        "A source that should have sent events and did not. What is missing is not held against partners. Send what is missing, "
        "or accept the gap: its months cannot be closed before. An acceptance can be taken back until a month is closed with it."
    )
    empty_text = "No gap: every source has sent what was to be expected of it."
    fields = ["source", "starts_at", "until", "found_at", "acceptance", "accepted_at", "accepted_by_name", "reason"]
    readonly_fields: ClassVar[Any] = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[DataGap]:
        return with_reliance(super().get_queryset(request)).select_related("source")

    def buttons(self, request: HttpRequest, row: DataGap) -> list[Button]:
        return self.transition_buttons(request, row)

    def explain(self, row: DataGap, transition: Transition) -> str:
        return EXPLAINED[transition.name]

    def tables(self, request: HttpRequest, row: DataGap) -> list[Table]:
        """The months that it lies in, and what each has frozen of it."""
        lines = []
        for cycle in list_gap_months(row, list(list_cycles(row.program_id))):
            frozen = [gap for gap in cycle.config.get("gaps", []) if gap["source"] == row.source.code]
            partners = sorted({partner for gap in frozen for partner in gap["partners"]})
            offers = {offer for gap in frozen for offer in gap["offers"]}
            rest = f" and {count(len(partners) - MOST_NAMED)} more" if len(partners) > MOST_NAMED else ""
            lines.append(
                [
                    link(url_of(cycle), month(cycle.month_start_date)),
                    show_state(cycle),
                    count(len(offers)),
                    f"{words(partners[:MOST_NAMED])}{rest}" if partners else NO_DATA,
                ]
            )
        headers = ["Month", "State", "Offers it feeds", "Partners that are not flagged for it"]
        return [Table("Reviews that it lies in", headers, lines, "None yet: the month was not consolidated.", frozenset({2}))]

    def named(self, row: DataGap) -> SafeString:
        return link(url_of(row), row.source.code)

    named.short_description = "source"  # type: ignore[attr-defined]

    def until(self, row: DataGap) -> SafeString | str:
        return show_end(row)

    def acceptance(self, row: DataGap) -> SafeString:
        return show_acceptance(row)

    def accepted_by_name(self, row: DataGap) -> str:
        return names_of([row.accepted_by])[row.accepted_by] if row.accepted_by else NO_DATA

    accepted_by_name.short_description = "accepted by"  # type: ignore[attr-defined]
