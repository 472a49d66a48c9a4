"""What the clock does to a catalog: at a program's midnight offers begin and end, once, whoever asks and however often."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta

from django.db import transaction

from offers.models import Audience, CatalogDay, Offer, OfferTerms
from offers.selectors import list_turned_offers
from partners.models import Program
from partners.services import bump_catalog_revision
from plum_site.lib import audit
from plum_site.lib.announcements import address_of, announce
from plum_site.lib.crashpoints import crashpoint
from plum_site.lib.models import User
from plum_site.lib.people import list_insiders, may_be_told
from plum_site.lib.periods import local_date
from plum_site.lib.person_mail import write_to

TURN = "offers.turn_day"
NOTICE_DAYS = 7  # how long before its last day an offer's end is told to the partner's owner


def turn_day(*, program_id: int, at: datetime) -> dict[str, int]:
    """
    Bring a program's catalog to its present day: tell which offers began and ended, and owners what ends soon.

    Days on which nothing ran are made up for. The first time only takes note of the day: what a catalog began with is no
    news. Only offers that the catalog shows are told of: those of partners that are paused begin and end unseen.

    Raises: nothing.
    Writes: offers_catalogday, plum_auditevent, plum_outbox, partners_program.catalog_revision; one transaction, once a day.
    """
    with transaction.atomic():
        done = _turn(Program.objects.select_for_update().get(pk=program_id), at)
        crashpoint("day.before_commit")
    crashpoint("day.committed")
    return done


def _turn(program: Program, at: datetime) -> dict[str, int]:
    """The same, of a program that is locked."""
    today = local_date(at, program.time_zone)
    newest = CatalogDay.objects.filter(program=program).order_by("-local_date").first()
    done = {"started": 0, "ended": 0, "notices": 0}
    if newest is not None and newest.local_date >= today:
        return done
    crashpoint("day.locked")
    if newest is not None:
        started = list_turned_offers(program.pk, "starts_date", newest.local_date, today)
        ended = list_turned_offers(program.pk, "ends_date", newest.local_date - timedelta(days=1), today - timedelta(days=1))
        for offer in started:
            tell("offer.started", "offers.start_offer", program, offer, offer.starts_date, at)
        for offer in ended:
            tell("offer.ended", "offers.end_offer", program, offer, offer.ends_date, at)
        crashpoint("day.told")
        if started or ended or is_affected(program.pk, newest.local_date, today):
            bump_catalog_revision(program_id=program.pk)
        done = {"started": len(started), "ended": len(ended), "notices": tell_owners(program, newest.local_date, today, at)}
        crashpoint("day.owners_told")
    CatalogDay.objects.create(
        program=program, local_date=today, started_count=done["started"], ended_count=done["ended"], turned_at=at
    )
    return done


def tell(type: str, action: str, program: Program, offer: Offer, day: date | None, at: datetime) -> None:
    """
    One audit row and one announcement about an offer that began or ended by its dates.

    Raises: nothing.
    Writes: plum_auditevent, plum_outbox.
    """
    said = day.isoformat() if day else ""
    audit.record(program_id=program.pk, actor=audit.SYSTEM, action=action, row=offer, at=at, after={"day": said})
    data = {
        "program": program.code,
        "partner": offer.partner.external_id,
        "offer": offer.external_id,
        "day": said,
        "url": address_of("api:offer", offer.external_id),
    }
    announce(type=type, program_id=program.pk, key=f"{offer.pk}:{said}", data=data, at=at)


def is_affected(program_id: int, after: date, until: date) -> bool:
    """
    Whether terms or audiences begin on a day in `(after, until]`.

    Raises: nothing.
    Writes: nothing.
    """
    days = {"starts_date__gt": after, "starts_date__lte": until}
    return any(model.objects.filter(offer__program_id=program_id, **days).exists() for model in (OfferTerms, Audience))


def tell_owners(program: Program, after: date, today: date, at: datetime) -> int:
    """
    One mail to each owner whose partners' offers came within NOTICE_DAYS of their end since `after`; how many mails.

    Raises: nothing.
    Writes: plum_outbox. An offer is told of once for each last day.
    """
    ahead = timedelta(days=NOTICE_DAYS)
    ending = list_turned_offers(program.pk, "ends_date", max(after + ahead, today - timedelta(days=1)), today + ahead)
    insiders = list_insiders(program.pk)
    by_owner: dict[User, list[Offer]] = defaultdict(list)
    for offer in ending:
        owner = offer.partner.owner
        if owner is not None and may_be_told(owner, insiders):
            by_owner[owner].append(offer)
    for owner, offers in sorted(by_owner.items(), key=lambda pair: pair[0].pk):
        send_notice(program, owner, offers, today, at)
    return len(by_owner)


def send_notice(program: Program, owner: User, offers: Iterable[Offer], today: date, at: datetime) -> None:
    """
    The mail to one owner.

    Raises: nothing.
    Writes: plum_outbox.
    """
    lines = [
        {
            "name": offer.newest_listings[0].title if offer.newest_listings else offer.external_id,  # type: ignore[attr-defined]
            "offer": offer,
            "url": address_of("admin:offers_offer_change", offer.pk),
        }
        for offer in offers
    ]
    number = "1 offer ends soon" if len(lines) == 1 else f"{len(lines)} offers end soon"
    write_to(
        person=owner,
        program=program,
        template="offers/mail/ending",
        subject=number,
        told={"number": number, "lines": lines},
        dedup_key=f"ending:{program.pk}:{owner.pk}:{today}",
        at=at,
    )
