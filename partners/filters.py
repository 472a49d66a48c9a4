"""How lists of partners are narrowed, in the console and in the API alike."""

from typing import Any

from django.db.models import Q, QuerySet
from django_filters import CharFilter, ChoiceFilter, FilterSet

from partners.choices import PartnerState
from partners.models import Partner


class PartnerFilter(FilterSet):
    """Partners by state, category, country, owner (user name) and words."""

    state = ChoiceFilter(choices=PartnerState.choices)
    category = CharFilter(field_name="category__code")
    country = CharFilter(field_name="country", lookup_expr="iexact")
    owner = CharFilter(field_name="owner__username")
    search = CharFilter(method="filter_search", label="Name or id")

    class Meta:
        model = Partner
        fields: list[str] = []

    def filter_search(self, queryset: QuerySet[Partner], name: str, value: Any) -> QuerySet[Partner]:
        """Those whose name or external id contains every word."""
        for word in value.split():
            queryset = queryset.filter(Q(name__icontains=word) | Q(external_id__icontains=word))
        return queryset
