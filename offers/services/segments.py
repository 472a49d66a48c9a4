"""Whom offers are open to: named segments, and the audience of an offer from one day on."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.db import transaction

from offers.models import Audience, Offer, Segment
from offers.rules import check_segment_rule
from partners.models import Program
from partners.rules import check_country
from partners.services import bump_catalog_revision
from plum_site.lib import audit
from plum_site.lib.errors import NotFound
from plum_site.lib.fields import check_row
from plum_site.lib.models import User


@transaction.atomic
def save_segment(
    *, program_id: int, code: str, name: str, rule: list[dict[str, Any]], actor: User | str, at: datetime
) -> tuple[Segment, str]:
    """
    Create a segment, or change the name or rule of the one with this code; with it "created", "changed" or "unchanged".

    Raises: InvalidInput.
    Writes: offers_segment, partners_program.catalog_revision, plum_auditevent; nothing if it is so already.
    """
    program = Program.objects.select_for_update().get(pk=program_id)
    check_segment_rule(rule, program.member_attributes)
    segment = Segment.objects.filter(program=program, code=code).first() or Segment(program=program, code=code, created_at=at)
    before = {"name": segment.name, "rule": segment.rule} if segment.pk else None
    after = {"name": name, "rule": rule}
    if before == after:
        return segment, "unchanged"
    segment.name, segment.rule = name, rule
    check_row(segment)
    segment.save()
    bump_catalog_revision(program_id=program_id)
    audit.record(program_id=program_id, actor=actor, action="offers.save_segment", row=segment, at=at, before=before, after=after)
    return segment, "changed" if before else "created"


@transaction.atomic
def set_audience(
    *,
    offer_id: int,
    segment_id: int | None = None,
    countries: Sequence[str] = (),
    starts_date: date | None = None,
    actor: User | str,
    at: datetime,
) -> Audience:
    """
    Say whom an offer is open to from a program day on (None: open to the past); a row of the same day is replaced.

    segment_id None: every member. countries empty: every country.

    Raises: NotFound, InvalidInput (code "invalid_country").
    Writes: offers_audience, partners_program.catalog_revision, plum_auditevent; nothing if it is so already.
    """
    for country in countries:
        check_country("countries", country)
    offer = Offer.objects.select_for_update(of=("self",)).filter(pk=offer_id).first()
    if offer is None:
        raise NotFound("offer", offer_id)
    if segment_id is not None and not Segment.objects.filter(pk=segment_id, program_id=offer.program_id).exists():
        raise NotFound("segment", segment_id)
    wanted = sorted(set(countries))
    audience = Audience.objects.filter(offer=offer, starts_date=starts_date).first()
    before = {"segment": audience.segment_id, "countries": audience.countries} if audience else None
    after = {"segment": segment_id, "countries": wanted}
    if audience and before == after:
        return audience
    audience = audience or Audience(offer=offer, starts_date=starts_date)
    audience.segment_id, audience.countries = segment_id, wanted
    audience.save()
    bump_catalog_revision(program_id=offer.program_id)
    day = {"starts_date": starts_date.isoformat() if starts_date else None}
    audit.record(
        program_id=offer.program_id,
        actor=actor,
        action="offers.set_audience",
        row=offer,
        at=at,
        before={**before, **day} if before else None,
        after={**after, **day},
    )
    return audience
