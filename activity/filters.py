"""How the activity history is narrowed: every filter bounds the reading by time, by member or by id."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django_filters import CharFilter, ChoiceFilter, DateFilter, Filter, FilterSet, NumberFilter

from activity.choices import Kind, Status
from activity.models import Event, EventSource
from activity.selectors.beneath import list_events_beneath
from activity.selectors.breakdown import Breakdown
from offers.models import Offer
from partners.models import Program
from plum_site.lib.errors import InvalidInput
from plum_site.lib.periods import first_instant

DAY = {"type": "date"}
EVER = (date(1990, 1, 1), date(2190, 1, 1))


class ConditionsInput(forms.Widget):
    """One line for each condition, and an empty one for another."""

    template_name = "activity/conditions.html"

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        found = data.getlist(name) if hasattr(data, "getlist") else data.get(name, [])
        return [text for text in found if text.strip()]

    def format_value(self, value: Any) -> Any:
        return value or []


class ConditionsField(forms.Field):
    """Conditions as the API takes them: `name=value`, the same name again means either."""

    widget = ConditionsInput
    program: Program | None = None

    def clean(self, value: Any) -> dict[str, list[str]]:
        where: dict[str, list[str]] = {}
        for text in value or []:
            name, equals, wanted = text.partition("=")
            if not equals or not name.strip() or "\x00" in text:
                raise forms.ValidationError(f"{text!r} is not a condition. Write name=value, for example region=north.")
            where.setdefault(name.strip(), []).append(wanted.strip())
        try:
            if self.program is not None:
                Breakdown(self.program, (), where)
        except InvalidInput as error:
            raise forms.ValidationError(error.detail) from error
        return where


class ConditionsFilter(Filter):
    """A filter by conditions."""

    field_class = ConditionsField


class EventFilter(FilterSet):
    """
    Events by program days, kind, status, offer, source and member, or by any condition of figures: those beneath a figure
    of the dashboard. Foreign ids find nothing.
    """

    first = DateFilter(label="From", method="filter_first", widget=forms.DateInput(attrs=DAY))
    last = DateFilter(label="To (included)", method="filter_last", widget=forms.DateInput(attrs=DAY))
    kind = ChoiceFilter(choices=[(kind.value, kind.label) for kind in Kind], empty_label="any")
    status = ChoiceFilter(choices=[(status.value, status.label) for status in Status], empty_label="any")
    offer = CharFilter(label="Offer id", method="filter_offer")
    source = CharFilter(label="Source", method="filter_source")
    member = NumberFilter(label="Member number", field_name="member_id")
    where = ConditionsFilter(label="Conditions", method="filter_where")

    class Meta:
        model = Event
        fields: list[str] = []

    def __init__(self, data: Any, *, queryset: QuerySet[Event], request: HttpRequest) -> None:
        super().__init__(data, queryset=queryset, request=request)
        self.program: Any = getattr(request, "program", None)
        self.form.fields["where"].program = self.program

    def filter_first(self, rows: QuerySet[Event], name: str, value: date) -> QuerySet[Event]:
        """From the first instant of a program day."""
        return rows.filter(occurred_at__gte=first_instant(value, self.program.time_zone))

    def filter_last(self, rows: QuerySet[Event], name: str, value: date) -> QuerySet[Event]:
        """Up to the last instant of a program day."""
        following = date.fromordinal(value.toordinal() + 1)
        return rows.filter(occurred_at__lt=first_instant(following, self.program.time_zone))

    def filter_offer(self, rows: QuerySet[Event], name: str, value: str) -> QuerySet[Event]:
        """Of one offer, by its outside id."""
        offer_id = Offer.objects.filter(program=self.program, external_id=value.strip()).values_list("pk", flat=True).first()
        return rows.filter(offer_id=offer_id) if offer_id else rows.none()

    def filter_source(self, rows: QuerySet[Event], name: str, value: str) -> QuerySet[Event]:
        """From one source."""
        source_id = EventSource.objects.filter(program=self.program, code=value.strip()).values_list("pk", flat=True).first()
        return rows.filter(source_id=source_id) if source_id else rows.none()

    def filter_where(self, rows: QuerySet[Event], name: str, value: dict[str, list[str]]) -> QuerySet[Event]:
        """Those that figures with these filters count."""
        days = self.form.cleaned_data
        first, last = days.get("first") or EVER[0], days.get("last")
        end = last + timedelta(days=1) if last else EVER[1]
        if not value or first >= end:
            return rows
        beneath = list_events_beneath(program=self.program, starts_date=first, ends_date=end, where=value)
        return rows.filter(pk__in=beneath.values("pk"))
