"""Who had to be reviewed, from the history of the catalog and the ledger; never from scorecards."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection

from activity.selectors.ledger import prefix_of
from offers.models import Offer, OfferTransition
from offers.rules import common_days, is_live
from offers.selectors import PUBLISHED, list_held_days
from partners.choices import SUPPLYING
from partners.models import Partner, PartnerTransition, Program
from plum_site.lib.models import AuditEvent
from plum_site.lib.periods import month_text, next_month
from reviews.models import ReviewCycle, Scorecard
from reviews.rules import EVENTS, LIVE, Gap, Outcome, find_gaps
from reviews.selectors.config import list_live_partners
from reviews.selectors.cycles import find_valid_cycle

ONE_DAY = timedelta(days=1)


@dataclass
class Coverage:
    """How many months and partners were held against what had to be reviewed, and what is missing."""

    months: int = 0
    partners: int = 0
    gaps: list[Gap] = field(default_factory=list)


def check_months(program: Program, months: list[date]) -> Coverage:
    """
    The coverage certificate of some months: exactly one outcome for each partner that had to be reviewed.

    Shape: one Coverage; gaps by month, then partner.
    Source: docs/rules/coverage.md
    """
    coverage = Coverage()
    for month in months:
        cycle = find_valid_cycle(program.pk, month)
        coverage.months += 1
        if cycle is None or cycle.consolidated_at is None:
            coverage.gaps.append(Gap(month_text(month), "", "has no consolidated review"))
            continue
        required, gaps = check_cycle(cycle, program)
        coverage.partners += required
        coverage.gaps += gaps
    return coverage


def check_cycle(cycle: ReviewCycle, program: Program) -> tuple[int, list[Gap]]:
    """
    The gaps of one consolidated cycle, and how many partners it had to review.

    Shape: (partners, Gaps by partner).
    Source: docs/rules/coverage.md
    """
    certificate = certify(cycle, program)
    return len(certificate.required), certificate.gaps


@dataclass(frozen=True)
class Certificate:
    """Who had to be reviewed in one cycle and why (external id to reasons), and what is missing or too much."""

    required: dict[str, set[str]]
    gaps: list[Gap]


def certify(cycle: ReviewCycle, program: Program) -> Certificate:
    """
    The coverage certificate of one consolidated cycle.

    Shape: one Certificate.
    Source: docs/rules/coverage.md
    """
    known_at = cycle.consolidated_at or cycle.opened_at
    required = list_required(program, cycle.month_start_date, known_at, cycle.cutoff or 0)
    cards = Scorecard.objects.filter(cycle=cycle).values_list("partner__external_id", "decision__id")
    outcomes = [Outcome(partner, decision is not None) for partner, decision in cards]
    surplus = {outcome.partner for outcome in outcomes} - set(required)
    if surplus:
        # The catalog may have been changed between the instant that the review is known at and the reading itself.
        for partner in surplus & set(list_live_partners(program, cycle.month_start_date)):
            required[partner] = {LIVE}
    return Certificate(required, find_gaps(month_text(cycle.month_start_date), cycle.state, required, outcomes))


def list_required(program: Program, month_start_date: date, known_at: datetime, cutoff: int) -> dict[str, set[str]]:
    """
    The partners that a month's review had to cover, and why: a live offer by what was known at an instant, or an event
    sealed up to a number.

    Shape: external id to the reasons, of LIVE and EVENTS.
    Source: docs/rules/coverage.md
    """
    names = dict(Partner.objects.filter(program=program).values_list("id", "external_id"))
    required: dict[str, set[str]] = defaultdict(set)
    for partner_id in _partners_live(program, month_start_date, known_at):
        required[names[partner_id]].add(LIVE)
    for partner_id in _partners_with_events(program, month_start_date, cutoff):
        required[names[partner_id]].add(EVENTS)
    return dict(required)


def _partners_live(program: Program, month_start_date: date, known_at: datetime) -> set[int]:
    """Row ids of partners with an offer live on any day of a month, by transitions and dates as they were known then."""
    offer_log = OfferTransition.objects.filter(offer__program=program, at__lte=known_at).order_by("at", "id")
    partner_log = PartnerTransition.objects.filter(partner__program=program, at__lte=known_at).order_by("at", "id")
    published = list_held_days(offer_log.values_list("offer_id", "at", "to_state"), PUBLISHED, program.time_zone)
    supplying = list_held_days(partner_log.values_list("partner_id", "at", "to_state"), SUPPLYING, program.time_zone)
    changed = _dates_known_at(program, known_at)
    last_day = next_month(month_start_date) - ONE_DAY
    live = set()
    offers = Offer.objects.filter(program=program, created_at__lte=known_at)
    for pk, partner_id, first, last in offers.values_list("id", "partner_id", "starts_date", "ends_date"):
        dates = {"starts_date": first, "ends_date": last} | changed.get(f"{Offer._meta.label}:{pk}", {})
        begins, ends = dates["starts_date"], dates["ends_date"]
        days = common_days([(begins, ends + ONE_DAY if ends else None)], published.get(pk, []))
        if is_live(common_days(days, supplying.get(partner_id, [])), month_start_date, last_day):
            live.add(partner_id)
    return live


def _dates_known_at(program: Program, known_at: datetime) -> dict[str, dict[str, date | None]]:
    """Object reference to the dates of offers that were changed since, as the audit log remembers them."""
    dates: dict[str, dict[str, date | None]] = {}
    changes = AuditEvent.objects.filter(
        program_id=program.pk, at__gt=known_at, object_ref__startswith=f"{Offer._meta.label}:", before__isnull=False
    )
    for reference, before in changes.order_by("-id").values_list("object_ref", "before"):
        known: dict[str, Any] = before or {}
        for name in ("starts_date", "ends_date"):
            if name in known:
                dates.setdefault(reference, {})[name] = date.fromisoformat(known[name]) if known[name] else None
    return dates


def _partners_with_events(program: Program, month_start_date: date, cutoff: int) -> list[int]:
    """Row ids of partners with any event in a month, from the ledger itself up to a seal number."""
    sql = f"""
        SELECT DISTINCT o.partner_id FROM activity_event e JOIN offers_offer o ON o.id = e.offer_id
        WHERE e.program_id = %(program)s AND e.local_date >= %(first)s AND e.local_date < %(after)s
        AND e.occurred_at >= %(low)s AND e.occurred_at < %(high)s AND {prefix_of(program.pk, cutoff).condition()}
    """  # noqa: S608
    # Local days lie within two days of UTC's: the index by time bounds the reading, the local day decides.
    low = datetime.combine(month_start_date - 2 * ONE_DAY, datetime.min.time())
    high = datetime.combine(next_month(month_start_date) + 2 * ONE_DAY, datetime.min.time())
    parameters: dict[str, int | str] = {
        "program": program.pk,
        "cutoff": cutoff,
        "first": month_start_date.isoformat(),
        "after": next_month(month_start_date).isoformat(),
        "low": f"{low:%Y-%m-%d %H:%M:%S}" + ("+00" if connection.vendor == "postgresql" else ""),
        "high": f"{high:%Y-%m-%d %H:%M:%S}" + ("+00" if connection.vendor == "postgresql" else ""),
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [row[0] for row in cursor.fetchall()]
