"""Under which terms an offer stands, from which program day on: said ahead, never changed afterwards."""

from datetime import date, datetime

from django.db import transaction

from offers.models import Offer, OfferTerms
from offers.selectors import terms_on
from partners.models import Program
from partners.rules import check_text, field_error
from partners.services import bump_catalog_revision
from plum_site.lib import audit
from plum_site.lib.errors import NotFound
from plum_site.lib.models import User
from plum_site.lib.periods import local_date


@transaction.atomic
def set_terms(
    *, offer_id: int, text: str, starts_date: date, actor: User | str, at: datetime, source_ref: str = ""
) -> OfferTerms:
    """
    Say under which terms an offer stands from a program day on: today, or a day to come.

    What was said before for the same day is replaced from then on; what held on days that are over never changes. The
    same terms again for a day on which they hold anyway change nothing.

    Raises: NotFound, InvalidInput (code "terms_in_the_past").
    Writes: offers_offerterms, partners_program.catalog_revision, plum_auditevent.
    """
    check_text("text", text, 100_000)
    offer = Offer.objects.select_for_update(of=("self",)).filter(pk=offer_id).first()
    if offer is None:
        raise NotFound("offer", offer_id)
    today = today_of(offer, at)
    if starts_date < today:
        sentence = f"{starts_date} is over: members used the offer under the terms of that day. Choose {today} or a later day."
        raise field_error("terms_in_the_past", "starts_date", sentence)
    before = terms_on(offer.pk, starts_date)
    if before is not None and before.text == text:
        return before
    terms = append_terms(offer=offer, text=text, starts_date=starts_date, actor=actor, at=at, source_ref=source_ref)
    bump_catalog_revision(program_id=offer.program_id)
    audit.record(
        program_id=offer.program_id,
        actor=actor,
        action="offers.set_terms",
        row=offer,
        at=at,
        before={"terms": before.text} if before else None,
        after={"terms": text, "starts_date": starts_date.isoformat()},
    )
    return terms


def present_terms(offer: Offer, at: datetime) -> str:
    """
    The terms of an offer that are in force on the program day of an instant; "" where nothing was said.

    Raises: nothing.
    Writes: nothing.
    """
    terms = terms_on(offer.pk, today_of(offer, at))
    return terms.text if terms else ""


def today_of(offer: Offer, at: datetime) -> date:
    """
    The program day of an instant.

    Raises: nothing.
    Writes: nothing.
    """
    return local_date(at, Program.objects.values_list("time_zone", flat=True).get(pk=offer.program_id))


def note_published_terms(*, offer: Offer, text: str, actor: User | str, at: datetime, source_ref: str = "") -> None:
    """
    A version with other terms was published: they hold from today on; the first ones of an offer from the beginning.

    Raises: nothing.
    Writes: offers_offerterms, in the caller's transaction.
    """
    first = not OfferTerms.objects.filter(offer=offer).exists()
    append_terms(
        offer=offer, text=text, starts_date=None if first else today_of(offer, at), actor=actor, at=at, source_ref=source_ref
    )


def append_terms(
    *, offer: Offer, text: str, starts_date: date | None, actor: User | str, at: datetime, source_ref: str = ""
) -> OfferTerms:
    """
    Add one row of terms.

    Raises: nothing.
    Writes: offers_offerterms, in the caller's transaction.
    """
    return OfferTerms.objects.create(
        offer=offer, text=text, starts_date=starts_date, made_at=at, made_by=audit.actor_name(actor), source_ref=source_ref
    )
