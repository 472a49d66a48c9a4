"""The made-up partners, offers and members, from the profiles. Pure: the same seed gives the same rows."""

from datetime import date, timedelta
from decimal import Decimal
from random import Random

from activity.services import MemberRow, Person
from offers.rules import OfferRow
from partners.rules import PartnerRow, SeasonalRow
from plum_site.demo import profiles
from plum_site.demo.profiles import PARTNERS, PartnerProfile
from plum_site.lib.periods import months_between


def partner_id(number: int) -> str:
    """The outside id of the partner with this place in the profiles, from 1."""
    return f"P{number:03d}"


def currency_of(partner: PartnerProfile) -> str:
    """What is paid with at a partner."""
    return profiles.CURRENCIES.get(partner.country, "EUR")


def make_partners(*, started: bool) -> list[PartnerRow]:
    """The partners that supply offers from the first day on, or (not started) those that are still on their way in."""
    return [
        PartnerRow(partner_id(number), partner.name, partner.category, partner.country)
        for number, partner in enumerate(PARTNERS, 1)
        if started == (partner.weight > 0)
    ]


def make_offers(rng: Random, first_day: date, *, started: bool) -> list[OfferRow]:
    """Every partner's offers; the first ones of popular partners rank first."""
    rows = []
    order = sorted(range(1, len(PARTNERS) + 1), key=lambda number: -PARTNERS[number - 1].weight)
    places = {number: place for place, number in enumerate(order)}
    for number, partner in enumerate(PARTNERS, 1):
        types = rng.sample(sorted(profiles.OFFER_TYPES), len(profiles.OFFER_SPANS))
        for index, (offer_type, span) in enumerate(zip(types, profiles.OFFER_SPANS, strict=True)):
            if started == (partner.weight > 0):
                rank = index * len(PARTNERS) + places[number] + 1
                rows.append(make_offer(rng, number, partner, index, offer_type, span, first_day, rank))
    return rows


def make_offer(
    rng: Random,
    number: int,
    partner: PartnerProfile,
    index: int,
    offer_type: str,
    span: tuple[int | None, int | None],
    first_day: date,
    rank: int,
) -> OfferRow:
    """One offer of one partner; every third partner's second offer is for some members only."""
    currency = currency_of(partner)
    basket = profiles.BASKETS[partner.category] * profiles.PRICE_LEVEL[currency]
    words = {
        "name": partner.name,
        "currency": currency,
        "percent": rng.choice((5, 10, 15, 20)),
        "amount": max(5, round(basket / 25) * 5),
    }
    title, face_value = profiles.OFFER_TYPES[offer_type]
    starts, ends = (None if days is None else first_day + timedelta(days=days) for days in span)
    narrow = index == 1 and number % 3 == 0
    audience = rng.choice(["", *profiles.SEGMENTS]) if narrow else ""
    return OfferRow(
        external_id=f"D{number:02d}-{index + 1}",
        partner_external_id=partner_id(number),
        title=title.format(**words),
        offer_type=offer_type,
        category=partner.category,
        face_value=face_value.format(**words),
        currency=currency if offer_type == "voucher" else "",
        starts_date=starts,
        ends_date=ends,
        rank=rank,
        audience=audience,
        countries=(partner.country,) if narrow and not audience else (),
        terms="One for each member and month. Not to be combined with other offers.",
        creative_url=f"https://img.example.org/demo/{partner_id(number).lower()}-{index + 1}.jpg",
        reward_cost=f"{basket * profiles.REWARD_SHARE:.2f} {currency}",
    )


def make_members(rng: Random) -> list[MemberRow]:
    """Every member, with attributes as usual as the profiles say."""
    rows = []
    for number in range(1, profiles.MEMBER_COUNT + 1):
        external_id = f"E{number:05d}"
        country = pick(rng, profiles.COUNTRIES)
        attributes = {
            "business_unit": pick(rng, profiles.BUSINESS_UNITS),
            "region": profiles.REGIONS[country],
            "country": country,
            "grade": pick(rng, profiles.GRADES),
        }
        name = f"{rng.choice(profiles.FIRST_NAMES)} {rng.choice(profiles.LAST_NAMES)}"
        rows.append(MemberRow(Person(external_id, email=f"{external_id.lower()}@example.org", display_name=name), attributes))
    return rows


def move_members(rng: Random, members: list[MemberRow]) -> list[MemberRow]:
    """The members that a reorganisation puts into engineering, with their new attributes."""
    moved = rng.sample([row for row in members if row.attributes["business_unit"] == "logistics"], profiles.MOVED_MEMBERS)
    return [MemberRow(row.person, {**row.attributes, "business_unit": "engineering"}) for row in moved]


def make_seasonal_index(first_day: date, today: date) -> list[SeasonalRow]:
    """What every category is expected to do in every month of the demo."""
    return [
        SeasonalRow(category, month, Decimal(str(seasons[month.month - 1])))
        for category, seasons in sorted(profiles.SEASONS.items())
        for month in months_between(first_day, today)
    ]


def pick(rng: Random, shares: dict[str, int]) -> str:
    """One of the keys, as often as its share says."""
    return rng.choices(list(shares), weights=list(shares.values()))[0]
