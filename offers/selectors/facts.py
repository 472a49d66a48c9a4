"""What ingest and review need to know of offers, kept in the process while the catalog stands."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from offers.choices import WITHDRAWN, OfferState
from offers.models import Offer, OfferTransition
from offers.rules import Days, Instants, OfferFacts, common_days, days_of, held_periods, is_live, leave_out
from offers.selectors.trials import list_tried_periods
from partners.choices import SUPPLYING
from partners.choices import WITHDRAWN as WITHDRAWN_PARTNERS
from partners.models import PartnerTransition, Program
from plum_site.lib.errors import NotFound
from plum_site.lib.periods import local_date

PUBLISHED = frozenset({OfferState.PUBLISHED})
ONE_DAY = timedelta(days=1)

Log = Iterable[tuple[int, datetime, str]]  # id, instant, new state; in time order

_catalogs: dict[int, tuple[UUID, int, dict[str, OfferFacts]]] = {}  # the newest catalog of each program, per process


def live_periods(offer: Offer) -> tuple[Days, ...]:
    """
    When an offer was, is and (as decided now) will be live: its dates, while published and while its partner supplies.

    Shape: half-open ranges of program days, in order; None is open. A day on which it was live at any instant counts.
    """
    facts = load_catalog(offer.program_id).get(offer.external_id)
    return facts.live if facts else ()


def load_catalog(program_id: int) -> dict[str, OfferFacts]:
    """
    Every offer of a program by external id, with the days on which it is live.

    Kept in the process until the program's catalog revision moves on: the usual cost is one small query. Do not change it.

    Shape: external id to OfferFacts.
    Raises: NotFound.
    """
    program = Program.objects.filter(pk=program_id).only("uuid", "catalog_revision", "time_zone").first()
    if program is None:
        raise NotFound("program", program_id)
    return catalog_of(program)


def catalog_of(program: Program) -> dict[str, OfferFacts]:
    """
    As load_catalog, for a program that was read just now: no query at all while its catalog revision stands.

    Shape: external id to OfferFacts.
    """
    mark = (program.uuid, program.catalog_revision)
    kept = _catalogs.get(program.pk)
    if kept is None or kept[:2] != mark:
        kept = _catalogs[program.pk] = (*mark, read_catalog(program.pk, program.time_zone))
    return kept[2]


def read_catalog(program_id: int, time_zone: str) -> dict[str, OfferFacts]:
    """
    As load_catalog, from the database.

    Shape: external id to OfferFacts, by external id.
    """
    offer_log = OfferTransition.objects.filter(offer__program_id=program_id).order_by("at", "id")
    partner_log = PartnerTransition.objects.filter(partner__program_id=program_id).order_by("at", "id")
    of_offers = list(offer_log.values_list("offer_id", "at", "to_state"))
    of_partners = list(partner_log.values_list("partner_id", "at", "to_state"))
    published, paused = list_held_periods(of_offers, PUBLISHED), list_held_periods(of_offers, WITHDRAWN)
    tried = list_tried_periods(program_id)
    supplying, stopped = list_held_days(of_partners, SUPPLYING, time_zone), list_held_periods(of_partners, WITHDRAWN_PARTNERS)
    offers = Offer.objects.filter(program_id=program_id).order_by("external_id", "id")
    catalog = {}
    for pk, external_id, partner_id, offer_type, first, last in offers.values_list(
        "id", "external_id", "partner_id", "offer_type", "starts_date", "ends_date"
    ):
        dates = [(first, last + ONE_DAY if last else None)]
        supplied = common_days(dates, supplying.get(partner_id, []))
        held = published.get(pk, [])
        live = for_all = common_days(supplied, days_of(held, time_zone))
        if pk in tried:
            for_all = common_days(supplied, days_of(leave_out(held, tried[pk]), time_zone))
        withdrawn = (*paused.get(pk, ()), *stopped.get(partner_id, ()))
        catalog[external_id] = OfferFacts(pk, external_id, partner_id, offer_type, live, for_all, withdrawn)
    return catalog


def list_held_days(log: Log, states: frozenset[str], time_zone: str) -> dict[int, list[Days]]:
    """
    The days on which each object of a transition log was in one of `states`.

    Shape: id to half-open ranges of program days; objects that never were are missing.
    """
    return {pk: days_of(periods, time_zone) for pk, periods in list_held_periods(log, states).items()}


def list_held_periods(log: Log, states: frozenset[str]) -> dict[int, list[Instants]]:
    """
    When each object of a transition log was in one of `states`.

    Shape: id to half-open ranges of instants, in order; objects that never were are missing.
    """
    logs = defaultdict(list)
    for pk, at, state in log:
        logs[pk].append((at, state))
    return {pk: periods for pk, rows in logs.items() if (periods := held_periods(rows, states))}


def list_live_offers(program_id: int, starts_at: datetime, ends_at: datetime) -> dict[int, OfferFacts]:
    """
    The offers that were live at any instant of `[starts_at, ends_at)`, whole program days taken.

    Shape: offer row id to OfferFacts, by external id.
    """
    time_zone = Program.objects.values_list("time_zone", flat=True).get(pk=program_id)
    first, last = local_date(starts_at, time_zone), local_date(ends_at - timedelta(microseconds=1), time_zone)
    return {facts.id: facts for facts in load_catalog(program_id).values() if is_live(facts.live, first, last)}
