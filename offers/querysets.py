"""Chainable filters over offers and their audiences."""

from __future__ import annotations

from datetime import date

from django.db import models
from django.db.models import Prefetch, Q

from offers.choices import OfferState, PresentState
from partners.choices import SUPPLYING


class OfferQuerySet(models.QuerySet):
    """Offers, with filters that follow from state, dates and partner."""

    def in_present_state(self, state: str, on: date) -> OfferQuerySet:
        """Those that people see in `state` on a program day; the same answer as rules.present_state, in SQL."""
        ended = Q(ends_date__isnull=False, ends_date__lt=on)
        begun = Q(starts_date__isnull=True) | Q(starts_date__lte=on)
        supplied = Q(partner__state__in=SUPPLYING)
        published = self.filter(state=OfferState.PUBLISHED)
        if state == PresentState.EXPIRED:
            return published.filter(ended)
        if state == PresentState.LIVE:
            return published.filter(supplied, begun).exclude(ended)
        if state == PresentState.SCHEDULED:
            return published.filter(supplied, starts_date__gt=on).exclude(ended)
        if state == PresentState.PAUSED:
            return self.filter(Q(state=OfferState.PAUSED) | Q(state=OfferState.PUBLISHED) & ~supplied & ~ended)
        return self.filter(state=state)


class AudienceQuerySet(models.QuerySet):
    """Audiences of offers."""

    def with_segments(self) -> AudienceQuerySet:
        """With all that decides whom they take in: `segment`, and `left_out`, a list of Segments by name; two statements."""
        return self.select_related("segment").prefetch_related(Prefetch("excluded_segments", to_attr="left_out"))
