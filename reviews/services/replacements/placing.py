"""Bringing new offers into the catalog and taking them out again: what a trial and a cutover have in common."""

from datetime import date, datetime

from offers.choices import OfferState
from offers.models import Offer
from offers.selectors import read_audiences
from offers.services import change_offer_state, set_audience
from partners.choices import PartnerState
from partners.services import change_partner_state
from plum_site.lib import audit
from plum_site.lib.models import User
from reviews.models import Replacement
from reviews.services.replacements.opening import source_ref

# What brings an offer into the catalog from each of its states.
GO_LIVE = {
    OfferState.DRAFT: ("submit", "publish"),
    OfferState.IN_REVIEW: ("publish",),
    OfferState.PAUSED: ("resume",),
    OfferState.PUBLISHED: (),
}
# What makes a successor supply. One that was paused by the end of a trial or a rollback supplies again.
JOIN = {
    PartnerState.PROSPECT: ("onboard", "activate"),
    PartnerState.ONBOARDING: ("activate",),
    PartnerState.PAUSED: ("resume",),
}


def bring_in(replacement: Replacement, today: date, at: datetime) -> None:
    """
    The successor supplies, and its mapped offers are published. Those that are not in the catalog now and are for everyone are
    open to the replacement's segment alone, where it is for one.

    Raises: DomainError - transition_refused.
    Writes: offers_offer, offers_offertransition, offers_audience, partners_partner, partners_partnertransition,
    partners_program.catalog_revision, plum_auditevent.
    """
    successor = replacement.successor
    if successor is None:
        return
    for name in JOIN.get(PartnerState(successor.state), ()):
        change_partner_state(
            partner_id=successor.pk,
            name=name,
            actor=audit.SYSTEM,
            at=at,
            comment=say_why(replacement),
            source_ref=source_ref(replacement),
        )
    news = {row.new for row in replacement.offers.filter(new__isnull=False).select_related("new") if row.new is not None}
    for offer in sorted(news, key=lambda offer: offer.external_id):
        was_out = offer.state != OfferState.PUBLISHED
        for name in GO_LIVE[OfferState(offer.state)]:
            take_step(replacement, offer, name, audit.SYSTEM, at)
        [said, *_] = read_audiences(offer.pk, today)
        is_for_everyone = said["segment"] is None and not said["countries"]
        if was_out and is_for_everyone and replacement.segment_id is not None:
            set_audience(offer_id=offer.pk, segment_id=replacement.segment_id, starts_date=today, actor=audit.SYSTEM, at=at)


def restore_offer(replacement: Replacement, offer: Offer, state: str, actor: User | str, at: datetime) -> None:
    """
    An offer in the state from before; a draft that went live cannot become one again, and is paused.

    Raises: DomainError - transition_refused.
    Writes: offers_offer, offers_offertransition, partners_program.catalog_revision, plum_auditevent.
    """
    if state == offer.state:
        return
    if offer.state == OfferState.RETIRED:
        take_step(replacement, offer, "reinstate", actor, at)
        offer.refresh_from_db(fields=["state"])
    if state == OfferState.PUBLISHED and offer.state == OfferState.PAUSED:
        take_step(replacement, offer, "resume", actor, at)
    elif state != OfferState.PUBLISHED and offer.state == OfferState.PUBLISHED:
        take_step(replacement, offer, "pause", actor, at)


def take_step(replacement: Replacement, offer: Offer, name: str, actor: User | str, at: datetime) -> None:
    """
    One transition of an offer, with the replacement as its cause.

    Raises: DomainError - transition_refused.
    Writes: offers_offer, offers_offertransition, partners_program.catalog_revision, plum_auditevent.
    """
    change_offer_state(
        offer_id=offer.pk, name=name, actor=actor, at=at, comment=say_why(replacement), source_ref=source_ref(replacement)
    )


def say_why(replacement: Replacement) -> str:
    """
    What a replacement writes beside the steps that it takes.

    Raises: nothing.
    Writes: nothing.
    """
    what = f"by {replacement.successor}" if replacement.successor else "without a successor"
    return f"Replacement {replacement.pk} of {replacement.partner} {what}."
