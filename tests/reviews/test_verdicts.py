"""What worked: the measured actions of a program by kind, category and segment, on the page, in the file and over the API."""

import csv
import json
from datetime import date, timedelta
from io import StringIO
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from partners.models import Partner, Program
from plum_site.lib.choices import Role
from plum_site.lib.models import User
from reviews.choices import ActionKind
from reviews.figures.effects import MOST_POINTS, draw_verdicts
from reviews.selectors.verdicts import EVERYONE, Record, count_records, read_verdicts
from tests.factories.action_clients import client_of, get
from tests.factories.offers import make_segment
from tests.factories.partners import make_partner
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.factories.verdicts import HARMED, MEASURED_AT, UNTOLD, make_measured
from tests.support.pages import list_inline, sign_in, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

PAGE = "admin:reviews_correctiveaction_verdicts"
FILE = "admin:reviews_correctiveaction_verdicts_csv"


@pytest.fixture
def program() -> Program:
    """Refreshed listings worked three times in retail; a re-rank for the north did harm; one of travel cannot be told."""
    program = make_program()
    anna = make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")
    retail, travel = make_partner(program, "P1", category="retail"), make_partner(program, "P2", category="travel")
    north = make_segment(program, "north")
    for number in range(3):
        make_measured(retail, anna, at=MEASURED_AT + timedelta(days=number))
    make_measured(travel, anna, UNTOLD)
    make_measured(retail, anna, HARMED, ActionKind.RERANK, segment=north, at=MEASURED_AT - timedelta(days=40))
    foreign = make_partner(make_program("other"), "P9", category="retail")
    make_measured(foreign, anna, HARMED)
    return program


@pytest.fixture
def anna(program: Program) -> User:
    return User.objects.get(username="anna")


@pytest.fixture
def client(anna: User) -> Client:
    return sign_in(anna)


def kinds_of(program: Program, **asked: Any) -> list[tuple[str, str, str, str, int]]:
    found = read_verdicts(program, **asked)
    assert sum(one.measured for one in found.kinds if one.by == "") == len(found.actions)
    return [(one.kind, one.by, one.value, one.verdict, one.measured) for one in found.kinds]


def test_actions_are_told_by_kind_category_and_segment(program: Program) -> None:
    assert kinds_of(program) == [
        ("refresh_listing", "", "", "worked", 4),
        ("refresh_listing", "category", "retail", "worked", 3),
        ("refresh_listing", "category", "travel", "cannot_tell", 1),
        ("refresh_listing", "segment", "", "worked", 4),
        ("rerank", "", "", "cannot_tell", 1),
        ("rerank", "category", "retail", "cannot_tell", 1),
        ("rerank", "segment", "north", "cannot_tell", 1),
    ]


@pytest.mark.parametrize(
    ("asked", "number"),
    [
        ({"kind": "rerank"}, 1),
        ({"category": "retail"}, 4),
        ({"category": ""}, 0),
        ({"segment": "north"}, 1),
        ({"segment": EVERYONE}, 4),
        ({"starts_date": date(2026, 7, 10)}, 4),
        ({"starts_date": date(2026, 7, 11), "ends_date": date(2026, 7, 12)}, 1),
        ({"ends_date": date(2026, 7, 10)}, 1),
        ({"partner_ids": []}, 0),
    ],
)
def test_what_is_asked_for_alone_counts(program: Program, asked: dict[str, Any], number: int) -> None:
    assert sum(one[4] for one in kinds_of(program, **asked) if one[1] == "") == number


def test_what_was_reverted_after_its_measurement_counts(program: Program, anna: User) -> None:
    partner = Partner.objects.get(external_id="P2")
    make_measured(partner, anna, kind=ActionKind.RERANK)
    [action] = partner.actions.filter(kind=ActionKind.RERANK)
    partner.actions.filter(pk=action.pk).update(state="reverted", reverted_at=MEASURED_AT, reverted_by="system")

    assert count_records(program.pk, "travel") == {"rerank": Record(1, 1), "refresh_listing": Record(1, 0)}
    assert action.pk in {one.pk for one in read_verdicts(program).actions}


def test_the_page_says_what_worked_and_where(client: Client, program: Program) -> None:
    page = client.get(reverse(PAGE))

    said = text_of(page)
    assert not list_inline(page.content.decode())
    assert "5 corrective actions were measured." in said
    assert "Refresh the listing works in retail. 3 measured: 3 worked. Views: +20.0 % together" in said
    assert "Re-rank in retail: cannot be told. 1 measured: 1 harmed. Fewer than 3: too few to say anything" in said
    figure = json.loads(page.context["chart"].json)
    assert [trace["name"] for trace in figure["data"]] == ["Together", "Worked", "Harmed"]
    assert len(figure["data"][1]["y"]) == 3
    assert "Not drawn: 1 of 5" in page.context["chart"].summary


def test_what_has_no_interval_is_not_drawn_and_no_tag_is_shown_as_text(client: Client, program: Program) -> None:
    found = [action for action in read_verdicts(program).actions if (action.effect or {}).get("estimate") is None]
    assert len(found) == 1
    page = client.get(reverse(PAGE), {"category": "travel"})
    assert page.context["chart"] is None
    assert "there is nothing to draw" in text_of(page)
    assert "<span" not in text_of(client.get(reverse(PAGE)))


def test_filters_stand_in_the_address_and_in_the_file(client: Client, program: Program) -> None:
    page = client.get(reverse(PAGE), {"kind": "rerank", "category": "retail", "first": "2026-05-01", "last": "2026-06-30"})
    assert "1 corrective action was measured." in text_of(page)
    [button] = page.context["buttons"]
    assert button.url.endswith("?kind=rerank&category=retail&first=2026-05-01&last=2026-06-30")

    rows = list(csv.DictReader(StringIO(client.get(button.url).content.decode())))

    assert [(row["kind"], row["by"], row["value"], row["harmed"], row["metric"]) for row in rows] == [
        ("rerank", "all", "", "1", ""),
        ("rerank", "category", "retail", "1", ""),
        ("rerank", "segment", "north", "1", ""),
    ]
    everything = list(csv.DictReader(StringIO(client.get(reverse(FILE)).content.decode())))
    assert [(row["metric"], row["pooled_actions"], row["pooled_verdict"]) for row in everything[:1]] == [("views", "3", "worked")]
    assert 0 < float(everything[0]["low"]) < float(everything[0]["estimate"]) < float(everything[0]["high"])


def test_a_wrong_question_is_refused(client: Client, program: Program) -> None:
    asked = {"first": "2026-06-30", "last": "2026-06-01"}

    assert "This lies before the first day." in text_of(client.get(reverse(PAGE), asked))
    refused = client.get(reverse(FILE), asked)
    assert (refused.status_code, refused.content.decode().splitlines()[0]) == (400, "Nothing was downloaded.")
    assert client.get(reverse(FILE), {"segment": "south"}).status_code == 400


def test_a_page_without_anything_says_why(client: Client, program: Program) -> None:
    said = text_of(client.get(reverse(PAGE), {"kind": "pause_offer"}))
    assert "No action that was measured fits. Take a filter away." in said

    program.actions.all().delete()
    said = text_of(client.get(reverse(PAGE)))
    assert "No corrective action was measured yet." in said
    assert "Download" not in said


def test_names_are_text_in_the_chart_and_in_the_file(client: Client, program: Program, anna: User) -> None:
    partner = make_partner(program, "P3", name="<b>=A&B</b>", category="=1+1")
    make_measured(partner, anna)

    page = client.get(reverse(PAGE))

    labels = json.loads(page.context["chart"].json)["data"][1]["y"]
    assert any(label.startswith("&lt;b&gt;=A&amp;B&lt;/b&gt;, no. ") for label in labels)
    assert "'=1+1" in client.get(reverse(FILE)).content.decode()


def test_a_chart_of_many_says_that_it_stops(program: Program, anna: User) -> None:
    partner = Partner.objects.get(external_id="P1", program=program)
    for _ in range(MOST_POINTS):
        make_measured(partner, anna)
    found = read_verdicts(program)

    chart = draw_verdicts(found.actions, found.kinds)

    assert len(chart.table.rows) == MOST_POINTS
    assert f"The first {MOST_POINTS} of {MOST_POINTS + 5} are drawn." in chart.summary


def test_the_same_over_the_api(program: Program, anna: User) -> None:
    client = client_of(program, anna)

    found = get(client, "actions/verdicts")

    assert found["measured"] == 5
    assert [(one["kind"], one["category"], one["segment"], one["verdict"]) for one in found["kinds"]][:4] == [
        ("refresh_listing", None, None, "worked"),
        ("refresh_listing", "retail", None, "worked"),
        ("refresh_listing", "travel", None, "cannot_tell"),
        ("refresh_listing", None, "", "worked"),
    ]
    assert found["kinds"][0]["counts"] == {"worked": 3, "no_evidence": 0, "harmed": 0, "cannot_tell": 1}
    [pool] = found["kinds"][0]["pooled"]
    assert (pool["metric"], pool["actions"], pool["verdict"]) == ("views", 3, "worked")
    assert get(client, "actions/verdicts?kind=rerank&segment=north&to=2026-07-01")["measured"] == 1
    assert get(client, "actions/verdicts?from=2026-07-11&category=retail")["measured"] == 2
    assert get(client, "actions/verdicts?segment=*")["measured"] == 4
    for wrong in ("kind=dance", "from=2026-07-11&to=2026-07-11", "from=july"):
        assert client.get(f"/api/v1/actions/verdicts?{wrong}").status_code == 400


def test_proposing_says_how_a_kind_did(client: Client, program: Program) -> None:
    ask = reverse("admin:reviews_correctiveaction_propose")
    partner = Partner.objects.get(external_id="P1", program=program)

    kinds = text_of(client.get(ask, {"partner": partner.pk}))
    assert "Of 3 of this kind measured for retail, 3 worked." in kinds
    assert "Of 1 of this kind measured for retail, 0 worked: too few to go by." in kinds
    assert "None of this kind was measured for retail yet." in kinds
    form = text_of(client.get(ask, {"partner": partner.pk, "kind": "refresh_listing"}))
    assert "Of 3 of this kind measured for retail, 3 worked." in form


def test_the_list_of_actions_leads_there(client: Client, program: Program) -> None:
    page = client.get(reverse("admin:reviews_correctiveaction_changelist"))

    assert page.content.decode().count(f'href="{reverse(PAGE)}"') == 2, "in the menu and above the list"
