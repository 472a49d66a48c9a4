"""Saving offers: files and single ones, with listing, audience and first ranking."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from offers.choices import OfferState
from offers.models import Audience, Listing, Offer, OfferTransition, RankingRevision
from offers.rules import OfferRow
from offers.selectors import get_offer, list_audiences, list_listings, list_offer_audiences, list_offers, load_catalog
from offers.services import publish_listing, save_offer, save_offers, set_audience
from partners.models import Program
from partners.rules import SavedRows
from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import AuditEvent
from tests.factories.offers import make_offer, make_row, make_segment, order_in_force
from tests.factories.partners import make_partner
from tests.factories.programs import make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


@pytest.fixture
def program() -> Program:
    program = make_program()
    make_partner(program)
    return program


def save(program: Program, at: datetime, *rows: OfferRow) -> SavedRows:
    return save_offers(program_id=program.pk, rows=rows, actor="system", at=at)


def audit_rows(action: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action).order_by("id"))


def named_order(program: Program) -> list[str]:
    names = dict(Offer.objects.values_list("id", "external_id"))
    return [names[pk] for pk in order_in_force(program)]


def test_a_file_publishes_offers_with_listing_audience_and_ranking(program: Program, at: datetime) -> None:
    make_segment(program)
    full = make_row(
        "O1",
        category="drinks",
        face_value="15%",
        currency="EUR",
        starts_date=date(2026, 1, 1),
        ends_date=date(2026, 6, 30),
        audience="cards",
        countries=("DE",),
        terms="Once.",
        creative_url="https://example.org/a.png",
        reward_cost="1.50 EUR",
    )

    counts = save(program, at, full, make_row("O2", rank=1))

    assert counts == SavedRows(created=2, changed=0, unchanged=0)
    offer = get_offer(program.pk, "O1")
    assert (offer.state, offer.partner.external_id, offer.offer_type) == (OfferState.PUBLISHED, "P1", "discount")
    assert (offer.category, offer.face_value, offer.face_value_currency) == ("drinks", "15%", "EUR")
    assert (offer.starts_date, offer.ends_date) == (date(2026, 1, 1), date(2026, 6, 30))
    assert (offer.reward_cost_minor, offer.reward_cost_currency) == (150, "EUR")
    listing = Listing.objects.get(offer=offer)
    assert (listing.number, listing.title, listing.terms, listing.creative_url) == (
        1,
        "Offer O1",
        "Once.",
        "https://example.org/a.png",
    )
    audience = Audience.objects.get()
    assert (audience.offer, audience.segment.code, audience.countries, audience.starts_date) == (offer, "cards", ["DE"], None)
    assert set(OfferTransition.objects.values_list("name", "from_state", "to_state")) == {("create", "", "published")}
    assert named_order(program) == ["O2", "O1"]
    assert audit_rows("offers.save_offers")[0].after == {"created": 2, "changed": 0, "unchanged": 0}


def test_the_same_file_again_writes_nothing(program: Program, at: datetime) -> None:
    make_segment(program)
    rows = [make_row("O1", audience="cards", terms="Once.", reward_cost="1.50 EUR"), make_row("O2")]
    save(program, at, *rows)
    before = (AuditEvent.objects.count(), Program.objects.get().catalog_revision)

    with CaptureQueriesContext(connection) as queries:
        counts = save(program, at + timedelta(days=40), *rows)

    assert counts == SavedRows(created=0, changed=0, unchanged=2)
    assert (AuditEvent.objects.count(), Program.objects.get().catalog_revision) == before
    assert not [query["sql"] for query in queries if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


def test_a_changed_row_becomes_a_new_listing_an_audience_from_today_and_one_audit_row(program: Program, at: datetime) -> None:
    row = make_row("O1", face_value="10%", terms="Once.")
    save(program, at, row, make_row("O2"))

    counts = save(program, at, replace(row, title="Better", face_value="20%", countries=("AT",)), make_row("O2"))

    assert (counts.created, counts.changed, counts.unchanged) == (0, 1, 1)
    offer = get_offer(program.pk, "O1")
    assert offer.face_value == "20%"
    newest, first = list_listings(offer.pk)
    assert [(newest.number, newest.title, newest.terms), first.title] == [(2, "Better", "Once."), "Offer O1"]
    assert list_audiences(program.pk, at.date())[offer.pk].countries == ["AT"]
    assert offer.pk not in list_audiences(program.pk, at.date() - timedelta(days=1))
    [entry] = audit_rows("offers.save_offer")
    assert entry.before == {"face_value": "10%", "listing": 1, "audience": {"segment": None, "countries": []}}
    assert entry.after == {"face_value": "20%", "listing": 2, "audience": {"segment": None, "countries": ["AT"]}}


def test_the_day_is_the_programs(program: Program) -> None:
    offer = make_offer(program)

    save(program, datetime(2026, 7, 14, 22, 30, tzinfo=UTC), make_row(countries=("AT",)))

    assert Audience.objects.get(offer=offer).starts_date == date(2026, 7, 15)


def test_an_audience_that_changes_twice_on_one_day_is_one_row(program: Program, at: datetime) -> None:
    save(program, at, make_row())

    for countries in (("AT",), ("DE",), ()):
        save(program, at, make_row(countries=countries))

    [audience] = Audience.objects.all()
    assert (audience.starts_date, audience.countries) == (at.date(), [])


def test_columns_that_a_file_does_not_have_stay(program: Program, at: datetime) -> None:
    make_segment(program)
    offer = make_offer(program, audience="cards", countries=("DE",), terms="Once.", reward_cost="2 EUR")
    publish_listing(offer_id=offer.pk, title="Offer O1", text="By hand.", terms="Once.", actor="system", at=at)

    assert save(program, at, make_row()).unchanged == 1
    assert save(program, at, make_row(title="New")).changed == 1

    listing = list_listings(offer.pk)[0]
    assert (listing.title, listing.text, listing.terms) == ("New", "By hand.", "Once.")
    assert get_offer(program.pk, "O1").reward_cost_minor == 200
    assert Audience.objects.count() == 1


def test_an_empty_cell_takes_away_what_was_there(program: Program, at: datetime) -> None:
    offer = make_offer(program, terms="Once.", reward_cost="2 EUR", countries=("DE",))

    save(program, at, make_row(terms="", reward_cost="", countries=()))

    assert get_offer(program.pk, "O1").reward_cost_minor is None
    assert list_listings(offer.pk)[0].terms == ""
    assert list_audiences(program.pk, at.date())[offer.pk].countries == []


def test_partner_and_type_of_an_offer_never_change(program: Program, at: datetime) -> None:
    make_partner(program, "P2")
    save(program, at, make_row("O1"), make_row("O2"))

    counts = save(program, at, make_row("O1", partner_external_id="P2"), make_row("O2", offer_type="cashback"))

    assert [(fault.index, fault.error.code, list(fault.error.fields)) for fault in counts.faults] == [
        (0, "immutable", ["partner_external_id"]),
        (1, "immutable", ["offer_type"]),
    ]
    assert list(list_offers(program.pk).values_list("partner__external_id", "offer_type")) == [("P1", "discount")] * 2


def test_faulty_rows_come_back_and_the_others_are_kept(program: Program, at: datetime) -> None:
    rows = [
        make_row("O1", partner_external_id="P9"),
        make_row("O2", audience="nobody"),
        make_row("O3", title=""),
        make_row("O4"),
        make_row("O4"),
    ]

    counts = save(program, at, *rows)

    assert [(fault.index, fault.error.code) for fault in counts.faults] == [
        (0, "unknown_partner"),
        (1, "unknown_segment"),
        (2, "required"),
        (4, "named_twice"),
    ]
    assert list(load_catalog(program.pk)) == ["O4"]


def test_later_files_are_appended_to_the_ranking(program: Program, at: datetime) -> None:
    save(program, at, make_row("O2", rank=2), make_row("O9"), make_row("O1", rank=7))
    save(program, at, make_row("O4"), make_row("O3", rank=1), make_row("O9"))

    assert named_order(program) == ["O2", "O1", "O9", "O3", "O4"]
    assert list(RankingRevision.objects.values_list("number", flat=True).order_by("number")) == [1, 2]


def test_many_offers_take_few_statements(program: Program, at: datetime) -> None:
    rows = [make_row(f"O{number}", countries=("DE",)) for number in range(1000)]

    with CaptureQueriesContext(connection) as creating:
        save(program, at, *rows)
    with CaptureQueriesContext(connection) as comparing:
        save(program, at, *rows)

    assert len(creating) < 60
    assert len(comparing) <= 10


def test_one_offer_begins_as_a_draft(program: Program, at: datetime) -> None:
    offer, outcome = save_offer(program_id=program.pk, row=make_row(), actor="system", at=at)

    assert (offer.state, outcome) == (OfferState.DRAFT, "created")
    assert load_catalog(program.pk)["O1"].live == ()
    assert save_offer(program_id=program.pk, row=make_row(), actor="system", at=at)[1] == "unchanged"
    offer, outcome = save_offer(program_id=program.pk, row=make_row(face_value="5%"), actor="system", at=at)
    assert (offer.face_value, offer.state, outcome) == ("5%", OfferState.DRAFT, "changed")


def test_one_faulty_offer_is_refused(program: Program, at: datetime) -> None:
    with pytest.raises(InvalidInput, match="no partner 'P9'"):
        save_offer(program_id=program.pk, row=make_row(partner_external_id="P9"), actor="system", at=at)
    assert not Offer.objects.exists()


def test_the_same_id_in_two_programs_is_two_offers(program: Program, at: datetime) -> None:
    other = make_program("other")
    make_partner(other)
    make_offer(other, title="Theirs")
    make_offer(program, title="Ours")

    assert Listing.objects.get(offer__program=other).title == "Theirs"
    assert Offer.objects.count() == 2


def test_nothing_is_left_of_a_load_that_fails(program: Program, at: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**kwargs: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("offers.services.offers.extend_ranking", fail)
    revision = Program.objects.get().catalog_revision

    with pytest.raises(RuntimeError, match="disk is full"):
        save(program, at, make_row())
    assert not Offer.objects.exists()
    assert not Listing.objects.exists()
    assert Program.objects.get().catalog_revision == revision


def test_an_audience_set_by_hand_holds_from_its_day(program: Program, at: datetime) -> None:
    offer = make_offer(program)
    segment = make_segment(program)
    day = date(2026, 8, 1)

    set_audience(offer_id=offer.pk, segment_id=segment.pk, countries=["SE", "DE", "SE"], starts_date=day, actor="system", at=at)

    assert offer.pk not in list_audiences(program.pk, day - timedelta(days=1))
    audience = list_audiences(program.pk, day)[offer.pk]
    assert (audience.segment, audience.countries) == (segment, ["DE", "SE"])


def test_a_file_that_changes_the_audience_keeps_what_is_left_out(program: Program, at: datetime) -> None:
    north, _cards = make_segment(program, "north", "region", ("north",)), make_segment(program)
    offer = make_offer(program)
    set_audience(offer_id=offer.pk, excluded_segment_ids=[north.pk], actor="system", at=at)
    today, later = at.date(), at + timedelta(days=1)

    save_offer(program_id=program.pk, row=make_row(countries=("DE",)), actor="system", at=at)
    save_offer(program_id=program.pk, row=make_row(audience="cards"), actor="system", at=at)
    save_offer(program_id=program.pk, row=make_row(audience=""), actor="system", at=later)

    said = [
        (row.starts_date, row.segment and row.segment.code, row.countries, [one.code for one in row.left_out])
        for row in list_offer_audiences(offer.pk)
    ]
    assert said == [
        (later.date(), None, ["DE"], ["north"]),
        (today, "cards", ["DE"], ["north"]),
        (None, None, [], ["north"]),
    ]


def test_a_file_that_opens_an_offer_to_whom_it_leaves_out_is_refused_in_that_row(program: Program, at: datetime) -> None:
    north, offer = make_segment(program, "north", "region", ("north",)), make_offer(program)
    set_audience(offer_id=offer.pk, excluded_segment_ids=[north.pk], actor="system", at=at)

    saved = save_offers(
        program_id=program.pk, rows=[make_row(audience="north"), make_row("O2", audience="north")], actor="system", at=at
    )

    [fault] = saved.faults
    assert (fault.index, fault.error.code, list(fault.error.fields)) == (0, "excluded_and_included", ["audience"])
    assert saved.created == 1
    assert Audience.objects.get(offer=offer).segment is None
