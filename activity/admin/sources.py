"""Who sends events: how often something is expected, how far each is complete, and who is silent."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity.models import EventSource
from activity.pages.outcomes import DAYS
from activity.rules.rhythms import EXPECTATIONS
from activity.selectors import list_sources
from activity.selectors.sources import SourceState, annotate_latest, describe_source
from activity.services.statements import set_rhythm
from plum_site.lib.admin import Button, ServiceModelAdmin, console_admin, person_of, program_of
from plum_site.lib.clock import now
from plum_site.lib.periods import local_date
from plum_site.lib.present import NO_DATA, Table, age, badge, count, instant


@console_admin(EventSource)
class EventSourceAdmin(ServiceModelAdmin):
    """Who sends events, what is expected of them, and what became of all of them."""

    read_operation = "batch.read"
    change_operation = "source.edit"
    list_display = ["code", "last_event", "rhythm", "complete_through", "silent"]
    search_fields = ["code"]
    ordering = ["code", "id"]
    intro = (
        "The systems that send events to this program, by the name each gives itself. Say how often something is expected "
        "of a source, and Plum tells you when it is silent."
    )
    empty_text = "Nobody has sent anything yet. A source appears with its first event."
    fields = ["code", "rhythm", "last_event", "complete_through", "silent", "created_at"]
    readonly_fields = ["code", "last_event", "complete_through", "silent", "created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[EventSource]:
        return annotate_latest(super().get_queryset(request))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        limits = "; ".join(
            f"{name} after {describe_span(one.every)} and a grace of {describe_span(one.grace)}"
            for name, one in EXPECTATIONS.items()
        )
        help_text = f"A source is silent if nothing of it is known for longer than that: {limits}."
        return super().get_form(request, obj, change, help_texts={"rhythm": help_text}, **kwargs)

    def save_through(self, request: HttpRequest, row: EventSource, form: ModelForm, is_new: bool) -> EventSource:
        return set_rhythm(source_id=row.pk, rhythm=form.cleaned_data["rhythm"], actor=person_of(request), at=now())

    def buttons(self, request: HttpRequest, row: EventSource) -> list[Button]:
        today = local_date(now(), program_of(request).time_zone)
        query = urlencode({"first": today - timedelta(days=DAYS - 1), "last": today, "source": row.code})
        return [Button("Outcomes day by day", f"{reverse('admin:activity_outcomes')}?{query}")]

    def tables(self, request: HttpRequest, row: EventSource) -> list[Table]:
        rows = [
            [
                one.code,
                instant(one.last_recorded_at),
                count(one.received),
                count(one.accepted),
                count(one.duplicate),
                count(one.conflict),
                count(one.rejected),
            ]
            for one in list_sources(program_of(request).pk)
            if one.code == row.code
        ]
        headers = ["Source", "Last recorded", "Received", "Accepted", "Duplicate", "Conflict", "Rejected"]
        return [Table("All events it has sent", headers, rows, numeric=frozenset(range(2, 7)))]

    # --- cells ---

    def state_of(self, row: Any) -> SourceState:
        """Worked out once a row."""
        if not hasattr(row, "state_now"):
            row.state_now = describe_source(row, now())
        known: SourceState = row.state_now
        return known

    def last_event(self, row: EventSource) -> SafeString | str:
        return instant(self.state_of(row).last_event_at)

    def complete_through(self, row: EventSource) -> SafeString | str:
        state = self.state_of(row)
        if state.complete_through is None:
            return NO_DATA
        if not state.is_stated:
            return format_html("{} (its last event)", instant(state.complete_through))
        return format_html("{} (stated {})", instant(state.complete_through), instant(row.stated_at))

    def silent(self, row: EventSource) -> SafeString | str:
        state = self.state_of(row)
        if state.silent_since is not None:
            for_so_long = age((now() - state.silent_since).total_seconds())
            return badge(f"Silent for {for_so_long}", "warn")
        return NO_DATA if row.rhythm == "none" else badge("As expected", "good")


def describe_span(span: Any) -> str:
    """A time span in whole days or hours."""
    hours = int(span.total_seconds() // 3600)
    number, unit = (hours // 24, "day") if hours % 24 == 0 else (hours, "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"
