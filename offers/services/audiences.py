"""Whom an offer is open to from one day on, and whom it leaves out."""

from collections.abc import Collection, Sequence
from datetime import date, datetime

from django.db import transaction

from offers.models import Audience, AudienceExclusion, Offer, Segment
from offers.rules import check_excluded
from offers.selectors import DatedAudience, list_offer_audiences, read_audiences, say_audience
from partners.rules import check_country
from partners.services import bump_catalog_revision
from plum_site.lib import audit
from plum_site.lib.errors import NotFound
from plum_site.lib.models import User


@transaction.atomic
def set_audience(
    *,
    offer_id: int,
    segment_id: int | None = None,
    countries: Sequence[str] = (),
    excluded_segment_ids: Collection[int] = (),
    starts_date: date | None = None,
    actor: User | str,
    at: datetime,
) -> Audience:
    """
    Say whom an offer is open to from a program day on (None: open to the past); a row of the same day is replaced.

    segment_id None: every member. countries empty: every country. excluded_segment_ids: whom it is not open to though both
    take them in; what is not named is not left out.

    Shape: the Audience, with its segment and left_out.
    Raises: NotFound, InvalidInput (code "invalid_country" or "excluded_and_included").
    Writes: offers_audience, offers_audienceexclusion, partners_program.catalog_revision, plum_auditevent; nothing if it is so
    already.
    """
    for country in countries:
        check_country("countries", country)
    offer = lock_offer(offer_id)
    named = find_segments(offer.program_id, {*excluded_segment_ids, *([] if segment_id is None else [segment_id])})
    check_excluded(
        "excluded_segments",
        None if segment_id is None else named[segment_id].code,
        [named[pk].code for pk in excluded_segment_ids],
    )
    audience = list_offer_audiences(offer.pk).filter(starts_date=starts_date).first()
    before = say_audience(audience, starts_date) if audience else None
    audience = audience or Audience(offer=offer, starts_date=starts_date)
    audience.segment, audience.countries = named.get(segment_id or 0), sorted(set(countries))
    audience.left_out = [named[pk] for pk in sorted(set(excluded_segment_ids))]
    after = say_audience(audience, starts_date)
    if before == after:
        return audience
    audience.save()
    write_exclusions(audience)
    bump_catalog_revision(program_id=offer.program_id)
    audit.record(
        program_id=offer.program_id,
        actor=actor,
        action="offers.set_audience",
        row=offer,
        at=at,
        before={**before} if before else None,
        after={**after},
    )
    return audience


@transaction.atomic
def leave_out_segment(
    *, offer_id: int, segment_id: int, starts_date: date, actor: User | str, at: datetime
) -> list[DatedAudience]:
    """
    Leave a segment out of an offer's audience from a program day on; whom the offer is open to otherwise stays as it is.

    What holds on that day goes on without the segment, as a row of that day; so does every row that is said for a later day.
    A row that leaves it out already is not touched: a second call changes nothing.

    The answer is what restore_audiences takes to put everything back. Whether somebody changed the audience in between is
    seen by comparing offers.selectors.read_audiences(offer_id, starts_date) from right after this call with the one of then.

    Shape: what read_audiences said before.
    Raises: NotFound; InvalidInput (code "excluded_and_included"), if the offer is open to that segment alone on one of the days.
    Writes: as set_audience, once for each row that changes; all of them or none.
    """
    lock_offer(offer_id)
    before = read_audiences(offer_id, starts_date)
    for said in before:
        if segment_id not in said["excluded_segments"]:
            write_said({**said, "excluded_segments": [*said["excluded_segments"], segment_id]}, offer_id, actor, at)
    return before


@transaction.atomic
def restore_audiences(
    *, offer_id: int, earlier: Sequence[DatedAudience], starts_date: date, actor: User | str, at: datetime
) -> None:
    """
    Put back whom an offer was open to, as leave_out_segment answered, from a program day on.

    starts_date: the day of leave_out_segment, and it is as if nothing had been (the row of that day stays, and says what held
    before it); a later day, and the days in between keep what members saw on them. Rows for other days stay as they are.

    Raises: NotFound.
    Writes: as set_audience, once for each day that changes; all of them or none.
    """
    lock_offer(offer_id)
    held = read_audiences(offer_id, starts_date)
    by_day: dict[str, DatedAudience] = {}
    for said in earlier:
        day = max(said["starts_date"] or "", starts_date.isoformat())
        by_day[day] = {**said, "starts_date": day}
    for said in by_day.values():
        if said not in held:
            write_said(said, offer_id, actor, at)


def lock_offer(offer_id: int) -> Offer:
    """The offer, locked against other changes of its audience; NotFound."""
    offer = Offer.objects.select_for_update(of=("self",)).filter(pk=offer_id).first()
    if offer is None:
        raise NotFound("offer", offer_id)
    return offer


def find_segments(program_id: int, ids: Collection[int]) -> dict[int, Segment]:
    """The segments of a program with these ids; NotFound for the first that it does not have."""
    found = Segment.objects.filter(program_id=program_id).in_bulk(list(ids)) if ids else {}
    for pk in ids:
        if pk not in found:
            raise NotFound("segment", pk)
    return found


def write_said(said: DatedAudience, offer_id: int, actor: User | str, at: datetime) -> None:
    """
    One audience, as read_audiences says it, through set_audience.

    Raises: as set_audience.
    Writes: as set_audience.
    """
    set_audience(
        offer_id=offer_id,
        segment_id=said["segment"],
        countries=said["countries"],
        excluded_segment_ids=said["excluded_segments"],
        starts_date=date.fromisoformat(said["starts_date"]) if said["starts_date"] else None,
        actor=actor,
        at=at,
    )


def write_exclusions(*audiences: Audience) -> None:
    """
    Bring the stored exclusions of audiences to what their left_out says.

    Raises: nothing.
    Writes: offers_audienceexclusion.
    """
    AudienceExclusion.objects.filter(audience__in=audiences).delete()
    AudienceExclusion.objects.bulk_create(
        AudienceExclusion(audience=audience, segment=segment) for audience in audiences for segment in audience.left_out
    )
