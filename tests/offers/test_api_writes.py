"""Writing offers, listings, audiences, segments and rankings by API."""

from datetime import date
from typing import Any

import pytest

from offers.choices import OfferState
from offers.models import Audience, Listing, Offer, RankingRevision, Segment
from partners.models import Program
from plum_site.lib.models import AuditEvent
from tests.factories.offers import make_offer, make_segment, reach_offer_state
from tests.factories.partners import make_partner
from tests.factories.programs import make_program
from tests.factories.tokens import TokenClient, make_client
from tests.partners.test_api_writes import faults, send

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
LISTING = {"title": "Two for one", "text": "Coffee.", "creative_url": "https://example.org/a.png", "terms": "Not today."}
OFFER: dict[str, Any] = {
    "external_id": "OF-9",
    "partner": "P1",
    "offer_type": "discount",
    "listing": LISTING,
    "category": "coffee",
    "face_value": "10.00",
    "face_value_currency": "EUR",
    "reward_cost": {"amount": "1.25", "currency": "EUR"},
    "starts_on": "2026-08-01",
    "ends_on": "2999-12-31",
}
CHANGES = {name: value for name, value in OFFER.items() if name != "external_id"}


@pytest.fixture
def program() -> Program:
    program = make_program()
    make_partner(program)
    return program


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "catalog:read", "catalog:write")


@pytest.fixture
def publisher(program: Program) -> TokenClient:
    return make_client(program, "catalog:read", "catalog:publish")


@pytest.fixture
def editor_in_chief(program: Program) -> TokenClient:
    return make_client(program, "catalog:read", "catalog:write", "catalog:publish")


class TestOffers:
    def test_a_new_offer_is_a_draft_with_its_first_listing(self, client: TokenClient) -> None:
        answer = send(client, "POST", "offers", OFFER)
        assert (answer.status_code, answer["Location"]) == (201, "/api/v1/offers/OF-9")
        stored = {name: answer.body[name] for name in OFFER if name != "listing"}
        assert stored == {name: value for name, value in OFFER.items() if name != "listing"}
        listing = answer.body["listing"]
        assert listing.pop("published_at")
        assert listing == {"number": 1, **LISTING}
        assert (answer.body["state"], answer.body["audience"]) == ("draft", None)
        assert [action["name"] for action in answer.body["allowed_actions"]] == ["submit"]

    def test_what_was_sent_reads_so_again(self, client: TokenClient) -> None:
        """PUT of what was stored changes nothing."""
        send(client, "POST", "offers", OFFER)
        entries = AuditEvent.objects.count()
        answer = send(client, "PUT", "offers/OF-9", CHANGES)
        assert answer.status_code == 200
        assert AuditEvent.objects.count() == entries
        assert Listing.objects.count() == 1

    def test_put_replaces_what_it_leaves_out(self, client: TokenClient) -> None:
        send(client, "POST", "offers", OFFER)
        body = {"partner": "P1", "offer_type": "discount", "listing": {"title": "Two for one"}}
        answer = send(client, "PUT", "offers/OF-9", body).body
        assert (answer["reward_cost"], answer["starts_on"], answer["face_value"]) == (None, None, "")
        assert (answer["listing"]["number"], answer["listing"]["terms"]) == (2, "")

    def test_patch_keeps_what_it_leaves_out(self, client: TokenClient) -> None:
        before = send(client, "POST", "offers", OFFER).body
        answer = send(client, "PATCH", "offers/OF-9", {"ends_on": "2998-12-31", "listing": {"terms": "Always."}}).body
        assert answer["ends_on"] == "2998-12-31"
        assert (answer["listing"]["number"], answer["listing"]["terms"], answer["listing"]["text"]) == (2, "Always.", "Coffee.")
        assert answer["reward_cost"] == before["reward_cost"]
        assert send(client, "PATCH", "offers/OF-9", {"reward_cost": None}).body["reward_cost"] is None

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"partner": "P-404"}, "/partner"),
            ({"listing": {"title": ""}}, "/listing/title"),
            ({"listing": {"text": "x"}}, "/listing/title"),
            ({"listing": {**LISTING, "number": 2}}, "/listing/number"),
            ({"listing": {**LISTING, "creative_url": "javascript:alert(1)"}}, "/listing/creative_url"),
            ({"face_value_currency": "EEE"}, "/face_value_currency"),
            ({"starts_on": "2026-13-01"}, "/starts_on"),
            ({"ends_on": "2026-07-01"}, "/ends_on"),
            ({"reward_cost": {"amount": "1.255", "currency": "EUR"}}, "/reward_cost"),
            ({"reward_cost": {"amount": "-1", "currency": "EUR"}}, "/reward_cost"),
            ({"reward_cost": {"amount": 1, "currency": "EUR"}}, "/reward_cost"),
            ({"reward_cost": "1 EUR"}, "/reward_cost"),
            ({"audience": None}, "/audience"),
        ],
    )
    def test_what_is_wrong_is_named_as_it_was_sent(self, client: TokenClient, change: dict[str, Any], pointer: str) -> None:
        answer = send(client, "POST", "offers", OFFER | change)
        assert answer.status_code == 422, answer.body
        assert list(faults(answer)) == [pointer]
        assert "othing was changed" in answer.body["detail"]
        assert not Offer.objects.exists()

    @pytest.mark.parametrize(("change", "pointer"), [({"offer_type": "gift"}, "/offer_type"), ({"partner": "P2"}, "/partner")])
    def test_what_never_changes(self, client: TokenClient, program: Program, change: dict[str, Any], pointer: str) -> None:
        make_partner(program, "P2")
        send(client, "POST", "offers", OFFER)
        answer = send(client, "PATCH", "offers/OF-9", change)
        assert (answer.status_code, answer.body["code"], list(faults(answer))) == (422, "immutable", [pointer])

    def test_one_that_exists_is_left_alone(self, client: TokenClient) -> None:
        send(client, "POST", "offers", OFFER)
        assert send(client, "POST", "offers", OFFER).body["code"] == "already_exists"

    def test_a_stale_writer_is_told(self, client: TokenClient, publisher: TokenClient) -> None:
        seen = send(client, "POST", "offers", OFFER)["ETag"]
        send(publisher, "POST", "offers/OF-9/listings", {"title": "Other"})
        assert send(client, "PATCH", "offers/OF-9", {"face_value": "1"}, If_Match=seen).status_code == 412

    def test_partners_of_others_are_unknown(self, client: TokenClient) -> None:
        make_partner(make_program("other"), "P9")
        for partner in ("P9", "P404"):
            assert send(client, "POST", "offers", OFFER | {"partner": partner}).body["code"] == "unknown_partner"


class TestLifecycle:
    def test_from_draft_to_live(self, client: TokenClient, publisher: TokenClient) -> None:
        send(client, "POST", "offers", OFFER | {"starts_on": None})
        assert send(client, "POST", "offers/OF-9/transitions", {"name": "submit"}).body["state"] == "in_review"
        assert send(client, "POST", "offers/OF-9/transitions", {"name": "publish"}).status_code == 403
        assert send(publisher, "POST", "offers/OF-9/transitions", {"name": "publish"}).body["state"] == "live"
        assert [row["offer"] for row in send(client, "GET", "catalog").body["data"]] == ["OF-9"]

    def test_refusals(self, publisher: TokenClient, program: Program) -> None:
        reach_offer_state(program, OfferState.PUBLISHED)
        refused = send(publisher, "POST", "offers/O1/transitions", {"name": "publish"})
        assert (refused.status_code, refused.body["code"]) == (409, "transition_refused")
        silent = send(publisher, "POST", "offers/O1/transitions", {"name": "pause"})
        assert (silent.status_code, list(faults(silent))) == (422, ["/comment"])
        assert send(publisher, "POST", "offers/O404/transitions", {"name": "pause"}).status_code == 404


class TestListings:
    def test_a_new_version_and_the_same_again(self, publisher: TokenClient, program: Program) -> None:
        make_offer(program)
        first = send(publisher, "POST", "offers/O1/listings", LISTING)
        assert (first.status_code, first.body["number"]) == (201, 2)
        again = send(publisher, "POST", "offers/O1/listings", LISTING)
        assert (again.status_code, again.body["number"]) == (200, 2)
        assert Listing.objects.count() == 2

    def test_wrong_addresses(self, publisher: TokenClient, program: Program) -> None:
        make_offer(program)
        answer = send(publisher, "POST", "offers/O1/listings", {"title": "x", "creative_url": "example.org"})
        assert (answer.status_code, list(faults(answer))) == (422, ["/creative_url"])

    def test_who_may_only_draft_does_not_publish_by_saving_the_offer(
        self, client: TokenClient, editor_in_chief: TokenClient, program: Program
    ) -> None:
        make_offer(program)
        change = {"listing": {"title": "Sneaked in"}}
        assert send(client, "PATCH", "offers/O1", change).status_code == 403
        assert send(client, "POST", "offers/O1/listings", change["listing"]).status_code == 403
        assert Listing.objects.count() == 1
        assert send(client, "PATCH", "offers/O1", {"face_value": "20%"}).status_code == 200
        assert send(editor_in_chief, "PATCH", "offers/O1", change).body["listing"]["number"] == 2


class TestAudiences:
    def test_from_a_day_on(self, client: TokenClient, program: Program) -> None:
        make_offer(program)
        make_segment(program, "cards")
        body = {"segment": "cards", "countries": ["DE", "AT"], "starts_on": "2026-01-01"}
        answer = send(client, "POST", "offers/O1/audiences", body)
        assert (answer.status_code, answer.body) == (200, {**body, "countries": ["AT", "DE"], "excluded_segments": []})
        assert send(client, "GET", "offers/O1").body["audience"] == answer.body
        send(client, "POST", "offers/O1/audiences", {"countries": ["FR"], "starts_on": "2999-01-01"})
        assert send(client, "GET", "offers/O1").body["audience"]["segment"] == "cards"
        assert [row["countries"] for row in send(client, "GET", "offers/O1/audiences").body["data"]] == [["FR"], ["AT", "DE"]]

    def test_the_same_day_is_replaced(self, client: TokenClient, program: Program) -> None:
        make_offer(program)
        for country in ("DE", "FR"):
            send(client, "POST", "offers/O1/audiences", {"countries": [country], "starts_on": "2026-01-01"})
        assert [(row.countries, row.starts_date) for row in Audience.objects.all()] == [(["FR"], date(2026, 1, 1))]

    def test_unknown_names(self, client: TokenClient, program: Program) -> None:
        make_offer(program)
        make_segment(make_program("other"), "theirs")
        for code in ("theirs", "nothing"):
            answer = send(client, "POST", "offers/O1/audiences", {"segment": code})
            assert (answer.status_code, answer.body["code"], list(faults(answer))) == (422, "unknown_segment", ["/segment"])
        assert send(client, "POST", "offers/O1/audiences", {"countries": ["de"]}).body["code"] == "invalid_country"
        assert not Audience.objects.exists()

    def test_what_is_left_out(self, client: TokenClient, program: Program) -> None:
        make_offer(program)
        make_segment(program, "cards")
        make_segment(program, "north")
        body = {"segment": None, "countries": [], "excluded_segments": ["north", "cards", "north"], "starts_on": "2026-01-01"}
        answer = send(client, "POST", "offers/O1/audiences", body)
        assert (answer.status_code, answer.body) == (200, {**body, "excluded_segments": ["cards", "north"]})
        assert send(client, "GET", "offers/O1").body["audience"] == answer.body
        assert send(client, "GET", "offers").body["data"][0]["audience"] == answer.body
        assert send(client, "GET", "offers/O1/audiences").body["data"] == [answer.body]
        send(client, "POST", "offers/O1/audiences", {"starts_on": "2026-01-01"})
        assert send(client, "GET", "offers/O1").body["audience"]["excluded_segments"] == []

    def test_what_cannot_be_left_out(self, client: TokenClient, program: Program) -> None:
        make_offer(program)
        make_segment(program, "cards")
        make_segment(make_program("other"), "theirs")
        for codes, code in ((["cards", "theirs"], "unknown_segment"), (["cards"], "excluded_and_included")):
            answer = send(client, "POST", "offers/O1/audiences", {"segment": "cards", "excluded_segments": codes})
            assert (answer.status_code, answer.body["code"], list(faults(answer))) == (422, code, ["/excluded_segments"])
        assert not Audience.objects.exists()

    def test_the_catalog_of_those_who_are_left_out(self, client: TokenClient, program: Program) -> None:
        for name in ("O1", "O2"):
            make_offer(program, name)
        make_segment(program, "cards")
        send(client, "POST", "offers/O1/audiences", {"excluded_segments": ["cards"]})
        assert [row["offer"] for row in send(client, "GET", "catalog?segment=cards").body["data"]] == ["O2"]


class TestSegments:
    RULE = [{"attribute": "region", "operator": "is", "values": ["north", ""]}]

    def test_made_changed_and_read(self, client: TokenClient) -> None:
        made = send(client, "POST", "segments", {"code": "north", "name": "North", "rule": self.RULE})
        assert (made.status_code, made["Location"]) == (201, "/api/v1/segments/north")
        assert made.body == send(client, "GET", "segments/north").body
        changed = send(client, "PUT", "segments/north", {"name": "The north", "rule": self.RULE}, If_Match=made["ETag"])
        assert (changed.status_code, changed.body["name"]) == (200, "The north")
        assert send(client, "PUT", "segments/north", {"name": "x", "rule": []}, If_Match=made["ETag"]).status_code == 412
        assert send(client, "PUT", "segments/south", {"name": "South", "rule": []}).status_code == 201
        assert send(client, "POST", "segments", {"code": "north", "name": "x", "rule": []}).body["code"] == "already_exists"

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"code": "a b"}, "/code"),
            ({"rule": [{"attribute": "shoe_size", "operator": "is", "values": ["44"]}]}, "/rule"),
            ({"rule": [{"attribute": "region", "operator": "like", "values": ["n"]}]}, "/rule/0/operator"),
            ({"rule": [{"attribute": "region", "operator": "is", "values": []}]}, "/rule/0/values"),
            ({"rule": [*RULE, {"attribute": "region"}]}, "/rule/1/operator"),
            ({"rule": [{**RULE[0], "or": []}]}, "/rule/0/or"),
            ({"rule": {}}, "/rule"),
        ],
    )
    def test_what_is_wrong_is_named(self, client: TokenClient, change: dict[str, Any], pointer: str) -> None:
        answer = send(client, "POST", "segments", {"code": "north", "name": "North", "rule": self.RULE} | change)
        assert answer.status_code == 422
        assert pointer in faults(answer)
        assert not Segment.objects.exists()


class TestRankings:
    @pytest.fixture(autouse=True)
    def _offers(self, program: Program) -> None:
        make_offer(program, "O1")
        make_offer(program, "O2")

    def test_a_new_order_is_a_revision_and_can_be_undone(self, publisher: TokenClient) -> None:
        made = send(publisher, "POST", "rankings", {"offers": ["O2", "O1"], "comment": "swap"})
        assert (made.status_code, made.body["offers"], made.body["comment"]) == (201, ["O2", "O1"], "swap")
        again = send(publisher, "POST", "rankings", {"offers": ["O2", "O1"]})
        assert (again.status_code, again.body["number"]) == (200, made.body["number"])
        undone = send(publisher, "POST", "rankings/undo", {"number": made.body["number"]})
        assert (undone.status_code, undone.body["offers"], undone.body["undoes"]) == (201, ["O1", "O2"], made.body["number"])

    def test_of_a_segment(self, publisher: TokenClient, program: Program) -> None:
        make_segment(program, "cards")
        made = send(publisher, "POST", "rankings", {"segment": "cards", "offers": ["O2"]})
        assert (made.status_code, made.body["segment"], made.body["number"]) == (201, "cards", 1)
        answer = send(publisher, "POST", "rankings/undo", {"segment": "cards", "number": 1})
        assert (answer.status_code, answer.body["offers"], answer.body["undoes"]) == (201, [], 1)

    def test_pins_and_hidden_offers_are_read_as_written(self, publisher: TokenClient) -> None:
        pinned = [{"offer": "O2", "place": 1}]
        made = send(publisher, "POST", "rankings", {"offers": ["O1", "O2"], "pinned": pinned, "hidden": ["O1"]})
        assert (made.status_code, made.body["pinned"], made.body["hidden"]) == (201, pinned, ["O1"])
        [newest, *_] = send(publisher, "GET", "rankings").body["data"]
        assert (newest["pinned"], newest["hidden"], newest["ended"]) == (pinned, ["O1"], False)
        assert [row["offer"] for row in send(publisher, "GET", "catalog").body["data"]] == ["O2"]

    def test_steps_with_single_offers(self, publisher: TokenClient) -> None:
        make_offer(Program.objects.get(), "O3")
        steps = [
            {"do": "move", "offer": "O3", "number": 1},
            {"do": "pin", "offer": "O2", "number": 2},
            {"do": "hide", "offer": "O1"},
        ]
        made = send(publisher, "POST", "rankings/steps", {"steps": steps, "comment": "for autumn"})
        assert (made.status_code, made.body["offers"], made.body["hidden"]) == (201, ["O3", "O1", "O2"], ["O1"])
        assert (made.body["pinned"], made.body["comment"]) == ([{"offer": "O2", "place": 2}], "for autumn")
        again = {"steps": [{"do": "show", "offer": "O1"}, {"do": "hide", "offer": "O1"}]}
        answer = send(publisher, "POST", "rankings/steps", again)
        assert (answer.status_code, answer.body["number"]) == (200, made.body["number"])

    def test_a_step_that_cannot_be_taken_keeps_all_others_back(self, publisher: TokenClient) -> None:
        before = RankingRevision.objects.count()
        steps = [{"do": "move", "offer": "O2", "number": 1}, {"do": "move", "offer": "O1", "number": 7}]
        answer = send(publisher, "POST", "rankings/steps", {"steps": steps})
        assert (answer.status_code, answer.body["code"], list(faults(answer))) == (422, "no_such_place", ["/steps"])
        assert answer.body["detail"].startswith("Step 2: There is no place 7. Nothing was changed.")
        assert RankingRevision.objects.count() == before

    def test_a_revision_is_put_back(self, publisher: TokenClient) -> None:
        first = send(publisher, "POST", "rankings", {"offers": ["O2", "O1"], "hidden": ["O1"]}).body
        send(publisher, "POST", "rankings", {"offers": ["O1", "O2"]})
        stale = send(publisher, "POST", "rankings/restore", {"number": first["number"], "replaces": first["number"]})
        assert (stale.status_code, stale.body["code"]) == (409, "ranking_changed_since")
        made = send(publisher, "POST", "rankings/restore", {"number": first["number"], "replaces": first["number"] + 1})
        assert (made.status_code, made.body["offers"], made.body["hidden"]) == (201, ["O2", "O1"], ["O1"])
        ended = send(publisher, "POST", "rankings/restore", {"number": 0})
        assert (ended.status_code, ended.body["ended"], ended.body["offers"]) == (201, True, [])

    def test_what_two_revisions_differ_in(self, publisher: TokenClient) -> None:
        steps = [{"do": "pin", "offer": "O2", "number": 1}]
        made = send(publisher, "POST", "rankings/steps", {"steps": steps}).body
        found = send(publisher, "GET", "rankings/compare").body
        assert found == {
            "segment": None,
            "before": made["number"] - 1,
            "after": made["number"],
            "differences": [{"offer": "O2", "before": 2, "after": 1, "changes": ["pinned", "up"]}],
            "made_room": 1,
        }
        whole = send(publisher, "GET", f"rankings/compare?before=0&after={made['number']}").body
        assert [(one["offer"], one["changes"]) for one in whole["differences"]] == [("O2", ["new", "pinned"]), ("O1", ["new"])]
        assert send(publisher, "GET", "rankings/compare?after=404").status_code == 404
        assert send(publisher, "GET", "rankings/compare?segment=nothing").status_code == 404

    def test_whose_ranking_comes_first(self, publisher: TokenClient, program: Program) -> None:
        for code in ("cards", "north"):
            make_segment(program, code)
            send(publisher, "POST", "rankings", {"segment": code, "offers": ["O2"]})
        seen = send(publisher, "GET", "rankings/priority")
        assert (seen.status_code, seen.body) == (200, {"segments": ["north", "cards"]})
        made = send(publisher, "PUT", "rankings/priority", {"segments": ["cards", "north"]}, **{"If-Match": seen["ETag"]})
        assert (made.status_code, made.body) == (200, {"segments": ["cards", "north"]})
        again = send(publisher, "PUT", "rankings/priority", {"segments": ["north", "cards"]}, **{"If-Match": seen["ETag"]})
        assert again.status_code == 412
        answer = send(publisher, "PUT", "rankings/priority", {"segments": ["cards"]})
        assert (answer.status_code, answer.body["code"], list(faults(answer))) == (422, "not_every_ranking", ["/segments"])

    def test_two_who_saw_the_same_order(self, publisher: TokenClient) -> None:
        seen = send(publisher, "GET", "rankings").body["data"][0]["number"]
        assert send(publisher, "POST", "rankings", {"offers": ["O2"], "replaces": seen}).status_code == 201
        answer = send(publisher, "POST", "rankings", {"offers": ["O1"], "replaces": seen})
        assert (answer.status_code, answer.body["code"], list(faults(answer))) == (409, "ranking_changed_since", ["/replaces"])

    @pytest.mark.parametrize(
        ("path", "body", "code"),
        [
            ("rankings", {"offers": ["O1", "O404"]}, "unknown_offer"),
            ("rankings", {"offers": ["O1", "O1"]}, "named_twice"),
            ("rankings", {"offers": [], "segment": "nothing"}, "unknown_segment"),
            ("rankings", {"offers": "O1"}, "invalid"),
            ("rankings", {"offers": ["O1"], "hidden": ["O404"]}, "unknown_offer"),
            ("rankings", {"offers": ["O1"], "pinned": [{"offer": "O404", "place": 1}]}, "unknown_offer"),
            ("rankings", {"offers": [], "pinned": [{"offer": "O1", "place": 1}, {"offer": "O1", "place": 2}]}, "named_twice"),
            ("rankings", {"offers": [], "pinned": [{"offer": "O1", "place": 1}, {"offer": "O2", "place": 1}]}, "place_taken"),
            ("rankings", {"offers": [], "pinned": [{"offer": "O1", "place": 1}], "hidden": ["O1"]}, "hidden_and_pinned"),
            ("rankings/steps", {"steps": []}, "invalid"),
            ("rankings/steps", {"steps": [{"do": "jump", "offer": "O1"}]}, "invalid"),
            ("rankings/steps", {"steps": [{"do": "move", "offer": "O1"}]}, "number_missing"),
            ("rankings/steps", {"steps": [{"do": "hide", "offer": "O404"}]}, "unknown_offer"),
            ("rankings/restore", {"number": 404}, "unknown_revision"),
            ("rankings/undo", {"number": 404}, "unknown_revision"),
            ("rankings/undo", {"number": 0}, "invalid"),
        ],
    )
    def test_refusals(self, publisher: TokenClient, path: str, body: Any, code: str) -> None:
        before = RankingRevision.objects.count()
        answer = send(publisher, "POST", path, body)
        assert (answer.status_code, answer.body["code"]) == (422, code)
        assert RankingRevision.objects.count() == before

    def test_drafting_is_not_ranking(self, client: TokenClient) -> None:
        assert send(client, "POST", "rankings", {"offers": ["O1"]}).status_code == 403
