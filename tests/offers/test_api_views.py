"""What the offers API gives to read: offers, listings, segments, rankings."""

import json
from datetime import date
from typing import Any

import pytest

from offers.choices import OfferState
from offers.services import publish_listing, save_ranking, undo_ranking
from partners.models import Program
from tests.factories.offers import make_offer, make_segment, reach_offer_state
from tests.factories.partners import make_partner
from tests.factories.programs import CREATED_AT, make_program
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


@pytest.fixture
def program() -> Program:
    program = make_program()
    make_partner(program)
    return program


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "catalog:read")


def get(client: TokenClient, path: str) -> Any:
    """The answer's JSON."""
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.content
    return json.loads(answer.content)


def test_one_offer(client: TokenClient, program: Program) -> None:
    make_offer(program, "O1", starts_date=date(2026, 1, 1), ends_date=date(2999, 12, 31), face_value="15%")
    body = get(client, "offers/O1")
    created = body.pop("created_at")
    assert created.startswith("2026-01-01T00:00:00")
    assert body.pop("listing") == {
        "number": 1,
        "title": "Offer O1",
        "text": "",
        "creative_url": "",
        "terms": "",
        "published_at": created,
    }
    assert body == {
        "external_id": "O1",
        "partner": "P1",
        "offer_type": "discount",
        "category": "",
        "face_value": "15%",
        "face_value_currency": "",
        "reward_cost": None,
        "starts_on": "2026-01-01",
        "ends_on": "2999-12-31",
        "state": "live",
        "audience": None,
        "allowed_actions": [],
    }


def test_state_is_what_people_see(client: TokenClient, program: Program) -> None:
    make_offer(program, "O1", starts_date=date(2999, 1, 1))
    make_offer(program, "O2", ends_date=date(2020, 1, 1))
    reach_offer_state(program, OfferState.PAUSED, "O3")
    states = {row["external_id"]: row["state"] for row in get(client, "offers")["data"]}
    assert states == {"O1": "scheduled", "O2": "expired", "O3": "paused"}
    assert [row["external_id"] for row in get(client, "offers?state=scheduled")["data"]] == ["O1"]


def test_reward_cost_is_exact(client: TokenClient, program: Program) -> None:
    make_offer(program, "O1", reward_cost="1.25 KWD")
    assert get(client, "offers/O1")["reward_cost"] == {"amount": "1.250", "currency": "KWD"}


def test_listings_newest_first(client: TokenClient, program: Program) -> None:
    offer = make_offer(program, "O1")
    publish_listing(offer_id=offer.pk, title="Better", text="More", creative_url="", terms="Some", actor="system", at=CREATED_AT)
    rows = get(client, "offers/O1/listings")["data"]
    assert [(row["number"], row["title"]) for row in rows] == [(2, "Better"), (1, "Offer O1")]
    assert "published_by" not in rows[0]


def test_segments(client: TokenClient, program: Program) -> None:
    make_segment(program, "loans", values=("loans", ""))
    assert get(client, "segments")["data"] == [
        {"code": "loans", "name": "Loans", "rule": [{"attribute": "business_unit", "operator": "is", "values": ["loans", ""]}]}
    ]


def test_rankings_name_offers_and_what_they_undo(client: TokenClient, program: Program) -> None:
    first, second = make_offer(program, "O1"), make_offer(program, "O2")
    revision = save_ranking(
        program_id=program.pk, segment_id=None, offer_ids=[second.pk, first.pk], actor="system", at=CREATED_AT, comment="swap"
    )
    undo_ranking(revision_id=revision.pk, actor="system", at=CREATED_AT)
    rows = get(client, "rankings")["data"]
    assert [(row["offers"], row["undoes"]) for row in rows[:2]] == [(["O1", "O2"], revision.number), (["O2", "O1"], None)]
    assert rows[1]["comment"] == "swap"
    assert "made_by" not in rows[0]


def test_rankings_of_a_segment(client: TokenClient, program: Program) -> None:
    offer, segment = make_offer(program, "O1"), make_segment(program)
    save_ranking(program_id=program.pk, segment_id=segment.pk, offer_ids=[offer.pk], actor="system", at=CREATED_AT)
    assert [row["segment"] for row in get(client, "rankings?segment=cards")["data"]] == ["cards"]
    assert all(row["segment"] is None for row in get(client, "rankings")["data"])
