"""The description of the API: complete, and of one kind with the event contract."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from activity.api.cloudevents import IN_DATA, POINTERS
from activity.api.descriptions import event_schema_document
from activity.metrics import METRICS
from activity.rules.events import FILE_COLUMNS
from plum_site.api import describe_api
from plum_site.lib.access import operations
from tests.factories.events import make_event


@pytest.fixture(scope="module")
def description() -> Any:
    return json.loads(describe_api())


def operations_in(description: Any) -> list[tuple[str, str, Any]]:
    return [(method.upper(), path, row) for path, rows in description["paths"].items() for method, row in rows.items()]


def test_every_address_is_described(description: Any) -> None:
    listed = {route for row in operations().values() for route in row.routes if route.split(" ")[1].startswith("/")}
    described = {f"{method} {path}" for method, path, _ in operations_in(description)}
    assert listed - described == {"GET /api/v1/docs"}
    assert described <= listed


def test_every_operation_says_how_it_fails(description: Any) -> None:
    for method, path, row in operations_in(description):
        problems = {
            status for status, answer in row["responses"].items() if "application/problem+json" in answer.get("content", {})
        }
        assert {"400", "405", "500", "503"} <= problems, path
        if row.get("security"):
            assert {"401", "403"} <= problems, path
        else:
            assert path in ("/healthz", "/readyz", "/api/v1/openapi.json"), (method, path)
        if "{" in path:
            assert "404" in problems


def test_operation_ids_are_unique(description: Any) -> None:
    names = [row["operationId"] for _, _, row in operations_in(description)]
    assert len(names) == len(set(names))
    assert "get_partners" in names


def test_every_reference_leads_somewhere(description: Any) -> None:
    schemas = description["components"]["schemas"]
    text = json.dumps(description)
    for part in text.split('"$ref": "')[1:]:
        assert part.partition('"')[0].removeprefix("#/components/schemas/") in schemas


def test_metric_rows_name_every_metric(description: Any) -> None:
    assert set(METRICS) <= set(description["components"]["schemas"]["MetricRow"]["properties"])


def test_lists_are_pages(description: Any) -> None:
    page = description["components"]["schemas"]["PartnersPage"]["properties"]
    assert set(page) == {"data", "next_cursor", "has_more"}
    names = {row["name"] for row in description["paths"]["/api/v1/partners"]["get"]["parameters"]}
    assert {"limit", "cursor", "state", "country", "category", "search"} <= names


def test_examples_are_what_they_are_examples_of(description: Any) -> None:
    checked = set()
    for method, path, row in operations_in(description):
        for part in [row.get("requestBody", {}), *row["responses"].values()]:
            for content in part.get("content", {}).values():
                for example in content.get("examples", {}).values():
                    schema = {**content["schema"], "components": description["components"]}
                    jsonschema.validate(example["value"], schema, jsonschema.Draft202012Validator)
                    checked.add(f"{method} {path}")
    writing = {"PUT", "PATCH", "POST"}
    assert {"GET /api/v1/catalog", "GET /api/v1/audit", "POST /api/v1/tokens"} <= checked
    assert len([route for route in checked if route.split()[0] in writing]) >= 10


def test_what_is_written_says_what_it_takes_and_how_it_is_refused(description: Any) -> None:
    rows = {f"{method} {path}": row for method, path, row in operations_in(description)}
    for route, row in rows.items():
        if route.split()[0] in ("PUT", "PATCH", "POST") and "/events" not in route:
            assert row["requestBody"]["content"], route
            assert {"409", "412", "413", "415", "422"} <= set(row["responses"]), route
            headers = {parameter["name"] for parameter in row.get("parameters", []) if parameter["in"] == "header"}
            assert ("Idempotency-Key" in headers) == route.startswith("POST"), route
            assert "limit" not in {parameter["name"] for parameter in row.get("parameters", [])}, route
    assert {"If-Match", "If-None-Match"} <= {
        parameter["name"] for parameter in rows["PUT /api/v1/offers/{external_id}"]["parameters"]
    }


class TestEventSchema:
    def test_its_fields_are_those_that_are_read(self) -> None:
        data = event_schema_document()["properties"]["data"]["properties"]
        assert set(data) == IN_DATA

    def test_every_file_column_has_its_place(self) -> None:
        assert set(FILE_COLUMNS) - set(POINTERS) == {"received_at"}
        assert set(POINTERS) <= set(FILE_COLUMNS)

    def test_the_committed_file_takes_what_the_api_takes(self, checkout: Path) -> None:
        schema = json.loads((checkout / "docs/event.schema.json").read_text(encoding="utf-8"))
        check = jsonschema.Draft202012Validator(schema)
        spend = {"amount": "12.50", "currency": "EUR"}
        good = make_event(
            kind="redeemed", spend=spend, reward_cost=spend, status="reversed", reverses="e0", position=1, medium="mail"
        )
        assert check.is_valid(good)
        for wrong in (
            make_event(email="ann@example.org"),
            make_event(spend={"amount": 12, "currency": "EUR"}),
            make_event(type="offer.viewed.v2"),
            make_event(position=0),
            {**good, "specversion": "0.3"},
        ):
            assert not check.is_valid(wrong)
