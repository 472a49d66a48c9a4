"""
What the made-up members do: journeys from seeing an offer to redeeming it, as rows of an events file.

Pure: the same seed, catalog and day give the same events. Each event knows on which day it arrives: with the next
night's file, some late, some twice.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random

from activity.services import MemberRow
from offers.rules import OfferFacts, OfferRow, is_live, is_open_to
from plum_site.demo import profiles
from plum_site.demo.catalog import currency_of, partner_id
from plum_site.demo.profiles import CHANCES, FAILURES, PARTNERS, REASONS, Correction, PartnerProfile
from plum_site.lib.money import format_minor, parse_minor
from plum_site.lib.periods import first_instant, month_start, months_between, next_month

Fields = dict[str, str]
ONE_DAY = timedelta(days=1)


@dataclass
class World:
    """What journeys are drawn from. `numbers` counts events and transactions, for their ids."""

    seed: int
    first_day: date
    now: datetime
    offers: Sequence[OfferRow]
    catalog: Mapping[str, OfferFacts]
    members: Sequence[MemberRow]
    numbers: dict[str, int] = field(default_factory=lambda: {"event": 0, "transaction": 0})

    def next_id(self, noun: str, form: str) -> str:
        """The next id of one kind."""
        self.numbers[noun] += 1
        return form.format(self.numbers[noun])

    def draws(self, *what: object) -> Random:
        """The draws of one matter: the same whatever else is drawn, and in whatever order."""
        return Random(":".join(map(str, (self.seed, *what))))  # noqa: S311 - a sample, not a secret


@dataclass(frozen=True)
class Journey:
    """One member and one offer of one partner, seen at one moment and place, and how likely each further step is."""

    rng: Random
    partner: PartnerProfile
    offer: OfferRow
    member: str
    seen_at: datetime
    place: int
    chances: Mapping[str, float]


def make_arrivals(world: World, event_count: int) -> Iterator[tuple[date, list[Fields]]]:
    """
    About `event_count` events by the day on which they arrive, in that order.

    Shape: (UTC day, rows of an events file); the last day is today, with what happened up to now.
    """
    arrivals: dict[date, list[tuple[str, Fields]]] = defaultdict(list)
    today = world.now.date()
    for journey in draw_journeys(world, event_count):
        for event in walk(world, journey):
            day = datetime.fromisoformat(event["occurred_at"]).date() + ONE_DAY
            if journey.rng.random() < profiles.LATE:
                day += timedelta(days=journey.rng.randint(1, 20))
            elif day > today:
                day = today
            arrivals[day].append((event["occurred_at"], event))
            if journey.rng.random() < profiles.DUPLICATE:
                arrivals[day + ONE_DAY].append((event["occurred_at"], event))
    for day in sorted(day for day in arrivals if day <= today):
        rows = sorted(arrivals[day], key=lambda arrival: arrival[0])
        yield day, [event for _, event in rows]


def draw_journeys(world: World, event_count: int) -> Iterator[Journey]:
    """
    The journeys of every day: as many as partner, month, weekday and trouble make usual.

    A partner's day has draws of its own, by its distance from the present month: so the demo tells the same story on whatever
    day it is begun.
    """
    offers = offers_by_partner(world)
    days = (world.now.date() - world.first_day).days + 1
    usual = event_count / profiles.EVENTS_PER_JOURNEY / days / sum(partner.weight for partner in PARTNERS)
    for offset in range(days):
        day = world.first_day + timedelta(days=offset)
        months = len(months_between(day, world.now.date()))
        for number, partner in enumerate(PARTNERS, 1):
            chances = chances_on(partner, day, world.now.date())
            season = profiles.SEASONS[partner.category][day.month - 1]
            weekend = 1.2 if day.weekday() >= 5 else 0.92
            which = (number, months, day.day)
            count = draw_count(world.draws("count", *which), usual * partner.weight * season * weekend * chances["seen"])
            rng = world.draws(*which)
            for _ in range(count):
                journey = begin(world, rng, partner, offers[partner_id(number)], day, chances)
                if journey:
                    yield journey


def offers_by_partner(world: World) -> dict[str, list[OfferRow]]:
    """Each partner's offers, in rank order."""
    offers: dict[str, list[OfferRow]] = defaultdict(list)
    for row in world.offers:
        offers[row.partner_external_id].append(row)
    return offers


def chances_on(partner: PartnerProfile, day: date, today: date) -> dict[str, float]:
    """How likely each step is at a partner on one day: as usual, changed by the partner's trouble once it has begun."""
    chances = {
        **CHANCES,
        "unlock": partner.unlock,
        "seen": 1.0,
        "reversal": profiles.REVERSAL,
        "activation_failures": FAILURES["activated"],
        "redemption_failures": FAILURES["redeemed"],
    }
    onset = next_month(month_start(today), -1 - partner.since)
    if partner.trouble and day >= onset:
        chances |= profiles.TROUBLES[partner.trouble]
    if partner.trouble and day >= next_month(onset):
        chances |= profiles.WORSE.get(partner.trouble, {})
    return chances


def corrected_on(today: date) -> date:
    """The program day on which the corrections of the profiles were carried out."""
    return next_month(month_start(today), -2).replace(day=3)


def find_correction(partner: PartnerProfile, member: MemberRow, day: date, today: date) -> Correction | None:
    """The correction of a partner that a member meets on a day, if there is one: from the day after it on."""
    if day <= corrected_on(today):
        return None
    mine = (one for one in profiles.CORRECTIONS if one.partner == partner.name)
    return next((one for one in mine if is_open_to(profiles.SEGMENTS[one.segment][1], (), member.attributes)), None)


def begin(
    world: World, rng: Random, partner: PartnerProfile, offers: Sequence[OfferRow], day: date, chances: Mapping[str, float]
) -> Journey | None:
    """A member sees one of a partner's live offers some time during the day; None where nobody can."""
    live = [row for row in offers if is_live(world.catalog[row.external_id].live, day, day)]
    if not live:
        return None
    offer = rng.choices(live, weights=range(len(live) + 1, 1, -1))[0]
    rule = profiles.SEGMENTS[offer.audience][1] if offer.audience else None
    for _ in range(12):
        member = rng.choice(world.members)
        if is_open_to(rule, offer.countries or (), member.attributes):
            midnight = first_instant(day, profiles.TIME_ZONE)
            seen_at = midnight + timedelta(seconds=rng.triangular(6.5, 23.5, 19.5) * 3600)
            place = offer.rank or 1
            if correction := find_correction(partner, member, day, world.now.date()):
                place, chances = live.index(offer) + 1, {**chances, **correction.response}
            return Journey(rng, partner, offer, member.person.external_id, seen_at, place, chances)
    return None


def walk(world: World, journey: Journey) -> Iterator[Fields]:
    """The events of one journey, as far as it has come by now."""
    rng, chances = journey.rng, journey.chances
    medium = rng.choices(list(profiles.MEDIA), weights=list(profiles.MEDIA.values()))[0]
    shown = {"medium": medium, "position": str(max(1, journey.place + rng.randint(-2, 2)))}
    at = journey.seen_at
    if medium == "carousel":
        yield from happen(world, journey, at, "impression", **shown)
        if rng.random() > chances["view"]:
            return
        at += timedelta(seconds=rng.uniform(2, 40))
    yield from happen(world, journey, at, "viewed", **shown)
    if rng.random() > chances["unlock"]:
        return
    at += timedelta(seconds=rng.uniform(10, 400))
    if rng.random() < FAILURES["unlocked"]:
        yield from fail(world, journey, at, "unlocked")
        return
    yield from happen(world, journey, at, "unlocked")
    if rng.random() > chances["activate"]:
        return
    at += timedelta(hours=rng.expovariate(1 / 18))
    if rng.random() < chances["activation_failures"]:
        yield from fail(world, journey, at, "activated")
        return
    yield from happen(world, journey, at, "activated")
    if rng.random() > chances["redeem"]:
        return
    at += timedelta(hours=rng.expovariate(1 / 50))
    if rng.random() < chances["redemption_failures"]:
        yield from fail(world, journey, at, "redeemed")
        return
    yield from redeem(world, journey, at)


def redeem(world: World, journey: Journey, at: datetime) -> Iterator[Fields]:
    """A redemption with what it cost, and sometimes its reversal some days later."""
    rng, currency = journey.rng, currency_of(journey.partner)
    basket = profiles.BASKETS[journey.partner.category] * profiles.PRICE_LEVEL[currency] * rng.lognormvariate(0, 0.5)
    spend = parse_minor(f"{basket:.2f}", currency)
    cost = round(spend * profiles.REWARD_SHARE)
    money = {
        "spend_amount": format_minor(spend, currency),
        "spend_currency": currency,
        "reward_cost_amount": format_minor(cost, currency),
        "reward_cost_currency": currency,
        "transaction_ref": world.next_id("transaction", "T{:07d}"),
        "source": "till",
    }
    for event in happen(world, journey, at, "redeemed", **money):
        yield event
        if rng.random() < journey.chances["reversal"]:
            later = at + timedelta(days=rng.uniform(0.5, 12))
            yield from happen(world, journey, later, "redeemed", status="reversed", reverses=event["event_id"], **money)


def fail(world: World, journey: Journey, at: datetime, kind: str) -> Iterator[Fields]:
    """A step that was tried and did not work."""
    yield from happen(world, journey, at, kind, status="failed", reason_code=journey.rng.choice(REASONS[kind]))


def happen(world: World, journey: Journey, at: datetime, kind: str, **fields: str) -> Iterator[Fields]:
    """One event, unless it lies in the future."""
    if at > world.now:
        return
    yield {
        "event_id": world.next_id("event", "demo-{:08d}"),
        "occurred_at": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "kind": kind,
        "status": "confirmed",
        "member": journey.member,
        "offer": journey.offer.external_id,
        "source": "app",
        **fields,
    }


def draw_count(rng: Random, mean: float) -> int:
    """A Poisson number."""
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count
