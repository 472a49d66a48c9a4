"""What members read about an offer: every refresh is a new version, and so is going back to an earlier one."""

from datetime import datetime

from django.db import transaction

from offers.models import Creative, Listing, Offer
from offers.rules import check_url
from offers.selectors import find_own_picture
from offers.services.terms import note_published_terms, present_terms
from partners.rules import check_text, field_error
from partners.services import bump_catalog_revision
from plum_site.lib import audit
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.models import User

WORDS = ("title", "text", "creative_url", "terms")
Words = dict[str, str]


@transaction.atomic
def publish_listing(
    *,
    offer_id: int,
    title: str,
    text: str = "",
    creative_url: str = "",
    terms: str | None = None,
    actor: User | str,
    at: datetime,
    comment: str = "",
    source_ref: str = "",
    replaces: int | None = None,
) -> Listing:
    """
    Publish the next version of an offer's listing; the same words again change nothing.

    terms: None leaves those in force today; others hold from today on (OfferTerms). replaces: number of the version that
    the caller saw as the newest (0: none), where that matters.

    Raises: NotFound, InvalidInput, DomainError (code "listing_changed_since").
    Writes: offers_listing, offers_offerterms, partners_program.catalog_revision, plum_auditevent.
    """
    offer, newest = lock_offer(offer_id), find_newest(offer_id)
    check_replaces(newest, replaces)
    held = present_terms(offer, at)
    words = {"title": title, "text": text, "creative_url": creative_url, "terms": held if terms is None else terms}
    return append_version(offer, newest, words, actor, at, comment, source_ref)


@transaction.atomic
def restore_listing(
    *, offer_id: int, listing_id: int, replaces: int, actor: User | str, at: datetime, comment: str = "", source_ref: str = ""
) -> Listing:
    """
    Publish an earlier version of an offer's listing again, as a new version; if it reads so already, nothing changes.

    listing_id: row id of the version to go back to. replaces: number of the version that the caller saw as the newest.

    Raises: NotFound, InvalidInput, DomainError (code "listing_changed_since").
    Writes: as publish_listing.
    """
    offer, newest = lock_offer(offer_id), find_newest(offer_id)
    earlier = Listing.objects.filter(pk=listing_id, offer=offer).first()
    if earlier is None:
        raise NotFound("listing", listing_id)
    check_replaces(newest, replaces)
    words = {name: getattr(earlier, name) for name in WORDS}
    return append_version(offer, newest, words, actor, at, comment, source_ref, restores=earlier.number)


def lock_offer(offer_id: int) -> Offer:
    """
    The offer, locked for the caller's transaction, so that versions follow each other.

    Raises: NotFound.
    Writes: nothing.
    """
    offer = Offer.objects.select_for_update(of=("self",)).filter(pk=offer_id).first()
    if offer is None:
        raise NotFound("offer", offer_id)
    return offer


def find_newest(offer_id: int) -> Listing | None:
    """
    The version that members read now.

    Raises: nothing.
    Writes: nothing.
    """
    return Listing.objects.filter(offer_id=offer_id).order_by("-number").first()


def check_replaces(newest: Listing | None, replaces: int | None) -> None:
    """
    Refuse to publish over a version that the caller has not seen.

    Raises: DomainError, code "listing_changed_since".
    Writes: nothing.
    """
    number = newest.number if newest else 0
    if replaces not in (None, number):
        sentence = f"Version {number} is what members read now, not {replaces}. Nothing was changed. Look at it, decide anew."
        raise DomainError("listing_changed_since", sentence, {"replaces": sentence})


def check_words(program_id: int, words: Words) -> None:
    """
    Refuse a listing that cannot be stored, or that shows a picture of ours which is not there (any more).

    Raises: InvalidInput.
    Writes: nothing; locks the picture's row, so that it is not tidied away meanwhile.
    """
    check_text("title", words["title"], 300, required=True)
    check_text("text", words["text"], 100_000)
    check_text("terms", words["terms"], 100_000)
    check_url(words["creative_url"])
    name = find_own_picture(words["creative_url"])
    if not name:
        return
    pictures = Creative.objects.select_for_update(of=("self",)).filter(program_id=program_id, sha256=name[:64])
    if pictures.first() is None:
        raise field_error("unknown_picture", "creative_url", "There is no such picture in this program. Bring it first.")


def append_version(
    offer: Offer,
    newest: Listing | None,
    words: Words,
    actor: User | str,
    at: datetime,
    comment: str,
    source_ref: str,
    restores: int | None = None,
) -> Listing:
    """
    The next version of an offer that the caller has locked; the newest one, where members read these words already.

    Raises: InvalidInput.
    Writes: as publish_listing.
    """
    check_words(offer.program_id, words)
    present = {name: getattr(newest, name, "") for name in WORDS} | {"terms": present_terms(offer, at)}
    if newest is not None and words == present:
        return newest
    listing = Listing.objects.create(
        offer=offer,
        number=newest.number + 1 if newest else 1,
        published_at=at,
        published_by=audit.actor_name(actor),
        source_ref=source_ref,
        **words,
    )
    if words["terms"] != present["terms"]:
        note_published_terms(offer=offer, text=words["terms"], actor=actor, at=at, source_ref=source_ref)
    bump_catalog_revision(program_id=offer.program_id)
    audit.record(
        program_id=offer.program_id,
        actor=actor,
        action="offers.publish_listing",
        row=offer,
        at=at,
        before={"listing": newest.number} if newest else None,
        after={"listing": listing.number} | ({"restores": restores} if restores else {}),
        comment=comment,
    )
    return listing
