"""The ranked catalog over HTTP: whose it is, what is sent again, and how the position shown comes back."""

import json
from bisect import bisect
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from activity.api.serializers import CatalogListing, CatalogOffer
from activity.selectors.positions import BUCKETS, count_by_position
from activity.services import MemberRow, Person, apply_people, seal_ledger
from offers.services import change_offer_state, end_trial, publish_listing, save_ranking, start_trial
from partners.models import Program
from tests.factories.events import make_event
from tests.factories.ledger import make_stocked_program
from tests.factories.offers import make_offer, make_segment
from tests.factories.programs import CREATED_AT
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]


@pytest.fixture
def program() -> Program:
    return make_stocked_program(minimum_group=1)


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program)


def get(client: TokenClient, path: str) -> Any:
    """The answer with its JSON in `.body`."""
    answer = client.get(f"/api/v1/{path}")
    answer.body = json.loads(answer.content)
    return answer


def ids(program: Program, *names: str) -> list[int]:
    """Row ids of offers."""
    rows = dict(program.offers.values_list("external_id", "pk"))
    return [rows[name] for name in names]


class TestCatalog:
    @pytest.fixture(autouse=True)
    def _ranked(self, program: Program) -> None:
        save_ranking(
            program_id=program.pk, segment_id=None, offer_ids=ids(program, "O3", "O1", "O2"), actor="system", at=CREATED_AT
        )
        segment = make_segment(program, "cards")
        save_ranking(
            program_id=program.pk, segment_id=segment.pk, offer_ids=ids(program, "O2", "O3", "O1"), actor="system", at=CREATED_AT
        )

    @pytest.mark.parametrize(
        ("query", "order"),
        [
            ("", ["O3", "O1", "O2"]),
            ("?member=M1", ["O2", "O3", "O1"]),
            ("?member=M2", ["O3", "O1", "O2"]),
            ("?segment=cards", ["O2", "O3", "O1"]),
            ("?business_unit=cards", ["O2", "O3", "O1"]),
            ("?business_unit=loans&region=south", ["O3", "O1", "O2"]),
            ("?on=2026-06-15", ["O3", "O1", "O2"]),
        ],
    )
    def test_order(self, client: TokenClient, query: str, order: list[str]) -> None:
        rows = get(client, f"catalog{query}").body["data"]
        assert [row["offer"] for row in rows] == order
        assert [row["position"] for row in rows] == [1, 2, 3]
        assert rows[0]["listing"]["title"] == f"Offer {order[0]}"

    def test_pages(self, client: TokenClient) -> None:
        first = get(client, "catalog?limit=2").body
        assert ([row["offer"] for row in first["data"]], first["has_more"]) == (["O3", "O1"], True)
        second = get(client, f"catalog?limit=2&cursor={first['next_cursor']}").body
        assert ([row["offer"] for row in second["data"]], second["has_more"], second["next_cursor"]) == (["O2"], False, None)

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("member=M1&segment=cards", {"member", "segment"}),
            ("member=M1&region=north", {"member", "attributes"}),
            ("shoe_size=44", {"shoe_size"}),
            ("on=tomorrow", {"on"}),
        ],
    )
    def test_wrong_questions(self, client: TokenClient, query: str, names: set[str]) -> None:
        answer = get(client, f"catalog?{query}")
        assert (answer.status_code, {row["parameter"] for row in answer.body["errors"]}) == (400, names)

    def test_a_member_that_nobody_is(self, client: TokenClient) -> None:
        assert get(client, "catalog?member=nobody").status_code == 404

    def test_a_page_that_the_client_has_is_not_sent_again(self, client: TokenClient, program: Program) -> None:
        first = get(client, "catalog?member=M1&limit=2")
        assert (first["Cache-Control"], first["Vary"]) == ("private, no-cache", "Authorization")

        again = client.get("/api/v1/catalog?member=M1&limit=2", HTTP_IF_NONE_MATCH=first["ETag"])
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
        assert again["Cache-Control"] == "private, no-cache"

    def test_another_question_has_another_tag(self, client: TokenClient) -> None:
        cursor = get(client, "catalog?limit=2").body["next_cursor"]
        asked = ["", "?member=M1", "?member=M2", "?segment=cards", "?on=2026-06-15", "?limit=2", f"?limit=2&cursor={cursor}"]
        tags = [get(client, f"catalog{query}")["ETag"] for query in asked]
        assert len(set(tags)) == len(tags)
        assert get(client, "catalog?business_unit=cards&region=north")["ETag"] == tags[1]

    def test_what_changes_the_catalog_changes_its_tag(self, client: TokenClient, program: Program) -> None:
        offer = program.offers.get(external_id="O2")

        def pin_it() -> None:
            save_ranking(program_id=program.pk, offer_ids=[], pinned={offer.pk: 1}, actor="system", at=CREATED_AT)

        def change_listing() -> None:
            publish_listing(offer_id=offer.pk, title="Fresh", actor="system", at=CREATED_AT)

        def pause() -> None:
            change_offer_state(offer_id=offer.pk, name="pause", actor="system", at=CREATED_AT, comment="no stock")

        seen = get(client, "catalog")
        for change in (pin_it, change_listing, pause):
            change()
            answer = client.get("/api/v1/catalog", HTTP_IF_NONE_MATCH=seen["ETag"])
            assert answer.status_code == 200
            seen = get(client, "catalog")
        assert [row["offer"] for row in seen.body["data"]] == ["O1", "O3"]

    def test_a_new_day_has_a_tag_of_its_own(self, client: TokenClient, monkeypatch: pytest.MonkeyPatch) -> None:
        tags = set()
        for day, hour in ((15, 9), (15, 21), (16, 9)):
            monkeypatch.setattr("plum_site.lib.clock.now", lambda day=day, hour=hour: datetime(2026, 7, day, hour, tzinfo=UTC))
            tags.add(get(client, "catalog")["ETag"])
        assert len(tags) == 2

    def test_a_member_whose_attributes_change_sees_another_catalog(self, client: TokenClient, program: Program) -> None:
        before = get(client, "catalog?member=M2")
        row = MemberRow(Person("M2"), {"business_unit": "cards", "region": "south"})
        apply_people(program=program, source="file", rows=[row], actor="system", at=CREATED_AT + timedelta(days=1))
        answer = client.get("/api/v1/catalog?member=M2", HTTP_IF_NONE_MATCH=before["ETag"])
        assert answer.status_code == 200
        assert [one["offer"] for one in answer.json()["data"]] == ["O2", "O3", "O1"]

    def test_a_catalog_that_stands_costs_few_statements(self, client: TokenClient) -> None:
        get(client, "catalog?member=M1")
        with CaptureQueriesContext(connection) as queries:
            get(client, "catalog?member=M1")
        assert len(queries) == 2, [query["sql"] for query in queries]  # the program, and the member's attributes

    def test_a_trial_is_seen_by_those_who_are_drawn(self, client: TokenClient, program: Program) -> None:
        names = [f"T{number}" for number in range(40)]
        rows = [MemberRow(Person(name), {"business_unit": "loans", "region": "south"}) for name in names]
        apply_people(program=program, source="file", rows=rows, actor="system", at=CREATED_AT)
        [fresh, old] = [make_offer(program, "N1", "draft").pk, *ids(program, "O1")]
        queries = ["", "?segment=cards", "?business_unit=loans&region=south"]
        before = [get(client, f"catalog{query}").body for query in queries]
        share = {"share_percent": 50, "salt": "trial", "actor": "system", "at": CREATED_AT}
        trial = start_trial(program_id=program.pk, pairs=[(old, fresh)], **share)  # type: ignore[arg-type] # as they are
        for step in ("submit", "publish"):
            change_offer_state(offer_id=fresh, name=step, actor="system", at=CREATED_AT)

        assert [get(client, f"catalog{query}").body for query in queries] == before, "nobody is drawn there"
        answers = {name: get(client, f"catalog?member={name}") for name in names}
        shown = {name: tuple(row["offer"] for row in answer.body["data"]) for name, answer in answers.items()}
        assert set(shown.values()) == {("O3", "O1", "O2"), ("O3", "N1", "O2")}
        tags = {(shown[name], answer["ETag"]) for name, answer in answers.items()}
        assert len(tags) == 2, "one tag for each arm"
        assert {
            name: tuple(row["offer"] for row in get(client, f"catalog?member={name}").body["data"]) for name in names
        } == shown
        with CaptureQueriesContext(connection) as queried:
            again = client.get("/api/v1/catalog?member=T1", HTTP_IF_NONE_MATCH=answers["T1"]["ETag"])
        assert (again.status_code, len(queried)) == (304, 2)

        end_trial(trial_id=trial.pk, actor="system", at=CREATED_AT)
        change_offer_state(offer_id=fresh, name="pause", actor="system", at=CREATED_AT, comment="the trial is over")
        assert {len(get(client, f"catalog?member={name}").body["data"]) for name in names} == {3}
        assert get(client, "catalog?member=T1")["ETag"] != answers["T1"]["ETag"]

    def test_every_field_that_is_described(self, client: TokenClient) -> None:
        [row, *_] = get(client, "catalog").body["data"]
        assert set(row) == set(CatalogOffer().fields)
        assert set(row["listing"]) == set(CatalogListing().fields)

    def test_the_position_shown_comes_back_with_the_events(self, client: TokenClient, program: Program) -> None:
        shown = get(client, "catalog?member=M1").body["data"]
        events = [
            make_event(number, kind, offer=row["offer"], position=row["position"])
            for number, (kind, row) in enumerate((kind, row) for row in shown for kind in ("impression", "viewed"))
        ]
        answer = client.post("/api/v1/events", json.dumps(events), content_type="application/cloudevents-batch+json")
        assert (answer.status_code, answer.json()["accepted"]) == (200, len(events)), answer.content
        seal_ledger(program_id=program.pk, at=CREATED_AT)

        month = {"starts_date": date(2026, 6, 1), "ends_date": date(2026, 7, 1)}
        counted = {(row.partner, row.bucket): row.views for row in count_by_position(program=program, **month)}
        partners = {offer.external_id: offer.partner.external_id for offer in program.offers.select_related("partner")}
        assert counted == {(partners[row["offer"]], bisect(BUCKETS, row["position"]) - 1): 1 for row in shown}
