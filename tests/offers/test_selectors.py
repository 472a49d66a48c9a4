"""Which offers, in which order, for whom, on which day."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from offers.choices import OfferState, PresentState
from offers.models import Offer
from offers.selectors import (
    day_catalog,
    find_order,
    get_offer,
    list_live_offers,
    list_newest_listings,
    list_offers,
    list_ranked,
    live_periods,
    load_catalog,
    present_state,
)
from offers.services import change_offer_state, publish_listing, save_offer, save_ranking, set_audience
from partners.models import Program
from partners.services import change_partner_state
from plum_site.lib.errors import NotFound
from tests.factories.offers import make_offer, make_row, make_segment, order_in_force, reach_offer_state
from tests.factories.partners import make_partner, reach_partner_state
from tests.factories.programs import make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

JULY = date(2026, 7, 1)
AUGUST = date(2026, 8, 1)


@pytest.fixture
def program() -> Program:
    program = make_program()
    make_partner(program)
    return program


def instant(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def step(offer: Offer, name: str, at: datetime) -> None:
    change_offer_state(offer_id=offer.pk, name=name, actor="system", at=at, comment="as a test asks")


def ranked(
    program: Program, attributes: dict[str, str] | None = None, on: date = JULY, segment_id: int | None = None
) -> list[str]:
    rows = list_ranked(program.pk, attributes, on, segment_id)
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    return [row.offer.external_id for row in rows]


def test_a_loaded_offer_is_live_on_all_its_dates(program: Program) -> None:
    offer = make_offer(program, starts_date=date(2020, 1, 1), ends_date=date(2026, 12, 31))

    assert live_periods(offer) == ((date(2020, 1, 1), date(2027, 1, 1)),)
    assert live_periods(make_offer(program, "O2")) == ((None, None),)


def test_a_draft_is_live_from_its_publication(program: Program, at: datetime) -> None:
    offer = reach_offer_state(program, OfferState.DRAFT)
    assert live_periods(offer) == ()

    step(offer, "submit", at)
    step(offer, "publish", at)

    assert live_periods(offer) == ((at.date(), None),)


def test_pauses_and_withdrawals_are_taken_out(program: Program) -> None:
    offer = make_offer(program, starts_date=JULY)
    step(offer, "pause", instant(date(2026, 7, 10)))
    step(offer, "resume", instant(date(2026, 7, 20)))
    step(offer, "retire", instant(date(2026, 7, 25)))

    assert live_periods(offer) == ((JULY, date(2026, 7, 11)), (date(2026, 7, 20), date(2026, 7, 26)))


def test_a_pause_within_one_day_leaves_no_gap(program: Program) -> None:
    offer = make_offer(program, starts_date=JULY)
    step(offer, "pause", instant(date(2026, 7, 10), 6))
    step(offer, "resume", instant(date(2026, 7, 10), 9))

    assert live_periods(offer) == ((JULY, None),)


def test_days_are_the_programs(program: Program) -> None:
    """22:30 UTC on 9 July is 10 July in Berlin."""
    offer = make_offer(program, starts_date=JULY)
    step(offer, "pause", datetime(2026, 7, 9, 22, 30, tzinfo=UTC))

    assert live_periods(offer) == ((JULY, date(2026, 7, 11)),)


def test_a_partner_that_does_not_supply_takes_its_offers_along(program: Program, at: datetime) -> None:
    offer = make_offer(program, starts_date=JULY)
    change_partner_state(partner_id=offer.partner_id, name="pause", actor="system", at=at, comment="x")

    assert live_periods(offer) == ((JULY, at.date() + timedelta(days=1)),)
    assert present_state(get_offer(program.pk, "O1"), at.date()) == PresentState.PAUSED
    assert ranked(program, on=at.date()) == []
    change_partner_state(partner_id=offer.partner_id, name="resume", actor="system", at=at + timedelta(days=5))
    assert live_periods(offer) == ((JULY, at.date() + timedelta(days=1)), (at.date() + timedelta(days=5), None))


def test_offers_of_a_prospect_are_not_live(program: Program) -> None:
    reach_partner_state(program, "prospect", "P2")

    assert live_periods(make_offer(program, partner_external_id="P2")) == ()


def test_the_catalog_is_read_once_until_it_changes(program: Program, at: datetime) -> None:
    make_offer(program)
    first = load_catalog(program.pk)

    with CaptureQueriesContext(connection) as queries:
        assert load_catalog(program.pk) is first
    assert len(queries) == 1

    make_offer(program, "O2")
    assert list(load_catalog(program.pk)) == ["O1", "O2"]


def test_a_change_that_is_rolled_back_leaves_no_trace_in_the_catalog(program: Program) -> None:
    make_offer(program)
    for name in ("gone", "stays"):
        with transaction.atomic():
            make_offer(program, name)
            assert name in load_catalog(program.pk)
            transaction.set_rollback(name == "gone")

    assert list(load_catalog(program.pk)) == ["O1", "stays"]


def test_no_catalog_without_a_program() -> None:
    with pytest.raises(NotFound):
        load_catalog(0)


@pytest.mark.parametrize(
    ("first", "last", "live"),
    [
        (None, None, True),
        (None, date(2026, 6, 30), False),
        (None, JULY, True),
        (date(2026, 7, 31), None, True),
        (AUGUST, None, False),
        (date(2026, 7, 9), date(2026, 7, 9), True),
    ],
)
def test_offers_that_were_live_in_july(program: Program, first: date | None, last: date | None, live: bool) -> None:
    """July in Berlin begins at 22:00 UTC on 30 June."""
    offer = make_offer(program, starts_date=first, ends_date=last)

    found = list_live_offers(program.pk, datetime(2026, 6, 30, 22, tzinfo=UTC), datetime(2026, 7, 31, 22, tzinfo=UTC))

    assert list(found) == ([offer.pk] if live else [])


STORIES = [
    ({"state": OfferState.DRAFT}, "P1"),
    ({"state": OfferState.IN_REVIEW}, "P1"),
    ({"state": OfferState.PAUSED}, "P1"),
    ({"state": OfferState.RETIRED}, "P1"),
    ({"starts_date": JULY, "ends_date": JULY}, "P1"),
    ({"starts_date": AUGUST}, "P1"),
    ({"ends_date": date(2026, 6, 30)}, "P1"),
    ({}, "P1"),
    ({}, "P2"),
    ({"starts_date": AUGUST}, "P2"),
    ({"ends_date": date(2026, 6, 30)}, "P2"),
]


@pytest.mark.parametrize("on", [date(2026, 6, 30), JULY, date(2026, 7, 2), AUGUST])
def test_the_present_state_in_sql_is_the_one_of_the_rules(program: Program, on: date) -> None:
    reach_partner_state(program, "paused", "P2")
    for number, (values, partner) in enumerate(STORIES):
        make_offer(program, f"O{number:02d}", partner_external_id=partner, **values)
    offers = list(list_offers(program.pk))
    assert {present_state(offer, on) for offer in offers} >= {PresentState.LIVE, PresentState.PAUSED}

    for state in PresentState:
        found = list_offers(program.pk).in_present_state(state, on)
        assert [offer.pk for offer in found] == [offer.pk for offer in offers if present_state(offer, on) == state]


def test_the_catalog_is_ranked_and_the_unranked_follow(program: Program, at: datetime) -> None:
    for name in ("O3", "O1", "O2"):
        make_offer(program, name)
    third, first, _ = (get_offer(program.pk, name).pk for name in ("O3", "O1", "O2"))

    save_ranking(program_id=program.pk, offer_ids=[third], actor="system", at=at)
    assert ranked(program) == ["O3", "O1", "O2"]

    save_ranking(program_id=program.pk, offer_ids=[first, third], actor="system", at=at)
    assert ranked(program) == ["O1", "O3", "O2"]


def test_only_what_is_live_is_ranked(program: Program, at: datetime) -> None:
    make_offer(program, "O1", starts_date=AUGUST)
    make_offer(program, "O2", ends_date=date(2026, 6, 30))
    reach_offer_state(program, OfferState.DRAFT, "O3")
    reach_offer_state(program, OfferState.PAUSED, "O4")
    make_offer(program, "O5")

    assert ranked(program) == ["O5"]
    assert ranked(program, on=AUGUST) == ["O1", "O5"]


def test_members_see_what_is_open_to_them(program: Program, at: datetime) -> None:
    make_segment(program)
    make_offer(program, "O1")
    make_offer(program, "O2", audience="cards")
    offer = make_offer(program, "O3", countries=("DE",))
    set_audience(offer_id=offer.pk, countries=["SE"], starts_date=AUGUST, actor="system", at=at)

    assert ranked(program) == ["O1", "O2", "O3"]
    assert ranked(program, {}) == ["O1"]
    assert ranked(program, {"business_unit": "cards"}) == ["O1", "O2"]
    assert ranked(program, {"country": "DE"}) == ["O1", "O3"]
    assert ranked(program, {"country": "DE"}, on=AUGUST) == ["O1"]
    assert ranked(program, {"country": "SE", "business_unit": "cards"}, on=AUGUST) == ["O1", "O2", "O3"]


def test_the_catalog_of_a_segment(program: Program, at: datetime) -> None:
    cards, north = make_segment(program), make_segment(program, "north", "region", ("north",))
    make_offer(program, "O1")
    make_offer(program, "O2", audience="cards")
    make_offer(program, "O3", audience="north")
    order = [get_offer(program.pk, name).pk for name in ("O2", "O1")]

    assert ranked(program, segment_id=cards.pk) == ["O1", "O2"]
    save_ranking(program_id=program.pk, segment_id=cards.pk, offer_ids=order, actor="system", at=at)

    assert ranked(program, segment_id=cards.pk) == ["O2", "O1"]
    assert ranked(program, {"business_unit": "cards"}) == ["O2", "O1"]
    assert ranked(program, segment_id=north.pk) == ["O1", "O3"]


def test_who_is_left_out_does_not_see_the_offer(program: Program, at: datetime) -> None:
    cards, north = make_segment(program), make_segment(program, "north", "region", ("north",))
    make_offer(program, "O1")
    offer = make_offer(program, "O2")
    set_audience(offer_id=offer.pk, excluded_segment_ids=[cards.pk], starts_date=AUGUST, actor="system", at=at)
    member = {"business_unit": "cards", "region": "north"}

    assert ranked(program, member) == ["O1", "O2"]
    assert ranked(program, member, on=AUGUST) == ["O1"]
    assert ranked(program, {"business_unit": "loans", "region": "north"}, on=AUGUST) == ["O1", "O2"]
    assert ranked(program, on=AUGUST) == ["O1", "O2"]
    assert ranked(program, on=AUGUST, segment_id=cards.pk) == ["O1"]
    assert ranked(program, on=AUGUST, segment_id=north.pk) == ["O1", "O2"]
    assert find_order(program.pk, cards.pk, AUGUST).absent == {offer.pk}
    assert find_order(program.pk, cards.pk, JULY).absent == frozenset()


def test_countries_and_what_is_left_out_both_hold(program: Program, at: datetime) -> None:
    cards, north = make_segment(program), make_segment(program, "north", "region", ("north",))
    offer = make_offer(program, "O1", audience="cards", countries=("DE",))
    set_audience(offer_id=offer.pk, segment_id=cards.pk, countries=["DE"], excluded_segment_ids=[north.pk], actor="system", at=at)

    assert ranked(program, {"business_unit": "cards", "country": "DE", "region": "south"}) == ["O1"]
    assert ranked(program, {"business_unit": "cards", "country": "DE", "region": "north"}) == []
    assert ranked(program, {"business_unit": "cards", "country": "AT", "region": "south"}) == []
    assert ranked(program, {"business_unit": "loans", "country": "DE", "region": "south"}) == []


def test_what_is_left_out_is_an_attribute_that_is_asked_for(program: Program, at: datetime) -> None:
    north, offer = make_segment(program, "north", "region", ("north",)), make_offer(program, "O1")
    set_audience(offer_id=offer.pk, excluded_segment_ids=[north.pk], starts_date=AUGUST, actor="system", at=at)
    program.refresh_from_db()

    assert day_catalog(program, JULY).asked == ("country",)
    assert day_catalog(program, AUGUST).asked == ("country", "region")


def test_members_read_the_newest_listing(program: Program, at: datetime) -> None:
    offer = make_offer(program, "O1")
    make_offer(program, "O2")
    publish_listing(offer_id=offer.pk, title="Fresh", actor="system", at=at)

    assert [row.offer.described["listing"]["title"] for row in list_ranked(program.pk, None, JULY)] == ["Fresh", "Offer O2"]
    assert list(list_newest_listings(program.pk).values_list("offer__external_id", "number")) == [("O1", 2), ("O2", 1)]


def test_reading_the_catalog_takes_as_many_statements_for_many_offers(program: Program) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            list_ranked(program.pk, {"business_unit": "cards"}, JULY)
        return len(queries)

    cards = make_segment(program)

    def make_narrow_offer(number: int) -> None:
        offer = make_offer(program, f"O{number}", countries=("DE",))
        set_audience(offer_id=offer.pk, excluded_segment_ids=[cards.pk], actor="system", at=offer.created_at)

    make_narrow_offer(1)
    few = count()
    for number in range(2, 9):
        make_narrow_offer(number)

    assert count() == few <= 7


def test_programs_do_not_see_each_other(program: Program, at: datetime) -> None:
    other = make_program("other")
    make_partner(other)
    save_offer(program_id=other.pk, row=make_row("X1"), actor="system", at=at, state=OfferState.PUBLISHED)

    assert load_catalog(program.pk) == {}
    assert order_in_force(program) == []
    assert ranked(program) == []
    with pytest.raises(NotFound):
        get_offer(program.pk, "X1")
