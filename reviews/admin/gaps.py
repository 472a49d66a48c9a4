"""Data gaps on screen: which source was silent when, what it feeds, and accepting it by name."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from plum_site.lib.admin import (
    Button,
    ReadOnlyModelAdmin,
    allowed,
    console_admin,
    person_of,
    refuse,
    show,
    url_of,
)
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.people import names_of
from plum_site.lib.present import NO_DATA, Table, badge, count, instant, link, month, words
from reviews.models import DataGap, ReviewCycle
from reviews.pages import show_state
from reviews.selectors import list_cycles, list_data_gaps_between, list_gap_months
from reviews.services import accept_gap

MOST_NAMED = 20


class AcceptanceForm(forms.Form):
    """Why a month may be judged without what is missing."""

    reason = forms.CharField(
        label="Why",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="For example: the shop was closed, or the file is lost and is not coming.",
    )


def show_acceptance(gap: DataGap) -> SafeString:
    """Whether somebody has said that its months may be judged without what is missing."""
    return badge("Accepted", "good") if gap.accepted_at is not None else badge("Not accepted", "warn")


def show_end(gap: DataGap) -> SafeString | str:
    """When it was over, or that it lasts."""
    return instant(gap.ends_at) if gap.ends_at is not None else badge("lasts", "bad")


def make_gaps(cycle: ReviewCycle) -> Table | None:
    """The data gaps of a month: those that it has frozen, and whether somebody accepted them; None where there is none."""
    known = {gap.source.code: gap for gap in list_data_gaps_between(cycle.program_id, cycle.starts_at, cycle.ends_at)}
    people = names_of(gap.accepted_by for gap in known.values() if gap.accepted_by)
    rows: list[list[Any]] = []
    for frozen in cycle.config.get("gaps", []):
        gap = known.pop(frozen["source"], None)
        offers = len(frozen["offers"])
        concerned = f"{count(len(frozen['partners']))} ({count(offers)} offer{'' if offers == 1 else 's'})"
        starts_at, ends_at = (datetime.fromisoformat(text) if text else None for text in (frozen["starts_at"], frozen["ends_at"]))
        name = link(url_of(gap), frozen["source"]) if gap else frozen["source"]
        rows.append([name, instant(starts_at), instant(ends_at) if ends_at else "lasts", concerned, say_accepted(gap, people)])
    for gap in known.values():  # found after the month was consolidated
        name = link(url_of(gap), gap.source.code)
        until = instant(gap.ends_at) if gap.ends_at else "lasts"
        rows.append([name, instant(gap.starts_at), until, "not counted yet: consolidate again", say_accepted(gap, people)])
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
class DataGapAdmin(ReadOnlyModelAdmin):
    """Silences of sources."""

    read_operation = "review.read"
    list_display = ["named", "starts_at", "until", "acceptance"]
    list_filter = ["source"]
    list_select_related = ["source"]
    ordering = ["-starts_at", "id"]
    intro = (
        "A source that should have sent events and did not. What is missing is not held against partners. Send what is missing, "
        "or accept the gap: its months cannot be closed before."
    )
    empty_text = "No gap: every source has sent what was to be expected of it."
    fields = ["source", "starts_at", "until", "found_at", "acceptance", "accepted_at", "accepted_by_name", "reason"]
    readonly_fields: ClassVar[Any] = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[DataGap]:
        return super().get_queryset(request).select_related("source")

    def get_urls(self) -> list[URLPattern]:
        return [
            self.act("<int:pk>/accept/", self.ask, "ask_accept", "gap.accept", "GET"),
            self.act("<int:pk>/accepted/", self.accept, "accept", "gap.accept"),
            *super().get_urls(),
        ]

    def buttons(self, request: HttpRequest, row: DataGap) -> list[Button]:
        if row.accepted_at is not None or not allowed(request, "gap.accept"):
            return []
        return [Button("Accept…", reverse("admin:reviews_datagap_ask_accept", args=[row.pk]), is_primary=True)]

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

    def ask(self, request: HttpRequest, pk: int, form: AcceptanceForm | None = None) -> HttpResponse:
        """The page that says what accepting means and asks why."""
        gap = self.row_or_404(request, pk)
        return show(
            request,
            "plum/ask.html",
            title=f"Accept the gap of {gap.source}",
            intro="Its months may then be closed without what is missing. Partners that the source feeds stay unflagged for it, "
            "and their scorecards name it. Your name and reason are kept. If it turns out to reach further back, it must be "
            "accepted again.",
            form=form or AcceptanceForm(),
            action=reverse("admin:reviews_datagap_accept", args=[pk]),
            submit="Accept",
            back_url=url_of(gap),
            back_label=str(gap),
            opts=self.opts,
        )

    def accept(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call; what it refuses stands above the form."""
        gap, form = self.row_or_404(request, pk), AcceptanceForm(request.POST)
        if not form.is_valid():
            return self.ask(request, pk, form)
        try:
            accept_gap(gap_id=gap.pk, reason=form.cleaned_data["reason"], actor=person_of(request), at=now())
        except DomainError as error:
            refuse(form, error)
            return self.ask(request, pk, form)
        self.message_user(request, f"Accepted: the gap of {gap.source}.")
        return HttpResponseRedirect(url_of(gap))

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
