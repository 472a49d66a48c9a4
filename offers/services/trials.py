"""Trying other offers with a share of members, and ending it."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from offers.choices import OfferState
from offers.models import CatalogTrial, CatalogTrialOffer, Offer, Segment
from offers.models.trials import LARGEST_SHARE
from partners.models import Program
from partners.services import bump_catalog_revision
from plum_site.lib import audit
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import User

OfferPair = tuple[int | None, int | None]  # row ids: the old offer, and the new one in its place


@transaction.atomic
def start_trial(
    *,
    program_id: int,
    pairs: Sequence[OfferPair],
    share_percent: int,
    salt: str,
    actor: User | str,
    at: datetime,
    segment_id: int | None = None,
    source_ref: str = "",
) -> CatalogTrial:
    """
    Show new offers in the places of old ones to a share of members, of one segment or of everyone. The new ones that are not
    published yet are shown to nobody else, from when they are: publish them after this, in the same transaction.

    Raises: NotFound; InvalidInput - invalid_share, invalid_mapping, tried_already.
    Writes: offers_catalogtrial, offers_catalogtrialoffer, partners_program.catalog_revision, plum_auditevent.
    Source: docs/rules/trial.md
    """
    program = Program.objects.select_for_update().get(pk=program_id)
    if not 1 <= share_percent <= LARGEST_SHARE:
        sentence = f"A whole number of percent from 1 to {LARGEST_SHARE}."
        raise InvalidInput("invalid_share", f"Nothing was changed. {sentence}", {"share_percent": sentence})
    if segment_id is not None and not Segment.objects.filter(program=program, pk=segment_id).exists():
        raise NotFound("segment", segment_id)
    offers = _find_offers(program, pairs)
    trial = CatalogTrial.objects.create(
        program=program,
        segment_id=segment_id,
        share_percent=share_percent,
        salt=salt,
        source_ref=source_ref,
        started_at=at,
        started_by=audit.actor_name(actor),
    )
    CatalogTrialOffer.objects.bulk_create(
        CatalogTrialOffer(
            trial=trial,
            old_id=old,
            new_id=new,
            is_fresh=new is not None and offers[new].state != OfferState.PUBLISHED,
        )
        for old, new in pairs
    )
    bump_catalog_revision(program_id=program_id)
    named = [[offers[pk].external_id if pk is not None else None for pk in pair] for pair in pairs]
    after = {"share_percent": share_percent, "segment": segment_id, "offers": named}
    audit.record(program_id=program_id, actor=actor, action="offers.start_trial", row=trial, at=at, after=after)
    return trial


@transaction.atomic
def end_trial(*, trial_id: int, actor: User | str, at: datetime) -> CatalogTrial:
    """
    End a trial: everybody is shown what is published, as the rankings say. One that has ended stays as it is.

    Whoever ends it says what becomes of the new offers: what is published is shown to all from now on.

    Raises: NotFound.
    Writes: offers_catalogtrial, partners_program.catalog_revision, plum_auditevent; nothing if it has ended.
    Source: docs/rules/trial.md
    """
    trial = CatalogTrial.objects.select_for_update(of=("self",)).filter(pk=trial_id).first()
    if trial is None:
        raise NotFound("trial", trial_id)
    if trial.ended_at is not None:
        return trial
    trial.ended_at, trial.ended_by = at, audit.actor_name(actor)
    trial.save(update_fields=["ended_at", "ended_by"])
    bump_catalog_revision(program_id=trial.program_id)
    audit.record(program_id=trial.program_id, actor=actor, action="offers.end_trial", row=trial, at=at)
    return trial


def _find_offers(program: Program, pairs: Sequence[OfferPair]) -> dict[int, Offer]:
    """The offers of a trial by row id, once each is the program's, named in one role, and in no other trial that runs."""
    olds = [old for old, _ in pairs if old is not None]
    news = {new for _, new in pairs if new is not None}
    if not news or len(set(olds)) != len(olds) or news & set(olds) or (None, None) in pairs:
        sentence = "Name at least one new offer, each old one once, and none as both."
        raise InvalidInput("invalid_mapping", f"Nothing was tried. {sentence}", {"offers": sentence})
    named = news | set(olds)
    offers = Offer.objects.filter(program=program).in_bulk(list(named))
    for pk in sorted(named - offers.keys()):
        raise NotFound("offer", pk)
    running = CatalogTrialOffer.objects.filter(trial__program=program, trial__ended_at__isnull=True)
    busy = running.filter(Q(old__in=named) | Q(new__in=named)).values_list("old_id", "new_id")
    if taken := sorted(offers[pk].external_id for pk in {pk for pair in busy for pk in pair} & named):
        sentence = f"On trial already: {', '.join(taken)}. End that trial first."
        raise InvalidInput("tried_already", f"Nothing was tried. {sentence}", {"offers": sentence})
    return offers
