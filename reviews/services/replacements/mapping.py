"""Which offer follows which: saved as often as needed, then put forward to be approved."""

from collections.abc import Collection, Sequence
from datetime import date, datetime

from django.db import transaction

from offers.models import Offer
from partners.choices import PartnerState
from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import User
from plum_site.lib.periods import local_date
from plum_site.lib.workflow import find_transition
from reviews.models import Replacement
from reviews.rules.replacements import Pair, check_mapping
from reviews.selectors.replacements import list_new_offers, list_old_offers, read_pairs
from reviews.services.replacements.gaps import accept_gaps
from reviews.services.replacements.log import UNAPPROVED, lock_replacement, may_work, note_change, take
from reviews.workflow import REPLACEMENT_TRANSITIONS

GONE = (PartnerState.RETIRED, PartnerState.REJECTED, PartnerState.REPLACING)


@transaction.atomic
def save_mapping(
    *, replacement_id: int, pairs: Sequence[Pair], actor: User | str, at: datetime, replaces: int | None = None
) -> Replacement:
    """
    Say which offer follows which, while the terms are agreed and nothing is put forward yet. The same again changes nothing.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - invalid_mapping, changed_since.
    Writes: reviews_replacementoffer, reviews_replacement, plum_auditevent.
    Source: docs/rules/replacement.md
    """
    replacement = lock_replacement(replacement_id, replaces)
    may_work(replacement, actor)
    find_transition(REPLACEMENT_TRANSITIONS, "map", replacement.state)
    olds, news = _offers_of(replacement)
    check_mapping(pairs, olds, news)
    if list(pairs) == read_pairs(replacement):
        return replacement
    replacement.offers.all().delete()
    replacement.offers.bulk_create(
        replacement.offers.model(replacement=replacement, old=olds.get(pair.old or ""), new=news.get(pair.new or ""))
        for pair in pairs
    )
    replacement.revision += 1
    replacement.accepted_gaps = []
    replacement.save(update_fields=["revision", "accepted_gaps"])
    note_change(replacement, "save_mapping", actor, at, offers=[[pair.old, pair.new] for pair in pairs])
    return replacement


@transaction.atomic
def map_offers(
    *,
    replacement_id: int,
    gaps: Collection[str] = (),
    actor: User | str,
    at: datetime,
    comment: str = "",
    replaces: int | None = None,
) -> Replacement:
    """
    Put the mapping forward: every old offer has a successor or none, and what is missing then is accepted by this.

    gaps: keys of the gaps that were seen and are accepted.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - invalid_mapping, gaps_not_accepted,
    changed_since.
    Writes: reviews_replacement, reviews_replacementtransition, plum_auditevent, what listeners write.
    Source: docs/rules/replacement.md
    """
    replacement = lock_replacement(replacement_id, replaces)
    pairs = check_saved(replacement, at)
    accepted = accept_gaps(replacement, pairs, gaps, at)
    changes = {"accepted_gaps": accepted, "mapped_at": at, "revision": replacement.revision + 1, **UNAPPROVED}
    take(replacement, "map", actor, at, comment, signed="mapper", **changes)
    return replacement


def check_saved(replacement: Replacement, at: datetime) -> list[Pair]:
    """
    The mapping as it is, once every offer in it can still do what it says.

    Raises: InvalidInput - invalid_mapping.
    Writes: nothing.
    """
    successor = replacement.successor
    if successor is not None and successor.state in GONE:
        sentence = f"{successor} is {successor.get_state_display().lower()}, and cannot take the place. Nothing was changed."
        raise InvalidInput("invalid_mapping", f"{sentence} Go back to the candidates.")
    pairs = read_pairs(replacement)
    olds, news = _offers_of(replacement)
    check_mapping(pairs, olds, news)
    today = local_date(at, replacement.program.time_zone)
    fields = {}
    for name in {pair.new for pair in pairs if pair.new is not None}:
        if sentence := _fault_of(news[name], today):
            fields[name] = sentence
    if fields:
        raise InvalidInput("invalid_mapping", "These offers cannot follow. Nothing was changed.", fields)
    return pairs


def _offers_of(replacement: Replacement) -> tuple[dict[str, Offer], dict[str, Offer]]:
    """The offers that go, and those that may come, by external id."""
    olds = list_old_offers(replacement.program_id, replacement.partner, replacement.category)
    news = list_new_offers(replacement.program_id, replacement.successor) if replacement.successor else Offer.objects.none()
    return {offer.external_id: offer for offer in olds}, {offer.external_id: offer for offer in news}


def _fault_of(offer: Offer, today: date) -> str:
    """Why an offer could not go live; "" where it can."""
    titles = [listing.title for listing in offer.newest_listings]  # type: ignore[attr-defined]
    if not titles or not titles[0]:
        return "It has no listing: members would have nothing to read. Write one first."
    if offer.ends_date and offer.ends_date < today:
        return f"Its last day, {offer.ends_date}, is over."
    return ""
