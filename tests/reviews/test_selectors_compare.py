"""The comparison of partners: one answer for the page, its CSV and the API; suppression; what is refused."""

import csv
import io
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from activity.selectors import summarise
from activity.services import MemberRow, Person, apply_people
from partners.models import Program
from plum_site.lib.errors import InvalidInput
from reviews.selectors import compare_partners, describe_comparison, list_comparable
from tests.factories.offers import make_segment
from tests.factories.partners import make_partner
from tests.factories.people import make_member_of_staff
from tests.factories.programs import CREATED_AT
from tests.factories.reviews import JULY, JUNE, make_reviewable_program, record_month, reviewed
from tests.factories.tokens import make_client
from tests.support.pages import errors_of, list_inline, sign_in, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

PARTNERS = [f"P{number}" for number in range(1, 8)]
LARGE = {"views": 200, "unlocks": 100, "activations": 60, "redemptions": 30, "failures": 6, "reversals": 3}


@pytest.fixture
def program() -> Program:
    """Seven partners: six with volume, of which P6 redeems next to nothing, and P7 with little."""
    program = make_reviewable_program(*PARTNERS)
    make_partner(program, "P2", country="AT")
    make_partner(program, "P3", country="AT", category="travel")
    counts: dict[str, dict[str, int]] = {partner: {**LARGE, "redemptions": 28 + n} for n, partner in enumerate(PARTNERS[:5])}
    counts |= {"P6": {**LARGE, "redemptions": 2}, "P7": {"views": 8, "unlocks": 6, "activations": 4, "redemptions": 4}}
    record_month(program, "2026-06", counts)
    program.refresh_from_db()
    return program


@pytest.fixture
def client(program: Program) -> Client:
    return sign_in(make_member_of_staff(program, "program_admin"))


def ask(program: Program, **asked: Any) -> dict[str, Any]:
    """The answer for June as JSON."""
    asked = {"metric": "redemption_rate", "starts_date": JUNE, "ends_date": JULY} | asked
    return describe_comparison(compare_partners(program=program, **asked))


def test_figures_are_those_of_the_metric_layer(program: Program) -> None:
    [group] = ask(program)["groups"]
    rows = summarise(program=program, starts_date=JUNE, ends_date=JULY, by=["partner"]).rows
    expected = {row["partner"]: (row["redemptions"], row["activations"], row["redemption_rate"]) for row in rows}

    assert {row["partner"]: (row["numerator"], row["denominator"], row["rate"]) for row in group["partners"]} == expected
    assert [row["partner"] for row in group["partners"] if row["status"] == "too_little_data"] == ["P7"]
    worst = group["partners"][5]
    assert (worst["partner"], worst["rank"], worst["side"]) == ("P6", 6, "below")
    assert worst["rate"] < worst["shrunken"]


def test_groups_are_compared_in_themselves(program: Program) -> None:
    found = {group["group"]: group for group in ask(program, by="country")["groups"]}

    assert {key: group["compared"] for key, group in found.items()} == {"AT": 2, "DE": 4}
    assert found["AT"]["rate"] is None
    assert sorted(row["partner"] for row in found["AT"]["partners"]) == ["P2", "P3"]
    assert all(row["place"] == "" for row in found["AT"]["partners"])


def test_filters_are_those_of_the_metric_layer(program: Program) -> None:
    [group] = ask(program, where={"category": ["travel"]})["groups"]

    assert [row["partner"] for row in group["partners"]] == ["P3"]
    assert ask(program, starts_date=JULY, ends_date=date(2026, 8, 1))["groups"] == []


def test_small_groups_of_members_are_suppressed_and_nothing_gives_them_away(program: Program) -> None:
    """Two people of the north among fifty: their rows are there, empty, and so is the other row of the partner's total."""
    people = [MemberRow(Person(f"M{n}"), {"region": "north" if n < 2 else "south"}) for n in range(50)]
    apply_people(program=program, source="file", rows=people, actor="system", at=CREATED_AT)
    record_month(program, "2026-07", dict.fromkeys(PARTNERS, LARGE), at=datetime(2026, 7, 30, tzinfo=UTC))
    found = {group["group"]: group for group in ask(program, by="region", starts_date=JULY, ends_date=date(2026, 8, 1))["groups"]}

    for key in ("north", "south"):
        group = found[key]
        assert {row["status"] for row in group["partners"]} == {"suppressed"}
        assert (group["numerator"], group["denominator"], group["rate"]) == (0, 0, None)
        for row in group["partners"]:
            assert {row[name] for name in ("numerator", "denominator", "rate", "shrunken", "rank")} == {None}


def test_segments_can_be_grouped_by(program: Program) -> None:
    people = [MemberRow(Person(f"M{n}"), {"region": "north"}) for n in range(50)]
    apply_people(program=program, source="file", rows=people, actor="system", at=CREATED_AT)
    make_segment(program, "northern", "region", ("north",))
    record_month(program, "2026-07", dict.fromkeys(PARTNERS, LARGE), at=datetime(2026, 7, 30, tzinfo=UTC))

    [group] = ask(program, by="segment", starts_date=JULY, ends_date=date(2026, 8, 1))["groups"]

    assert (group["group"], group["compared"], group["denominator"]) == ("northern", 7, 7 * 60)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"metric": "views"}, "unknown_metric"),
        ({"metric": "spend"}, "unknown_metric"),
        ({"by": "offer"}, "unknown_grouping"),
        ({"minimum": 0}, "invalid_minimum"),
        ({"where": {"member": ["0" * 32]}}, "personal_filter"),
        ({"where": {"nothing": ["x"]}}, "unknown_dimension"),
        ({"ends_date": JUNE}, "empty_period"),
    ],
)
def test_what_cannot_be_compared_is_said(program: Program, asked: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        ask(program, **asked)
    assert refused.value.code == code


def test_a_stage_that_is_not_recorded_is_no_rate_to_compare_by() -> None:
    program = make_reviewable_program("P1", code="two", recorded_stages=["unlocked", "redeemed"])

    assert list_comparable(program) == ["redemptions_per_unlock", "reversal_rate", "failure_rate"]
    with pytest.raises(InvalidInput, match="redemptions_per_unlock") as refused:
        ask(program)
    assert refused.value.code == "not_recorded"


@pytest.mark.parametrize("by", ["", "category", "country", "region"])
def test_page_csv_and_api_say_the_same(program: Program, client: Client, by: str) -> None:
    expected = ask(program, by=by)
    api = make_client(program, "metrics:read").get(
        "/api/v1/comparisons", {"metric": "redemption_rate", "month": "2026-06", **({"by": by} if by else {})}
    )
    question = {"metric": "redemption_rate", "month": "2026-06", "by": by}
    page = client.get(reverse("admin:compare_partners"), question)
    sheet = client.get(reverse("admin:compare_csv"), question)

    assert api.status_code == 200, api.content
    assert api.json() == expected
    assert describe_comparison(page.context["found"]) == expected
    lines = list(csv.DictReader(io.StringIO(sheet.content.decode())))
    rows = [{"group": group["group"], **row} for group in expected["groups"] for row in group["partners"]]
    assert lines == [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    ranked = [row for group in page.context["groups"] for row in group["table"].rows]
    assert len(ranked) == sum(row["status"] == "ranked" for row in rows)


def test_the_page_without_a_script(program: Program, client: Client) -> None:
    reviewed(program)
    page = client.get(reverse("admin:compare_partners"))

    assert page.status_code == 200
    assert not list_inline(page.content.decode())
    said = text_of(page)
    assert "Redemption rate: redemptions ÷ activations, from 1 Jun 2026 to 30 Jun 2026" in said
    assert "too little data" in said
    assert "Scorecard" in said
    assert page.context["form"]["month"].value() == "2026-06"
    [group] = page.context["groups"]
    assert [row[0] for row in group["chart"].table.rows] == [row.name for row in page.context["found"].groups[0].ranked]
    assert "chance alone would put 0.3" in group["chart"].summary


def test_what_is_wrong_with_the_form_is_said_and_nothing_is_compared(program: Program, client: Client) -> None:
    for asked, field in (
        ({"first": "2026-06-10", "last": "2026-06-01"}, "last"),
        ({"first": "2026-06-10"}, "last"),
        ({"metric": "views"}, "metric"),
        ({"minimum": "0"}, "minimum"),
        ({"country": "FR"}, "country"),
    ):
        page = client.get(reverse("admin:compare_partners"), asked)
        assert (page.status_code, list(errors_of(page))) == (200, [field])
        assert page.context.get("found") is None
        assert "Nothing was compared." in text_of(page)
        assert client.get(reverse("admin:compare_csv"), asked).status_code == 400


def test_own_days_win_over_the_month(program: Program, client: Client) -> None:
    page = client.get(reverse("admin:compare_partners"), {"month": "2026-06", "first": "2026-06-12", "last": "2026-06-13"})

    found = page.context["found"]
    assert (found.starts_date, found.ends_date) == (date(2026, 6, 12), date(2026, 6, 14))


def test_a_program_without_anything(client: Client) -> None:
    empty = make_reviewable_program("P1", code="empty", recorded_stages=["viewed"])
    page = sign_in(make_member_of_staff(empty, "analyst")).get(reverse("admin:compare_partners"))
    assert "too few stages" in text_of(page)

    quiet = make_reviewable_program("P1", code="quiet")
    page = sign_in(make_member_of_staff(quiet, "analyst")).get(reverse("admin:compare_partners"))
    assert "Nothing happened in these days" in text_of(page)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("metric=redemption_rate", 400),
        ("metric=redemption_rate&month=2026-06&from=2026-06-01&to=2026-07-01", 400),
        ("metric=redemption_rate&from=2026-06-01", 400),
        ("month=2026-06", 400),
        ("metric=views&month=2026-06", 400),
        ("metric=redemption_rate&month=2026-06&where=region", 400),
        ("metric=redemption_rate&month=2026-6", 422),
        ("metric=redemption_rate&month=2026-06&by=offer", 422),
        ("metric=redemption_rate&from=2026-06-01&to=2026-07-01&where=country%3DAT", 200),
    ],
)
def test_the_api_refuses_by_name(program: Program, query: str, status: int) -> None:
    answer = make_client(program, "metrics:read").get(f"/api/v1/comparisons?{query}")
    assert answer.status_code == status, answer.content


def test_a_comparison_takes_few_statements(program: Program, django_assert_max_num_queries: Any) -> None:

    with django_assert_max_num_queries(12):
        ask(program)
