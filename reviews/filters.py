"""What lists of flags, corrective actions and replacements can be narrowed down by."""

from typing import Any

from django.core.validators import RegexValidator
from django.db.models import QuerySet
from django_filters import BooleanFilter, CharFilter, ChoiceFilter, FilterSet, NumberFilter

from plum_site.lib.periods import parse_month
from reviews.choices import ActionKind, ActionState, FlagState, HolderState, ReplacementState, Severity, Verdict
from reviews.models import CorrectiveAction, FlagCase, Replacement, ReplacementHolder
from reviews.rules import ACTIVE

MONTH = RegexValidator(r"^(19|20)\d{2}-(0[1-9]|1[0-2])$", "Write a month as YYYY-MM, for example 2026-03.")


class FlagFilter(FilterSet):
    """Flags by state, whether they are active, partner, rule, severity, owner (user name) and a month in which they stood."""

    state = ChoiceFilter(choices=FlagState.choices)
    active = BooleanFilter(method="filter_active", label="Open or acknowledged")
    partner = CharFilter(field_name="partner__external_id", label="External id of the partner")
    rule = CharFilter(field_name="rule__code", label="Code of the rule")
    severity = ChoiceFilter(choices=Severity.choices, field_name="seen__severity")
    owner = CharFilter(field_name="owner__username", label="User name of the owner")
    month = CharFilter(method="filter_month", validators=[MONTH], label="YYYY-MM: a month in which it stood")

    class Meta:
        model = FlagCase
        fields: list[str] = []

    def filter_active(self, queryset: QuerySet[FlagCase], name: str, value: Any) -> QuerySet[FlagCase]:
        """Open and acknowledged ones, or the others."""
        return queryset.filter(state__in=ACTIVE) if value else queryset.exclude(state__in=ACTIVE)

    def filter_month(self, queryset: QuerySet[FlagCase], name: str, value: Any) -> QuerySet[FlagCase]:
        """Those that stood in a month: from the first one in which they were seen to the newest."""
        month = parse_month(value)
        return queryset.filter(first_month_date__lte=month, newest_month_date__gte=month)


class ActionFilter(FilterSet):
    """Corrective actions by state, kind, partner, segment, month of the review, flag, owner (user name) and verdict."""

    state = ChoiceFilter(choices=ActionState.choices)
    kind = ChoiceFilter(choices=ActionKind.choices)
    partner = CharFilter(field_name="partner__external_id", label="External id of the partner")
    segment = CharFilter(field_name="segment__code", label="Code of the segment")
    month = CharFilter(method="filter_month", validators=[MONTH], label="YYYY-MM of the review that it answers")
    flag = NumberFilter(field_name="case_id", min_value=1, max_value=2**63 - 1, label="Id of the flag that it answers")
    owner = CharFilter(field_name="owner__username", label="User name of the owner")
    verdict = ChoiceFilter(choices=Verdict.choices)

    class Meta:
        model = CorrectiveAction
        fields: list[str] = []

    def filter_month(self, queryset: QuerySet[CorrectiveAction], name: str, value: Any) -> QuerySet[CorrectiveAction]:
        """Those that answer the review of a month, whichever revision."""
        return queryset.filter(cycle__month_start_date=parse_month(value))


class ReplacementFilter(FilterSet):
    """Replacements by state and by the partner that is replaced."""

    state = ChoiceFilter(choices=ReplacementState.choices)
    partner = CharFilter(field_name="partner__external_id", label="External id of the partner that is replaced")

    class Meta:
        model = Replacement
        fields: list[str] = []


class HolderFilter(FilterSet):
    """Holders of old offers by how far they were told of the last day."""

    state = ChoiceFilter(choices=HolderState.choices, label="How far they were told of the last day")

    class Meta:
        model = ReplacementHolder
        fields: list[str] = []
