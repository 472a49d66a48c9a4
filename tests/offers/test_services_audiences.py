"""Whom offers are open to, whom they leave out, and how that is taken back."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from offers.models import Audience, AudienceExclusion, Offer, Segment
from offers.selectors import list_audiences, list_offer_audiences, read_audiences
from offers.services import leave_out_segment, restore_audiences, set_audience
from partners.models import Program
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import AuditEvent
from tests.factories.offers import make_offer, make_segment
from tests.factories.partners import make_partner
from tests.factories.programs import make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

AUGUST = date(2026, 8, 1)
LATER = date(2026, 8, 20)


@pytest.fixture
def program() -> Program:
    program = make_program()
    make_partner(program)
    return program


@pytest.fixture
def offer(program: Program) -> Offer:
    return make_offer(program)


@pytest.fixture
def cards(program: Program) -> Segment:
    return make_segment(program)


@pytest.fixture
def north(program: Program) -> Segment:
    return make_segment(program, "north", "region", ("north",))


def said(offer: Offer) -> list[tuple[date | None, str | None, list[str], list[str]]]:
    """Every row: day, segment, countries, left out; newest row first."""
    return [
        (row.starts_date, row.segment and row.segment.code, row.countries, [one.code for one in row.left_out])
        for row in list_offer_audiences(offer.pk)
    ]


def changes() -> int:
    return AuditEvent.objects.filter(action="offers.set_audience").count()


@pytest.fixture
def leave_out(offer: Offer, cards: Segment, at: datetime) -> Callable[[], Any]:
    """Leave the segment out from August on."""
    return lambda: leave_out_segment(offer_id=offer.pk, segment_id=cards.pk, starts_date=AUGUST, actor="system", at=at)


class TestSetting:
    def test_it_is_audited_and_the_same_again_writes_nothing(self, offer: Offer, north: Segment, at: datetime) -> None:
        values: dict[str, Any] = {"offer_id": offer.pk, "starts_date": AUGUST, "actor": "system", "at": at}
        for _ in range(2):
            set_audience(countries=["DE"], excluded_segment_ids=[north.pk, north.pk], **values)

        [row] = AuditEvent.objects.filter(action="offers.set_audience")
        after = {"segment": None, "countries": ["DE"], "excluded_segments": [north.pk], "starts_date": "2026-08-01"}
        assert (row.before, row.after) == (None, after)
        set_audience(**values)
        row = AuditEvent.objects.filter(action="offers.set_audience").latest("id")
        assert (row.before, row.after) == (after, {**after, "countries": [], "excluded_segments": []})
        assert Audience.objects.get().countries == []
        assert not AudienceExclusion.objects.exists()

    def test_what_is_left_out_is_replaced_on_the_same_day(
        self, program: Program, offer: Offer, cards: Segment, north: Segment, at: datetime
    ) -> None:
        revisions = set()
        for excluded in ([cards.pk], [cards.pk, north.pk], [north.pk]):
            audience = set_audience(offer_id=offer.pk, excluded_segment_ids=excluded, starts_date=AUGUST, actor="system", at=at)
            assert [one.pk for one in audience.left_out] == excluded
            revisions.add(Program.objects.get().catalog_revision)
        assert said(offer) == [(AUGUST, None, [], ["north"])]
        assert len(revisions) == 3

    def test_another_program_or_country_is_refused(self, offer: Offer, at: datetime) -> None:
        strange = make_segment(make_program("other"))
        for values in ({"segment_id": strange.pk}, {"excluded_segment_ids": [strange.pk]}):
            with pytest.raises(NotFound):
                set_audience(offer_id=offer.pk, actor="system", at=at, **values)
        with pytest.raises(InvalidInput, match="Germany"):
            set_audience(offer_id=offer.pk, countries=["Germany"], actor="system", at=at)
        assert not Audience.objects.exists()

    def test_in_and_out_at_once_is_refused(self, offer: Offer, cards: Segment, north: Segment, at: datetime) -> None:
        set_audience(offer_id=offer.pk, segment_id=cards.pk, actor="system", at=at)
        with pytest.raises(InvalidInput, match="open to nobody") as refusal:
            set_audience(offer_id=offer.pk, segment_id=cards.pk, excluded_segment_ids=[north.pk, cards.pk], actor="system", at=at)
        assert (refusal.value.code, list(refusal.value.fields)) == ("excluded_and_included", ["excluded_segments"])
        assert said(offer) == [(None, "cards", [], [])]

    def test_an_offer_that_is_not_there(self, at: datetime) -> None:
        with pytest.raises(NotFound):
            set_audience(offer_id=1, actor="system", at=at)
        with pytest.raises(NotFound):
            leave_out_segment(offer_id=1, segment_id=1, starts_date=AUGUST, actor="system", at=at)


class TestLeavingOut:
    def test_of_an_offer_that_is_open_to_everyone(
        self, program: Program, offer: Offer, cards: Segment, leave_out: Callable[[], Any]
    ) -> None:
        before = leave_out()
        assert before == [{"segment": None, "countries": [], "excluded_segments": [], "starts_date": "2026-08-01"}]
        assert said(offer) == [(AUGUST, None, [], ["cards"])]
        assert offer.pk not in list_audiences(program.pk, AUGUST - timedelta(days=1))
        assert list_audiences(program.pk, AUGUST)[offer.pk].left_out == [cards]

    def test_the_rest_stays_and_so_does_what_is_said_for_later(
        self, offer: Offer, north: Segment, leave_out: Callable[[], Any], at: datetime
    ) -> None:
        values: dict[str, Any] = {"offer_id": offer.pk, "actor": "system", "at": at}
        set_audience(segment_id=north.pk, countries=["DE"], **values)
        set_audience(excluded_segment_ids=[north.pk], starts_date=LATER, **values)
        leave_out()
        assert said(offer) == [
            (AUGUST, "north", ["DE"], ["cards"]),
            (LATER, None, [], ["cards", "north"]),
            (None, "north", ["DE"], []),
        ]

    def test_twice_is_once(self, offer: Offer, leave_out: Callable[[], Any]) -> None:
        leave_out()
        stood, count = said(offer), changes()
        leave_out()
        assert (said(offer), changes(), count) == (stood, 1, 1)

    def test_of_an_offer_for_that_segment_alone_is_refused_on_any_day(
        self, offer: Offer, cards: Segment, leave_out: Callable[[], Any], at: datetime
    ) -> None:
        set_audience(offer_id=offer.pk, segment_id=cards.pk, starts_date=LATER, actor="system", at=at)
        with pytest.raises(InvalidInput, match="'cards' alone"):
            leave_out()
        assert said(offer) == [(LATER, "cards", [], [])]
        assert changes() == 1


class TestPuttingBack:
    def test_on_the_same_day_it_is_as_before(
        self, offer: Offer, north: Segment, leave_out: Callable[[], Any], at: datetime
    ) -> None:
        values: dict[str, Any] = {"offer_id": offer.pk, "actor": "system", "at": at}
        set_audience(countries=["DE"], excluded_segment_ids=[north.pk], **values)
        set_audience(segment_id=north.pk, starts_date=LATER, **values)
        before = leave_out()
        assert read_audiences(offer.pk, AUGUST) != before
        restore_audiences(earlier=before, starts_date=AUGUST, **values)
        assert read_audiences(offer.pk, AUGUST) == before
        assert said(offer) == [
            (AUGUST, None, ["DE"], ["north"]),
            (LATER, "north", [], []),
            (None, None, ["DE"], ["north"]),
        ]

    def test_on_a_later_day_the_days_between_stay_as_they_were(
        self, offer: Offer, leave_out: Callable[[], Any], at: datetime
    ) -> None:
        day = AUGUST + timedelta(days=5)
        before = leave_out()
        restore_audiences(offer_id=offer.pk, earlier=before, starts_date=day, actor="system", at=at)
        assert said(offer) == [(day, None, [], []), (AUGUST, None, [], ["cards"])]

    def test_after_a_day_that_was_said_ahead_that_one_holds(
        self, offer: Offer, north: Segment, leave_out: Callable[[], Any], at: datetime
    ) -> None:
        set_audience(offer_id=offer.pk, segment_id=north.pk, starts_date=LATER, actor="system", at=at)
        before, day = leave_out(), LATER + timedelta(days=1)
        restore_audiences(offer_id=offer.pk, earlier=before, starts_date=day, actor="system", at=at)
        assert said(offer)[0] == (day, "north", [], [])
        assert changes() == 4

    def test_what_was_not_changed_is_not_written(
        self, offer: Offer, cards: Segment, leave_out: Callable[[], Any], at: datetime
    ) -> None:
        set_audience(offer_id=offer.pk, excluded_segment_ids=[cards.pk], actor="system", at=at)
        before = leave_out()
        restore_audiences(offer_id=offer.pk, earlier=before, starts_date=AUGUST, actor="system", at=at)
        assert said(offer) == [(None, None, [], ["cards"])]

    def test_what_changed_in_between_can_be_told(self, offer: Offer, leave_out: Callable[[], Any], at: datetime) -> None:
        leave_out()
        stood = read_audiences(offer.pk, AUGUST)
        assert read_audiences(offer.pk, AUGUST) == stood
        set_audience(offer_id=offer.pk, countries=["SE"], starts_date=LATER, actor="system", at=at)
        assert read_audiences(offer.pk, AUGUST) != stood
