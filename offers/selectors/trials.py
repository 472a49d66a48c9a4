"""Trials of other offers with a share of members."""

from datetime import datetime
from decimal import Decimal

from django.db.models import Exists, JSONField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject

from offers.models import CatalogTrial, CatalogTrialOffer
from offers.rules import Trial


def list_trials(program_id: int) -> QuerySet[CatalogTrial]:
    """
    The trials of a program, those that have ended among them.

    Shape: CatalogTrials with segment and, as `pairs`, their offers; newest first.
    """
    return CatalogTrial.objects.filter(program_id=program_id).select_related("segment").prefetch_related("offers").order_by("-id")


def list_running_trials(program_id: int) -> tuple[Trial, ...]:
    """
    The trials of a program that run.

    Shape: Trials, the earliest first.
    """
    return tuple(read_trial(row) for row in list_trials(program_id).filter(ended_at__isnull=True).order_by("id"))


def is_tried() -> Exists:
    """
    Whether an offer is in a trial that runs, as an annotation of offers.

    Shape: one expression.
    """
    rows = CatalogTrialOffer.objects.filter(Q(old=OuterRef("pk")) | Q(new=OuterRef("pk")), trial__ended_at__isnull=True)
    return Exists(rows)


def trial_now() -> Subquery:
    """
    The part that an offer has in a trial that runs, as an annotation of offers; null where it has none.

    Shape: one expression, whose value is what say_trial (offers/rules/trials.py) is told.
    """
    rows = CatalogTrialOffer.objects.filter(Q(old=OuterRef("pk")) | Q(new=OuterRef("pk")), trial__ended_at__isnull=True)
    part = JSONObject(
        share="trial__share_percent",
        segment="trial__segment__name",
        old="old__external_id",
        new="new__external_id",
        is_fresh="is_fresh",
    )
    return Subquery(rows.order_by("id").values(part=part)[:1], output_field=JSONField())


def read_trial(row: CatalogTrial) -> Trial:
    """
    A trial as a rule.

    Shape: one Trial.
    """
    pairs = list(row.offers.all())
    return Trial(
        id=row.pk,
        salt=row.salt,
        share=Decimal(row.share_percent) / 100,
        rule=row.segment.rule if row.segment else None,
        successors={pair.old_id: pair.new_id for pair in pairs if pair.old_id is not None and pair.new_id is not None},
        olds=frozenset(pair.old_id for pair in pairs if pair.old_id is not None),
        fresh=frozenset(pair.new_id for pair in pairs if pair.new_id is not None and pair.is_fresh),
    )


def list_unseen(program_id: int) -> set[int]:
    """
    The offers that nobody is shown now but those who try them.

    Shape: offer row ids.
    """
    rows = CatalogTrialOffer.objects.filter(trial__program_id=program_id, trial__ended_at__isnull=True, is_fresh=True)
    return {pk for pk in rows.values_list("new_id", flat=True) if pk is not None}


def list_tried_periods(program_id: int) -> dict[int, list[tuple[datetime, datetime | None]]]:
    """
    When offers were shown to nobody but those who tried them.

    Shape: offer row id to half-open ranges of instants, in order; offers that never were are missing.
    """
    rows = CatalogTrialOffer.objects.filter(trial__program_id=program_id, is_fresh=True).distinct()
    found: dict[int, list[tuple[datetime, datetime | None]]] = {}
    columns = ("new_id", "trial__started_at", "trial__ended_at")
    for pk, started_at, ended_at in rows.order_by("trial__started_at").values_list(*columns):
        if pk is not None:
            found.setdefault(pk, []).append((started_at, ended_at))
    return found
