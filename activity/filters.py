"""How the activity history is narrowed: every filter bounds the reading by time, by member or by id."""

from datetime import date
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django_filters import CharFilter, ChoiceFilter, DateFilter, FilterSet, NumberFilter

from activity.choices import Kind, Status
from activity.models import Event, EventSource
from offers.models import Offer
from plum_site.lib.periods import first_instant

DAY = {"type": "date"}


class EventFilter(FilterSet):
    """Events by program days, kind, status, offer, source and member; foreign ids find nothing."""

    first = DateFilter(label="From", method="filter_first", widget=forms.DateInput(attrs=DAY))
    last = DateFilter(label="To (included)", method="filter_last", widget=forms.DateInput(attrs=DAY))
    kind = ChoiceFilter(choices=[(kind.value, kind.label) for kind in Kind], empty_label="any")
    status = ChoiceFilter(choices=[(status.value, status.label) for status in Status], empty_label="any")
    offer = CharFilter(label="Offer id", method="filter_offer")
    source = CharFilter(label="Source", method="filter_source")
    member = NumberFilter(label="Member number", field_name="member_id")

    class Meta:
        model = Event
        fields: list[str] = []

    def __init__(self, data: Any, *, queryset: QuerySet[Event], request: HttpRequest) -> None:
        super().__init__(data, queryset=queryset, request=request)
        self.program: Any = getattr(request, "program", None)

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
