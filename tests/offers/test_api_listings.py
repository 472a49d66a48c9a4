"""Listings by API: drafts and their steps, two versions side by side, going back, terms by day."""

from typing import Any

import pytest

from offers.models import Listing, ListingDraft, Offer
from partners.models import Program
from tests.factories.offers import make_draft, make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import make_program
from tests.factories.tokens import TokenClient, make_client, make_token
from tests.offers.test_api_writes import faults, send

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
WORDS = {"title": "Two for one", "text": "Coffee.", "creative_url": "", "terms": "Once a day."}


@pytest.fixture
def program() -> Program:
    program = make_program()
    make_partner(program)
    return program


@pytest.fixture
def offer(program: Program) -> Offer:
    return make_offer(program)


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "catalog:read", "catalog:write")


@pytest.fixture
def publisher(program: Program) -> TokenClient:
    return make_client(program, "catalog:read", "catalog:publish")


def names(answer: Any) -> list[str]:
    return [action["name"] for action in answer.body["allowed_actions"]]


def test_from_draft_to_published(offer: Offer, client: TokenClient, publisher: TokenClient) -> None:
    assert send(client, "GET", "offers/O1/draft").status_code == 404
    begun = send(client, "PUT", "offers/O1/draft", WORDS)
    assert (begun.status_code, begun["Location"], begun.body["based_on"]) == (201, "/api/v1/offers/O1/draft", 1)
    assert names(begun) == ["submit", "discard"]
    assert names(send(publisher, "GET", "offers/O1/draft")) == []
    assert send(client, "PUT", "offers/O1/draft", WORDS | {"text": "Tea."}).status_code == 200

    assert send(publisher, "POST", "offers/O1/draft/transitions", {"name": "submit"}).status_code == 403
    assert send(client, "POST", "offers/O1/draft/transitions", {"name": "submit"}).body["state"] == "in_review"
    assert send(client, "PUT", "offers/O1/draft", WORDS).body["code"] == "draft_in_review"
    assert send(client, "POST", "offers/O1/draft/transitions", {"name": "publish"}).status_code == 403
    silent = send(publisher, "POST", "offers/O1/draft/transitions", {"name": "send_back"})
    assert (silent.status_code, list(faults(silent))) == (422, ["/comment"])
    published = send(publisher, "POST", "offers/O1/draft/transitions", {"name": "publish"})

    assert (published.body["state"], published.body["listing"], names(published)) == ("published", 2, [])
    newest = send(client, "GET", "offers/O1").body["listing"]
    assert (newest["number"], newest["text"], newest["terms"]) == (2, "Tea.", "Once a day.")
    assert send(client, "GET", "offers/O1/draft").status_code == 404


def test_a_draft_is_written_over_only_as_it_was_seen(offer: Offer, client: TokenClient) -> None:
    seen = send(client, "PUT", "offers/O1/draft", WORDS)["ETag"]
    send(client, "PUT", "offers/O1/draft", WORDS | {"text": "Somebody else's."})

    assert send(client, "PUT", "offers/O1/draft", WORDS, If_Match=seen).status_code == 412


def test_a_rehearsal_leaves_no_draft(offer: Offer, program: Program) -> None:
    sandbox = TokenClient(make_token(program, "catalog:write", is_sandbox=True)[1])

    assert send(sandbox, "PUT", "offers/O1/draft", WORDS).status_code == 201
    assert not ListingDraft.objects.exists()


def test_versions_side_by_side(offer: Offer, client: TokenClient, publisher: TokenClient) -> None:
    send(publisher, "POST", "offers/O1/listings", WORDS)

    body = send(client, "GET", "offers/O1/listings/compare?from=1&to=2").body

    assert (body["from"]["number"], body["to"]["number"]) == (1, 2)
    assert [(row["field"], row["from"], row["to"], row["differs"]) for row in body["fields"]] == [
        ("title", "Offer O1", "Two for one", True),
        ("text", "", "Coffee.", True),
        ("creative_url", "", "", False),
        ("terms", "", "Once a day.", True),
    ]
    assert send(client, "GET", "offers/O1/listings/compare?from=1&to=3").status_code == 404
    assert send(client, "GET", "offers/O1/listings/compare?from=1").status_code == 400
    assert send(client, "GET", "offers/O1/listings/compare?from=0&to=1").status_code == 400


def test_going_back(offer: Offer, publisher: TokenClient) -> None:
    send(publisher, "POST", "offers/O1/listings", WORDS)

    stale = send(publisher, "POST", "offers/O1/listings/restore", {"number": 1, "replaces": 1})
    back = send(publisher, "POST", "offers/O1/listings/restore", {"number": 1, "replaces": 2, "comment": "It confused people."})
    again = send(publisher, "POST", "offers/O1/listings/restore", {"number": 1, "replaces": 3})

    assert (stale.status_code, stale.body["code"]) == (409, "listing_changed_since")
    assert (back.status_code, back.body["number"], back.body["title"]) == (201, 3, "Offer O1")
    assert (again.status_code, again.body["number"]) == (200, 3)
    assert send(publisher, "POST", "offers/O1/listings/restore", {"number": 9, "replaces": 3}).status_code == 404
    assert Listing.objects.filter(offer=offer).count() == 3


def test_terms_by_day(offer: Offer, client: TokenClient, publisher: TokenClient) -> None:
    send(publisher, "POST", "offers/O1/listings", WORDS)

    assert send(client, "POST", "offers/O1/terms", {"text": "x", "starts_on": "2998-01-01"}).status_code == 403
    said = send(publisher, "POST", "offers/O1/terms", {"text": "Never.", "starts_on": "2998-01-01"})
    past = send(publisher, "POST", "offers/O1/terms", {"text": "Never.", "starts_on": "2019-01-01"})

    assert (said.status_code, said.body["starts_on"]) == (200, "2998-01-01")
    assert (past.status_code, past.body["code"], list(faults(past))) == (422, "terms_in_the_past", ["/starts_on"])
    rows = send(client, "GET", "offers/O1/terms").body["data"]
    assert [(row["text"], row["starts_on"]) for row in rows] == [("Never.", "2998-01-01"), ("Once a day.", None)]
    assert send(client, "GET", "offers/O1").body["listing"]["terms"] == "Once a day."


def test_the_catalog_has_the_terms_of_the_day(offer: Offer, program: Program, publisher: TokenClient) -> None:
    send(publisher, "POST", "offers/O1/listings", WORDS)
    send(publisher, "POST", "offers/O1/terms", {"text": "Never.", "starts_on": "2998-01-01"})

    [row] = send(publisher, "GET", "catalog").body["data"]

    assert (row["listing"]["number"], row["listing"]["terms"]) == (2, "Once a day.")


def test_a_draft_of_another_program_is_unknown(offer: Offer, client: TokenClient) -> None:
    other = make_program("other")
    make_partner(other)
    make_draft(make_offer(other, "O9"))

    assert send(client, "GET", "offers/O9/draft").status_code == 404
    assert send(client, "PUT", "offers/O9/draft", WORDS).status_code == 404
