"""Saving offers: one, or a file of them, with listing and audience, in a handful of statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction

from offers.choices import OfferState
from offers.models import Audience, Listing, Offer, OfferTerms, OfferTransition, Segment
from offers.rules import OfferRow, check_excluded, check_offer, parse_cost
from offers.selectors import get_offer, list_audiences, list_newest_listings, list_terms_in_force
from offers.services.audiences import write_exclusions
from offers.services.rankings import extend_ranking
from partners.models import Partner, Program
from partners.rules import RowFault, SavedRows, field_error
from partners.services import bump_catalog_revision
from plum_site.lib import audit
from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import User
from plum_site.lib.periods import local_date

OFFER_FIELDS = (
    "category",
    "face_value",
    "face_value_currency",
    "starts_date",
    "ends_date",
    "reward_cost_minor",
    "reward_cost_currency",
)
LISTING_FIELDS = ("title", "text", "creative_url", "terms")


@dataclass(frozen=True)
class Stored:
    """What a program has before a load: by external id or code; listings, audiences and terms in force today by offer row id."""

    program: Program
    today: date
    partners: dict[str, int]
    segments: dict[str, Segment]
    offers: dict[str, Offer]
    listings: dict[int, Listing]
    audiences: dict[int, Audience]
    terms: dict[int, str]


@dataclass
class Change:
    """What one row changes of an offer that exists: old and new values, and the rows to write."""

    offer: Offer
    before: dict[str, Any]
    after: dict[str, Any]
    listing: Listing | None = None
    audience: Audience | None = None
    terms: OfferTerms | None = None


@transaction.atomic
def save_offers(
    *, program_id: int, rows: Sequence[OfferRow], actor: User | str, at: datetime, state: str = OfferState.PUBLISHED
) -> SavedRows:
    """
    Create and change the offers that a file names; those it does not name stay as they are.

    New ones begin in `state`, with their first listing; published from the start, they are live on all their dates.
    They seed the ranking of everyone, or are appended to it, by (rank, empty last; partner; offer). Partner and type
    of an offer never change: such rows, and others that cannot be saved, come back as faults; the rest is kept.

    Raises: nothing; faults are returned.
    Writes: offers_offer, offers_offertransition, offers_listing, offers_offerterms, offers_audience, offers_audienceexclusion,
    offers_rankingrevision, partners_program.catalog_revision; plum_auditevent, once for the file and once for each changed offer.
    Nothing where nothing differs.
    """
    stored = read_stored(program_id, at)
    sound, faults = sift_offers(rows, stored)
    new = [row for row in sound if row.external_id not in stored.offers]
    changes = [change for row in sound if row.external_id in stored.offers and (change := find_change(row, stored, actor, at))]
    created = create_offers(new, stored, state, actor, at)
    write_changes(changes, actor, at)
    counts = SavedRows(len(created), len(changes), len(sound) - len(created) - len(changes), tuple(faults))
    if created or changes:
        bump_catalog_revision(program_id=program_id)
        totals = {"created": counts.created, "changed": counts.changed, "unchanged": counts.unchanged}
        audit.record(program_id=program_id, actor=actor, action="offers.save_offers", row=stored.program, at=at, after=totals)
    if created:
        extend_ranking(program_id=program_id, rows={row.external_id: row for row in new}, actor=actor, at=at)
    return counts


@transaction.atomic
def save_offer(
    *, program_id: int, row: OfferRow, actor: User | str, at: datetime, state: str = OfferState.DRAFT
) -> tuple[Offer, str]:
    """
    Create or change one offer; with it "created", "changed" or "unchanged". A new one begins in `state`.

    Raises: InvalidInput.
    Writes: as save_offers.
    """
    counts = save_offers(program_id=program_id, rows=[row], actor=actor, at=at, state=state)
    for fault in counts.faults:
        raise fault.error
    outcome = "created" if counts.created else "changed" if counts.changed else "unchanged"
    return get_offer(program_id, row.external_id), outcome


def read_stored(program_id: int, at: datetime) -> Stored:
    """What is there now; locks the program's row, so that two loads of it follow each other."""
    program = Program.objects.select_for_update().get(pk=program_id)
    today = local_date(at, program.time_zone)
    return Stored(
        program=program,
        today=today,
        partners=dict(Partner.objects.filter(program=program).values_list("external_id", "id")),
        segments={segment.code: segment for segment in Segment.objects.filter(program=program)},
        offers={offer.external_id: offer for offer in Offer.objects.filter(program=program)},
        listings={listing.offer_id: listing for listing in list_newest_listings(program_id)},
        audiences=list_audiences(program_id, today),
        terms=list_terms_in_force(program_id, today),
    )


def sift_offers(rows: Sequence[OfferRow], stored: Stored) -> tuple[list[OfferRow], list[RowFault]]:
    """The rows that can be saved, and the faults of the others; the first of two rows of one id counts."""
    sound, faults, seen = [], [], set()
    for index, row in enumerate(rows):
        try:
            check_offer(row)
            check_against(row, stored)
            if row.external_id in seen:
                raise field_error("named_twice", "external_id", f"{row.external_id} is in this file twice; the first row counts.")
        except InvalidInput as error:
            faults.append(RowFault(index, error))
            continue
        seen.add(row.external_id)
        sound.append(row)
    return sound, faults


def check_against(row: OfferRow, stored: Stored) -> None:
    """InvalidInput for a row whose partner or segment is unknown, or that would change what never changes."""
    partner_id = stored.partners.get(row.partner_external_id)
    if partner_id is None:
        raise field_error(
            "unknown_partner", "partner_external_id", f"There is no partner {row.partner_external_id!r}. Save it first."
        )
    if row.audience and row.audience not in stored.segments:
        raise field_error("unknown_segment", "audience", f"There is no segment {row.audience!r}. Save it first.")
    offer = stored.offers.get(row.external_id)
    held = stored.audiences.get(offer.pk) if offer else None
    if held is not None:
        check_excluded("audience", row.audience, [segment.code for segment in held.left_out])
    if offer and offer.partner_id != partner_id:
        raise field_error("immutable", "partner_external_id", "An offer stays with its partner. Give the new offer another id.")
    if offer and offer.offer_type != row.offer_type:
        raise field_error("immutable", "offer_type", f"This offer is of type {offer.offer_type}. Give the new offer another id.")


def read_fields(row: OfferRow) -> dict[str, Any]:
    """The columns of offers_offer that a row speaks of, apart from what never changes."""
    values: dict[str, Any] = {
        "category": row.category,
        "face_value": row.face_value,
        "face_value_currency": row.currency,
        "starts_date": row.starts_date,
        "ends_date": row.ends_date,
    }
    if row.reward_cost is not None:
        values["reward_cost_minor"], values["reward_cost_currency"] = parse_cost(row.reward_cost)
    return values


def create_offers(rows: Sequence[OfferRow], stored: Stored, state: str, actor: User | str, at: datetime) -> list[Offer]:
    """Write new offers with their first transition, listing and audience."""
    name = audit.actor_name(actor)
    offers = Offer.objects.bulk_create(
        Offer(
            program=stored.program,
            partner_id=stored.partners[row.partner_external_id],
            external_id=row.external_id,
            offer_type=row.offer_type,
            state=state,
            created_at=at,
            **read_fields(row),
        )
        for row in rows
    )
    OfferTransition.objects.bulk_create(
        OfferTransition(offer=offer, name="create", from_state="", to_state=state, actor=name, at=at) for offer in offers
    )
    pairs = list(zip(offers, rows, strict=True))
    Listing.objects.bulk_create(
        Listing(
            offer=offer,
            number=1,
            title=row.title,
            text=row.text or "",
            creative_url=row.creative_url or "",
            terms=row.terms or "",
            published_at=at,
            published_by=name,
        )
        for offer, row in pairs
    )
    OfferTerms.objects.bulk_create(
        OfferTerms(offer=offer, text=row.terms, starts_date=None, made_at=at, made_by=name) for offer, row in pairs if row.terms
    )
    Audience.objects.bulk_create(
        Audience(
            offer=offer, segment=stored.segments.get(row.audience or ""), countries=list(row.countries or ()), starts_date=None
        )
        for offer, row in pairs
        if row.audience or row.countries
    )
    return offers


def find_change(row: OfferRow, stored: Stored, actor: User | str, at: datetime) -> Change | None:
    """What a row changes of the offer it names, put on the object but not yet written; None if nothing."""
    offer = stored.offers[row.external_id]
    values = read_fields(row)
    change = Change(offer, {name: getattr(offer, name) for name, value in values.items() if getattr(offer, name) != value}, {})
    for name in change.before:
        setattr(offer, name, values[name])
        change.after[name] = values[name]
    refresh_listing(change, row, stored, actor, at)
    move_audience(change, row, stored)
    return change if change.before else None


def refresh_listing(change: Change, row: OfferRow, stored: Stored, actor: User | str, at: datetime) -> None:
    """Add the next listing version to a change if the row reads differently; what it does not speak of stays."""
    newest = stored.listings.get(change.offer.pk)
    old = {name: getattr(newest, name, "") for name in LISTING_FIELDS} | {"terms": stored.terms.get(change.offer.pk, "")}
    said = {"text": row.text, "creative_url": row.creative_url, "terms": row.terms}
    new = {**old, "title": row.title, **{name: value for name, value in said.items() if value is not None}}
    if new == old:
        return
    number, name = newest.number + 1 if newest else 1, audit.actor_name(actor)
    change.listing = Listing(offer=change.offer, number=number, published_at=at, published_by=name, **new)
    if new["terms"] != old["terms"]:
        since = stored.today if change.offer.pk in stored.terms else None  # the first ones hold from the beginning
        change.terms = OfferTerms(offer=change.offer, text=new["terms"], starts_date=since, made_at=at, made_by=name)
    change.before["listing"], change.after["listing"] = number - 1, number


def move_audience(change: Change, row: OfferRow, stored: Stored) -> None:
    """Add the audience from today on to a change if the row names another one; whom it leaves out stays left out."""
    newest = stored.audiences.get(change.offer.pk)
    segment_id = newest.segment_id if newest else None
    countries = newest.countries if newest else []
    if row.audience is not None:
        segment = stored.segments.get(row.audience)
        segment_id = segment.pk if segment else None
    if row.countries is not None:
        countries = list(row.countries)
    old = (newest.segment_id, newest.countries) if newest else (None, [])
    if (segment_id, countries) == old:
        return
    same_day = newest is not None and newest.starts_date == stored.today
    audience = newest if newest and same_day else Audience(offer=change.offer, starts_date=stored.today)
    change.before["audience"] = {"segment": old[0], "countries": old[1]}
    change.after["audience"] = {"segment": segment_id, "countries": countries}
    audience.segment_id, audience.countries = segment_id, countries
    audience.left_out = newest.left_out if newest else []
    change.audience = audience


def write_changes(changes: Sequence[Change], actor: User | str, at: datetime) -> None:
    """Write changed offers, their new listings and audiences, and an audit row each."""
    # An upsert by id is one statement; bulk_update would send a CASE for every column and row.
    touched = [change.offer for change in changes if set(change.before) & set(OFFER_FIELDS)]
    Offer.objects.bulk_create(touched, update_conflicts=True, unique_fields=["id"], update_fields=OFFER_FIELDS)
    Listing.objects.bulk_create(change.listing for change in changes if change.listing)
    OfferTerms.objects.bulk_create(change.terms for change in changes if change.terms)
    audiences = [change.audience for change in changes if change.audience]
    held = [audience for audience in audiences if audience.pk]
    new = Audience.objects.bulk_create(audience for audience in audiences if audience.pk is None)
    Audience.objects.bulk_update(held, ["segment", "countries"])
    write_exclusions(*(audience for audience in new if audience.left_out))
    for change in changes:
        audit.record(
            program_id=change.offer.program_id,
            actor=actor,
            action="offers.save_offer",
            row=change.offer,
            at=at,
            before={name: as_json(value) for name, value in change.before.items()},
            after={name: as_json(value) for name, value in change.after.items()},
        )


def as_json(value: Any) -> Any:
    """A value as the audit log writes it: days as text."""
    return value.isoformat() if isinstance(value, date) else value
