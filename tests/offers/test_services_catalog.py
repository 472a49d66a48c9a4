"""States, listings and segments of offers, one change at a time."""

from datetime import datetime
from typing import Any

import pytest

from offers.choices import OfferState
from offers.models import Listing, Offer, OfferTransition, Segment
from offers.selectors import get_offer, get_segment, list_segments, list_transitions
from offers.services import change_offer_state, publish_listing, save_segment
from partners.models import Program
from plum_site.lib.errors import DomainError, InvalidInput, NotFound
from plum_site.lib.models import AuditEvent
from tests.factories.offers import make_offer, reach_offer_state
from tests.factories.partners import make_partner
from tests.factories.programs import make_program

pytestmark = pytest.mark.django_db


@pytest.fixture
def program() -> Program:
    program = make_program()
    make_partner(program)
    return program


@pytest.mark.parametrize("state", OfferState.values)
def test_every_state_can_be_reached(program: Program, state: str) -> None:
    assert reach_offer_state(program, state).state == state


def test_a_transition_is_logged_and_audited(program: Program, at: datetime) -> None:
    offer = make_offer(program)
    revision = Program.objects.get().catalog_revision

    change_offer_state(offer_id=offer.pk, name="pause", actor="system", at=at, comment="Sold out.", source_ref="reviews.Flag:7")

    assert get_offer(program.pk, "O1").state == OfferState.PAUSED
    newest = list_transitions(offer.pk)[0]
    assert (newest.name, newest.from_state, newest.to_state, newest.actor, newest.at) == (
        "pause",
        "published",
        "paused",
        "system",
        at,
    )
    assert (newest.comment, newest.source_ref) == ("Sold out.", "reviews.Flag:7")
    row = AuditEvent.objects.get(action="offers.change_offer_state")
    assert (row.before, row.after) == ({"state": "published"}, {"state": "paused", "transition": "pause"})
    assert Program.objects.get().catalog_revision > revision


@pytest.mark.parametrize(("name", "error"), [("publish", DomainError), ("pause", InvalidInput)])
def test_what_is_refused_changes_nothing(program: Program, name: str, error: type[DomainError], at: datetime) -> None:
    offer = make_offer(program)

    with pytest.raises(error):
        change_offer_state(offer_id=offer.pk, name=name, actor="system", at=at)
    assert Offer.objects.get().state == OfferState.PUBLISHED
    assert OfferTransition.objects.count() == 1


def test_no_audit_row_no_change(program: Program, at: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    offer = make_offer(program)

    def fail(**kwargs: object) -> None:
        raise RuntimeError("no audit today")

    monkeypatch.setattr("plum_site.lib.transitions.audit.record", fail)
    with pytest.raises(RuntimeError, match="no audit"):
        change_offer_state(offer_id=offer.pk, name="pause", actor="system", at=at, comment="x")
    assert Offer.objects.get().state == OfferState.PUBLISHED
    assert OfferTransition.objects.count() == 1


def test_a_listing_is_versioned(program: Program, at: datetime) -> None:
    offer = make_offer(program)
    words: dict[str, Any] = {
        "title": "Fresh",
        "text": "New words.",
        "creative_url": "https://example.org/b.png",
        "terms": "Twice.",
    }

    listing = publish_listing(offer_id=offer.pk, actor="system", at=at, **words)
    again = publish_listing(offer_id=offer.pk, actor="system", at=at, **words)

    assert (listing.number, listing.title, listing.text, listing.published_by) == (2, "Fresh", "New words.", "system")
    assert again == listing
    row = AuditEvent.objects.get(action="offers.publish_listing")
    assert (row.before, row.after) == ({"listing": 1}, {"listing": 2})


@pytest.mark.parametrize(
    "words", [{"title": ""}, {"title": "x", "creative_url": "ftp://example.org"}, {"title": "x", "text": "\x00"}]
)
def test_a_listing_that_cannot_be_published(program: Program, at: datetime, words: dict[str, str]) -> None:
    offer = make_offer(program)

    with pytest.raises(InvalidInput):
        publish_listing(offer_id=offer.pk, actor="system", at=at, **words)  # type: ignore[arg-type]
    assert Listing.objects.count() == 1


def test_a_segment_is_created_changed_and_left_alone(program: Program, at: datetime) -> None:
    rule = [{"attribute": "region", "operator": "is", "values": ["north"]}]
    row: dict[str, Any] = {"program_id": program.pk, "code": "north", "actor": "system", "at": at}

    outcomes = [
        save_segment(name="North", rule=rule, **row)[1],
        save_segment(name="North", rule=rule, **row)[1],
        save_segment(name="The north", rule=rule, **row)[1],
    ]

    assert outcomes == ["created", "unchanged", "changed"]
    assert get_segment(program.pk, "north").name == "The north"
    assert [segment.code for segment in list_segments(program.pk)] == ["north"]
    entry = AuditEvent.objects.filter(action="offers.save_segment").order_by("-id")[0]
    assert (entry.before, entry.after) == ({"name": "North", "rule": rule}, {"name": "The north", "rule": rule})


@pytest.mark.parametrize(
    "values",
    [
        {"rule": [{"attribute": "salary", "operator": "is", "values": ["high"]}]},
        {"code": "not a code"},
        {"name": ""},
    ],
)
def test_a_segment_that_makes_no_sense(program: Program, at: datetime, values: dict[str, Any]) -> None:
    row: dict[str, Any] = {"code": "x", "name": "X", "rule": [], "actor": "system", "at": at}

    with pytest.raises(InvalidInput):
        save_segment(program_id=program.pk, **(row | values))
    assert not Segment.objects.exists()


def test_nothing_is_done_to_an_offer_that_is_not_there(at: datetime) -> None:
    with pytest.raises(NotFound):
        change_offer_state(offer_id=1, name="pause", actor="system", at=at, comment="x")
    with pytest.raises(NotFound):
        publish_listing(offer_id=1, title="x", actor="system", at=at)
    with pytest.raises(NotFound):
        get_segment(1, "x")
