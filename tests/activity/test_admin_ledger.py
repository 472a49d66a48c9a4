"""The activity history: paged by event id, without counting, behind the program's wall."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from activity.models import Event
from partners.models import Program
from plum_site.console import site
from plum_site.lib.admin.keyset import KeysetModelAdmin
from tests.factories.ledger import event, make_stocked_program, record
from tests.factories.people import make_member_of_staff
from tests.support.pages import sign_in, text_of

pytestmark = pytest.mark.slow

LIST = "admin:activity_event_changelist"
NUMBER = 130  # three pages of 50


@pytest.fixture
def program(db: None) -> Program:
    program = make_stocked_program()
    kinds = ("viewed", "unlocked")
    record(
        program,
        [
            event(number, kind=kinds[number % 2], occurred_at=f"2026-06-{1 + number % 28:02d}T10:00:00Z")
            for number in range(NUMBER)
        ],
    )
    other = make_stocked_program("other")
    record(other, [event("foreign")])
    return program


@pytest.fixture
def client(program: Program) -> Client:
    return sign_in(make_member_of_staff(program, "program_admin"))


def ids_on(answer: object) -> list[int]:
    return [row.pk for row in answer.context["cl"].result_list]  # type: ignore[attr-defined]


def test_pages_show_every_event_once_newest_first(client: Client, program: Program) -> None:
    seen: list[int] = []
    url = ""
    for _ in range(3):
        answer = client.get(reverse(LIST) + url)
        seen += ids_on(answer)
        url = answer.context["cl"].older_url
    assert url == ""
    assert seen == sorted(Event.objects.filter(program=program).values_list("pk", flat=True), reverse=True)
    assert len(seen) == NUMBER


def test_the_way_back_shows_the_same_pages(client: Client) -> None:
    first = client.get(reverse(LIST))
    second = client.get(reverse(LIST) + first.context["cl"].older_url)
    back = client.get(reverse(LIST) + second.context["cl"].newer_url)
    assert ids_on(back) == ids_on(first)
    assert second.context["cl"].newest_url == "?"


def test_no_page_counts_or_skips(client: Client) -> None:
    for query in ("", "?before=999999999", "?kind=2", "?first=2026-06-03&last=2026-06-05"):
        with CaptureQueriesContext(connection) as captured:
            assert client.get(reverse(LIST) + query).status_code == 200
        for statement in captured.captured_queries:
            assert not re.search(r"COUNT\(|OFFSET", statement["sql"]), statement["sql"]


def test_filters_narrow(client: Client) -> None:
    viewed = client.get(reverse(LIST), {"kind": 2})
    assert {row.kind for row in viewed.context["cl"].result_list} == {2}
    days = client.get(reverse(LIST), {"first": "2026-06-03", "last": "2026-06-03"})
    assert {row.local_date.isoformat() for row in days.context["cl"].result_list} == {"2026-06-03"}
    assert len(ids_on(client.get(reverse(LIST), {"offer": "O1"}))) == 50
    assert ids_on(client.get(reverse(LIST), {"offer": "O404"})) == []
    assert ids_on(client.get(reverse(LIST), {"kind": "nonsense"})) == []


def test_an_older_page_keeps_the_filter(client: Client) -> None:
    answer = client.get(reverse(LIST), {"kind": 2})
    older = client.get(reverse(LIST) + answer.context["cl"].older_url)
    assert {row.kind for row in older.context["cl"].result_list} == {2}


def test_events_of_others_are_not_there(client: Client, program: Program) -> None:
    foreign = Event.objects.exclude(program=program).get()
    assert client.get(reverse("admin:activity_event_change", args=[foreign.pk])).status_code == 404
    assert foreign.pk not in ids_on(client.get(reverse(LIST), {"after": foreign.pk - 1}))


def test_nothing_in_the_ledger_can_be_posted(client: Client, program: Program) -> None:
    newest = Event.objects.filter(program=program).order_by("-pk").first()
    assert newest is not None
    assert client.post(reverse("admin:activity_event_change", args=[newest.pk]), {"kind": 1}).status_code == 403


def test_partner_ops_do_not_read_single_events(program: Program) -> None:
    assert sign_in(make_member_of_staff(program, "partner_ops")).get(reverse(LIST)).status_code == 403


def test_long_tables_are_keyset_lists() -> None:
    labels = {model._meta.label for model, admin in site._registry.items() if isinstance(admin, KeysetModelAdmin)}
    assert {"activity.Event", "activity.Member", "activity.IngestBatch", "activity.Seal", "plum.AuditEvent", "plum.Job"} <= labels


def test_a_batch_says_what_became_of_its_events(client: Client, program: Program) -> None:
    record(program, [event(1, kind="unlocked"), event("bad", offer="O404")], source="shop")
    assert "shop" in text_of(client.get(reverse("admin:activity_ingestbatch_changelist")))
