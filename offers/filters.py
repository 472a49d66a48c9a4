"""How lists of offers are narrowed, in the console and in the API alike."""

from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django_filters import CharFilter, ChoiceFilter, FilterSet

from offers.choices import PresentState
from offers.models import Listing, Offer
from offers.querysets import OfferQuerySet
from plum_site.lib.clock import now


class OfferFilter(FilterSet):
    """Offers by present state, partner, the partner's category and country, offer type and words."""

    state = ChoiceFilter(choices=PresentState.choices, method="filter_state")
    partner = CharFilter(field_name="partner__external_id")
    category = CharFilter(field_name="partner__category__code")
    country = CharFilter(field_name="partner__country", lookup_expr="iexact")
    offer_type = CharFilter(field_name="offer_type")
    search = CharFilter(method="filter_search", label="Title, partner or id")

    class Meta:
        model = Offer
        fields: list[str] = []

    def __init__(self, *args: Any, on: date | None = None, **kwargs: Any) -> None:
        """on: the program day that `state` is asked for; without it, today in UTC."""
        super().__init__(*args, **kwargs)
        self.on = on or now().date()

    def filter_state(self, queryset: OfferQuerySet, name: str, value: Any) -> OfferQuerySet:
        """Those that people see in this state on the day."""
        return queryset.in_present_state(value, self.on)

    def filter_search(self, queryset: OfferQuerySet, name: str, value: Any) -> OfferQuerySet:
        """Those of which any listing's title, the partner's name or the external id contains every word."""
        for word in value.split():
            titled = Exists(Listing.objects.filter(offer=OuterRef("pk"), title__icontains=word))
            queryset = queryset.filter(titled | Q(partner__name__icontains=word) | Q(external_id__icontains=word))
        return queryset
