"""GET /api/v1/events and /events/stream: order, filters, paging without gaps or repeats, and the program's wall."""

import json
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activity.models import Event, IngestBatch, Seal
from activity.models.ledger import POSITIONS
from activity.selectors import history
from activity.services import seal_ledger
from partners.models import Program
from tests.factories.ledger import event, make_stocked_program, record
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
AT = datetime(2026, 7, 15, 10, tzinfo=UTC)
MONEY = {"spend_amount": "12.50", "spend_currency": "EUR", "reward_cost_amount": "1.000", "reward_cost_currency": "KWD"}


@pytest.fixture
def program() -> Program:
    return make_stocked_program()


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "events:read")


def seal(program: Program) -> None:
    seal_ledger(program_id=program.pk, at=AT)


def pages(client: Client, query: str = "") -> list[dict[str, Any]]:
    """Every row of the list, page after page."""
    rows, cursor = [], ""
    for _ in range(1000):
        body = client.get(f"/api/v1/events?{query}{'&' if query else ''}cursor={cursor}").json()
        rows += body["data"]
        assert body["has_more"] == (body["next_cursor"] is not None)
        if not body["has_more"]:
            return rows
        cursor = body["next_cursor"]
    raise AssertionError("The pages have no end.")


def stream(client: Client, query: str = "") -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of one stream and its last line."""
    answer = client.get(f"/api/v1/events/stream?{query}")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/x-ndjson")
    lines = [json.loads(line) for line in b"".join(answer).splitlines()]
    assert set(lines[-1]) == {"next_since", "eof"}
    return lines[:-1], lines[-1]


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["event_id"] for row in rows]


def test_a_row_has_every_field_by_the_names_of_the_contract(program: Program, client: TokenClient) -> None:
    reversal = event(
        "x", "redeemed", status="reversed", reason_code="refund", transaction_ref="T1", reverses="e0", medium="mail", position=3
    )
    record(program, [reversal | MONEY | {"occurred_at": "2026-06-15T10:00:00.123456Z"}], source="urn:acme:till")
    seal(program)
    [row] = pages(client)
    assert row == {
        "id": Event.objects.get().pk,
        "event_id": "ex",
        "source": "urn:acme:till",
        "occurred_at": "2026-06-15T10:00:00.123456Z",
        "recorded_at": "2026-07-15T09:30:00Z",
        "received_at": None,
        "kind": "redeemed",
        "status": "reversed",
        "reason_code": "refund",
        "partner": "P1",
        "offer": "O1",
        "spend_amount": "12.50",
        "spend_currency": "EUR",
        "reward_cost_amount": "1.000",
        "reward_cost_currency": "KWD",
        "transaction_ref": "T1",
        "reverses": "e0",
        "medium": "mail",
        "position": 3,
        "member": row["member"],
    }
    assert stream(client)[0] == [row]
    timeline = make_client(program).get("/api/v1/members/M1/timeline?reason=test").json()["events"]
    assert [{name: row[name] for name in timeline[0]}] == timeline


def test_members_are_references_that_hold_within_a_program_and_say_nothing(program: Program, client: TokenClient) -> None:
    record(program, [event(1), event(2, member="M2"), event(3)])
    seal(program)
    first, second, third = (row["member"] for row in pages(client))
    assert (first == third, first == second, len(first)) == (True, False, 32)
    assert "M1" not in json.dumps(pages(client))
    other = make_stocked_program("other")
    record(other, [event(1)])
    seal(other)
    [foreign] = pages(make_client(other, "events:read"))
    assert foreign["member"] != first


def test_without_member_there_is_no_reference(program: Program, client: TokenClient) -> None:
    """As it is after an erasure, which blanks the identity half."""
    record(program, [event(1)])
    seal(program)
    with mock.patch.object(history.Member.objects, "filter") as members:
        members.return_value.values_list.return_value = []
        assert pages(client)[0]["member"] is None


def test_what_is_not_sealed_is_not_shown_yet(program: Program, client: TokenClient) -> None:
    record(program, [event(1)])
    assert pages(client) == []
    assert stream(client) == ([], {"next_since": 0, "eof": True})
    seal(program)
    assert ids(pages(client)) == ["e1"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["e1", "e2", "e3", "e4", "e5"]),
        ("kind=viewed", ["e1", "e5"]),
        ("kind=viewed&kind=unlocked", ["e1", "e2", "e5"]),
        ("status=failed", ["e3"]),
        ("offer=O2", ["e3"]),
        ("offer=O2&offer=O3", ["e3", "e4"]),
        ("partner=P2", ["e4"]),
        ("partner=P1&partner=P2&kind=redeemed", ["e4"]),
        ("source=late", ["e5"]),
        ("from=2026-06-16", ["e2", "e4"]),
        ("to=2026-06-16", ["e1", "e3", "e5"]),
        ("from=2026-06-16&to=2026-06-17", ["e2"]),
        ("from=0001-01-01&to=9999-12-31", ["e1", "e2", "e3", "e4", "e5"]),
        ("from=9999-12-31", []),
        ("to=0001-01-01", []),
    ],
)
def test_filters(program: Program, client: TokenClient, query: str, expected: list[str]) -> None:
    rows = [
        event(1),
        # The program's day ends at midnight in Berlin, two hours before that in London.
        event(2, "unlocked", occurred_at="2026-06-15T22:00:00Z"),
        event(3, "activated", status="failed", offer="O2", occurred_at="2026-06-15T21:59:59Z"),
        event(4, "redeemed", offer="O3", occurred_at="2026-06-17T10:00:00Z"),
    ]
    record(program, rows)
    record(program, [event(5)], source="late")
    seal(program)
    assert ids(pages(client, query)) == expected
    assert ids(stream(client, query)[0]) == expected
    with mock.patch.object(history, "MOST_STATEMENTS", 1):
        assert ids(pages(client, f"{query}&limit=1".lstrip("&"))) == expected


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("since=-1", "since"),
        ("since=x", "since"),
        ("since=9223372036854775808", "since"),
        ("since=81920", "since"),
        ("kind=seen", "kind/0"),
        ("status=done", "status/0"),
        ("from=yesterday", "from"),
        ("limit=0", "limit"),
        ("since=1&since=2", "since"),
        ("member=M1", "member"),
        ("offer=%00", "offer"),
    ],
)
@pytest.mark.parametrize("address", ["/api/v1/events", "/api/v1/events/stream"])
def test_wrong_parameters_are_named(client: TokenClient, address: str, query: str, parameter: str) -> None:
    answer = client.get(f"{address}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")
    assert answer.json()["errors"][0]["parameter"] == parameter


@pytest.mark.parametrize("query", ["offer=nowhere", "partner=nowhere", "source=nowhere"])
def test_a_name_that_the_program_does_not_have_is_404(client: TokenClient, query: str) -> None:
    for address in ("/api/v1/events", "/api/v1/events/stream"):
        assert client.get(f"{address}?{query}").status_code == 404


def test_another_programs_events_and_places_do_not_exist(program: Program, client: TokenClient) -> None:
    record(program, [event(1)])
    seal(program)
    other = make_stocked_program("other")
    record(other, [event(2)])
    record(program, [event(3)])
    seal(other)
    seal(program)
    assert (ids(pages(client)), ids(stream(client)[0])) == (["e1", "e3"], ["e1", "e3"])
    foreign = Event.objects.get(program=other).pk
    unknown = (Event.objects.latest("pk").pk // POSITIONS + 5) * POSITIONS
    answers = [client.get(f"/api/v1/events/stream?since={place}").json()["errors"][0] for place in (foreign, unknown)]
    texts = [answer["detail"].replace(str(place), "…") for answer, place in zip(answers, (foreign, unknown), strict=True)]
    assert texts[0] == texts[1]


def test_a_cursor_belongs_to_its_filters(program: Program, client: TokenClient) -> None:
    record(program, [event(number) for number in range(5)])
    seal(program)
    cursor = client.get("/api/v1/events?limit=2&kind=viewed").json()["next_cursor"]
    assert client.get(f"/api/v1/events?limit=2&kind=viewed&cursor={cursor}").status_code == 200
    assert client.get(f"/api/v1/events?limit=2&cursor={cursor}").status_code == 400


def test_a_batch_that_commits_late_is_not_passed_over(program: Program, client: TokenClient) -> None:
    """Its id was handed out before that of a batch which readers have seen already."""
    record(program, [event(1)])
    record(program, [event(2)])
    early, late = IngestBatch.objects.order_by("-pk")[0], IngestBatch.objects.order_by("pk")[0]
    Seal.objects.create(program=program, number=1, batch=early, root=bytes(32), chain=bytes(32), sealed_at=AT)
    rows, end = stream(client)
    assert ids(rows) == ["e2"]
    Seal.objects.create(program=program, number=2, batch=late, root=bytes(32), chain=bytes(32), sealed_at=AT)
    assert ids(stream(client, f"since={end['next_since']}")[0]) == ["e1"]
    assert ids(stream(client, f"since={rows[-1]['id']}")[0]) == ["e1"]
    assert ids(stream(client)[0]) == ids(pages(client, "limit=1")) == ["e2", "e1"]


def test_a_stream_is_bounded_and_goes_on_where_it_ended(program: Program, client: TokenClient) -> None:
    for start in range(0, 30, 10):
        record(program, [event(number) for number in range(start, start + 10)])
    seal(program)
    seen, since = [], 0
    for expected in (7, 7, 7, 7, 2):
        rows, end = stream(client, f"since={since}&limit=7")
        assert (len(rows), end["eof"]) == (expected, expected == 2)
        seen, since = [*seen, *ids(rows)], end["next_since"]
    assert seen == [f"e{number}" for number in range(30)]
    assert stream(client, f"since={since}") == ([], {"next_since": since, "eof": True})


def test_a_stream_with_a_filter_that_keeps_little_ends_early_and_goes_on(program: Program, client: TokenClient) -> None:
    for number in range(6):
        record(program, [event(number, "redeemed" if number == 5 else "viewed")])
    seal(program)
    seen, since, answers = [], 0, 0
    with (
        mock.patch("activity.api.reads.MOST_PASSED", 2),
        mock.patch.object(history, "MOST_EVENTS", 2),
        mock.patch.object(history, "EVENTS_AT_ONCE", 1),
    ):
        while True:
            rows, end = stream(client, f"since={since}&kind=redeemed")
            seen, since, answers = [*seen, *ids(rows)], end["next_since"], answers + 1
            if end["eof"]:
                break
    assert (seen, answers) == (["e5"], 3)


def test_head_reads_no_lines(program: Program, client: TokenClient) -> None:
    record(program, [event(1)])
    seal(program)
    answer = client.head("/api/v1/events/stream")
    assert (answer.status_code, b"".join(answer)) == (200, b"")


def test_a_page_costs_the_same_number_of_statements_whatever_is_on_it(
    program: Program, client: TokenClient, django_assert_max_num_queries: Any
) -> None:
    for start in range(0, 60, 20):
        record(program, [event(number, offer="O1" if number % 2 else "O3") for number in range(start, start + 20)])
    seal(program)
    client.get("/api/v1/events?limit=1")
    for limit in (2, 50):
        with django_assert_max_num_queries(9):
            assert len(client.get(f"/api/v1/events?limit={limit}").json()["data"]) == limit


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(min_value=0, max_value=4), min_size=1, max_size=8),
    limit=st.integers(min_value=1, max_value=6),
    at_once=st.integers(min_value=1, max_value=9),
    data=st.data(),
)
def test_however_it_is_cut_every_event_is_read_once(
    program: Program, client: TokenClient, sizes: list[int], limit: int, at_once: int, data: st.DataObject
) -> None:
    """Batches of any size, sealed in any order, read in steps of any size while more are sealed in between."""
    tag = IngestBatch.objects.count()
    made = []
    for place, size in enumerate(sizes):
        record(program, [event(f"{tag}-{place}-{number}") for number in range(size)] or [event(1, member="")])
        made.append(IngestBatch.objects.latest("pk"))
    before = Seal.objects.filter(program=program).count()
    order = data.draw(st.permutations(made))
    start = stream(client, "limit=100000")[1]["next_since"]
    assert not stream(client, f"since={start}")[0]
    seen, since = [], start
    with mock.patch.object(history, "EVENTS_AT_ONCE", at_once), mock.patch.object(history, "SEALS_AT_ONCE", at_once):
        for number, batch in enumerate(order, before + 1):
            Seal.objects.create(program=program, number=number, batch=batch, root=bytes(32), chain=bytes(32), sealed_at=AT)
            rows, end = stream(client, f"since={since}&limit={limit}")
            seen, since = [*seen, *ids(rows)], end["next_since"]
        while not end["eof"]:
            rows, end = stream(client, f"since={since}&limit={limit}")
            seen, since = [*seen, *ids(rows)], end["next_since"]
        paged = pages(client, f"since={start}&limit={limit}")
    expected = [f"e{tag}-{made.index(batch)}-{number}" for batch in order for number in range(sizes[made.index(batch)])]
    assert seen == ids(paged) == expected
