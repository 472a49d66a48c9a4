"""What the activity API gives to read: metrics, batches, timelines."""

import json
from datetime import date
from typing import Any

import pytest

from activity.metrics import METRICS
from activity.rules import FILE_COLUMNS
from activity.selectors import summarise
from partners.models import Program
from plum_site.lib.models import ApiToken, AuditEvent
from tests.factories.events import make_event
from tests.factories.ledger import event, make_stocked_program, record
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


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


class TestMetrics:
    def test_same_figures_as_the_selector(self, client: TokenClient, program: Program) -> None:
        redeemed = event(3, "redeemed", spend_amount="5.00", spend_currency="EUR", offer="O3")
        record(program, [event(1), event(2, "unlocked"), redeemed])
        answer = get(client, "metrics?from=2026-06-01&to=2026-07-01&by=partner,business_unit&where=offer=O1&where=offer=O3")
        expected = summarise(
            program=program,
            starts_date=date(2026, 6, 1),
            ends_date=date(2026, 7, 1),
            by=["partner", "business_unit"],
            where={"offer": ["O1", "O3"]},
        )
        assert answer.status_code == 200
        assert answer.body["rows"] == expected.rows
        assert (answer.body["as_of"], answer.body["recorded_stages"]) == (expected.as_of, expected.recorded_stages)
        assert [row["partner"] for row in answer.body["rows"]] == ["P1", "P2"]

    def test_every_metric_is_in_every_row(self, client: TokenClient) -> None:
        [row] = get(client, "metrics?from=2026-06-01&to=2026-07-01").body["rows"]
        assert set(METRICS) <= set(row)

    def test_one_member_is_read_in_the_timeline_only(self, client: TokenClient) -> None:
        answer = get(client, f"metrics?from=2026-06-01&to=2026-07-01&where=member={'0' * 32}")
        assert (answer.status_code, answer.body["code"]) == (422, "personal_filter")

    @pytest.mark.parametrize(
        ("query", "status", "names"),
        [
            ("from=2026-06-01", 400, {"to"}),
            ("from=June&to=2026-07-01", 400, {"from"}),
            ("from=2026-06-01&to=2026-07-01&where=nothing", 400, {"where"}),
            ("from=2026-06-01&to=2026-07-01&group=x&sort=y", 400, {"group", "sort"}),
            ("from=2026-06-01&from=2026-06-02&to=2026-07-01", 400, {"from"}),
            ("from=2026-06-01&to=2026-07-01&by=%00", 400, {"by"}),
            ("from=2026-07-01&to=2026-06-01", 422, set()),
            ("from=2026-06-01&to=2026-07-01&by=shoe_size", 422, set()),
        ],
    )
    def test_wrong_questions(self, client: TokenClient, query: str, status: int, names: set[str]) -> None:
        answer = get(client, f"metrics?{query}")
        assert answer.status_code == status
        assert {row["parameter"] for row in answer.body.get("errors", [])} == names


class TestFunnel:
    QUERY = "from=2026-06-01&to=2026-07-01&by=partner&where=offer_type=discount"

    def test_same_numbers_as_the_metrics(self, client: TokenClient, program: Program) -> None:
        Program.objects.filter(pk=program.pk).update(recorded_stages=["viewed", "unlocked"])
        steps = [event(1), event(2, "unlocked"), event(3, member="M2"), event(4, offer="O3")]
        record(program, steps)
        found, metrics = get(client, f"funnel?{self.QUERY}").body, get(client, f"metrics?{self.QUERY}").body
        assert found["stages"] == ["viewed", "unlocked"]
        assert {row["partner"]: row["funnel"] for row in found["rows"]} == {
            row["partner"]: row["funnel"] for row in metrics["rows"]
        }
        assert found["rows"][0] == {
            "partner": "P1",
            "suppressed": False,
            "funnel": [{"stage": "viewed", "pairs": 2, "members": 2}, {"stage": "unlocked", "pairs": 1, "members": 1}],
        }

    def test_a_suppressed_group_has_no_funnel(self, client: TokenClient, program: Program) -> None:
        record(program, [event(1), event(2, "unlocked")])
        Program.objects.filter(pk=program.pk).update(minimum_group=5)
        [row] = get(client, "funnel?from=2026-06-01&to=2026-07-01&by=region").body["rows"]
        assert (row["suppressed"], row["funnel"]) == (True, None)

    @pytest.mark.parametrize(
        ("query", "status", "said"),
        [
            ("from=2026-06-01", 400, "to"),
            ("from=2026-06-01&to=2026-07-01&where=member=" + "0" * 32, 422, "timeline"),
            ("from=2026-06-01&to=2026-07-01&by=shoe_size", 422, "shoe_size"),
            ("from=2026-06-01&to=2026-07-01&where=segment=nobody", 422, "nobody"),
        ],
    )
    def test_wrong_questions(self, client: TokenClient, query: str, status: int, said: str) -> None:
        answer = get(client, f"funnel?{query}")
        assert answer.status_code == status
        assert said in answer.body["detail"]


class TestBatches:
    def test_only_what_this_token_sent(self, client: TokenClient, program: Program) -> None:
        body = json.dumps([make_event(1), make_event(2, offer="nowhere")])
        client.post("/api/v1/events", body, content_type="application/cloudevents-batch+json")
        record(program, [event(3)])
        [row] = get(client, "batches").body["data"]
        assert (row["source"], row["received"], row["accepted"], row["duplicate"], row["conflict"], row["rejected"]) == (
            "urn:acme:shop",
            2,
            1,
            0,
            0,
            1,
        )
        assert get(make_client(program), "batches").body["data"] == []


class TestTimeline:
    def test_every_event_in_time_order(self, client: TokenClient, program: Program) -> None:
        spent = event(2, "redeemed", occurred_at="2026-06-14T10:00:00.000001Z", spend_amount="5.00", spend_currency="EUR")
        record(program, [event(1), spent, event(3, member="M2")])
        answer = get(client, "members/M1/timeline?reason=asked+by+the+member")
        assert (answer.status_code, answer.body["member"]) == (200, "M1")
        assert [row["event_id"] for row in answer.body["events"]] == ["e2", "e1"]
        first = answer.body["events"][0]
        assert (first["occurred_at"], first["spend_amount"], first["spend_currency"], first["partner"], first["offer"]) == (
            "2026-06-14T10:00:00.000001Z",
            "5.00",
            "EUR",
            "P1",
            "O1",
        )
        assert first["medium"] is None

    def test_names_are_those_of_a_file(self, client: TokenClient, program: Program) -> None:
        record(program, [event(1)])
        [row] = get(client, "members/M1/timeline?reason=check").body["events"]
        assert set(row) - {"partner", "recorded_at"} == set(FILE_COLUMNS) - {"member"}

    def test_the_reading_is_logged_with_its_reason(self, client: TokenClient, program: Program) -> None:
        client.get("/api/v1/members/M1/timeline", headers={"Plum-Reason": "complaint 7"})
        row = AuditEvent.objects.get(action="activity.read_timeline")
        token = ApiToken.objects.get()
        assert (row.actor, row.comment, row.program_id) == (f"token:{token.pk}", "complaint 7", program.pk)

    def test_without_a_reason_nothing_is_read(self, client: TokenClient) -> None:
        answer = get(client, "members/M1/timeline")
        assert (answer.status_code, answer.body["code"]) == (422, "reason_missing")

    def test_a_member_that_nobody_is(self, client: TokenClient) -> None:
        assert get(client, "members/nobody/timeline?reason=check").status_code == 404
        assert not AuditEvent.objects.filter(action="activity.read_timeline").exists()
