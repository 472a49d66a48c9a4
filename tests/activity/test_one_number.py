"""One number everywhere: for random questions the dashboard, the API, the CSV and the command say the same."""

import json
import random
from datetime import date, timedelta
from io import StringIO
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from activity.metrics import METRICS, Unit
from activity.pages.choices import list_choices, list_dimensions
from offers.services import save_segment
from partners.models import Program
from tests.factories.people import make_member_of_staff
from tests.factories.programs import CREATED_AT
from tests.factories.quarters import APRIL, make_quarter
from tests.factories.tokens import TokenClient, make_client
from tests.support.figures import read_page, read_rows, read_totals
from tests.support.pages import sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
QUESTIONS = {"sqlite": 100, "postgresql": 20}  # the engines are compared with each other elsewhere
VALUES = {
    "partner": ["P1", "P2", "P3"],
    "offer": ["O1", "O2", "O3", "O4"],
    "offer_type": ["discount", "cashback", "points"],
    "category": ["food", "travel"],
    "country": ["DE", "FR", ""],
    "source": ["app", "shop"],
    "segment": ["northern", "cards", "foreign"],
    "join_month": [""],
    "first_activation_month": ["2026-04", "2026-05", "2026-06", ""],
    "business_unit": ["cards", "loans", ""],
    "region": ["north", "south", "west"],
    "member.country": ["DE", "FR", "PL", "CH", ""],
}


@pytest.fixture
def program() -> Program:
    program, _events = make_quarter(31, minimum_group=2)
    rules = {
        "northern": [{"attribute": "region", "operator": "is", "values": ["north"]}],
        "cards": [{"attribute": "business_unit", "operator": "is", "values": ["cards"]}],
        "foreign": [{"attribute": "country", "operator": "is_not", "values": ["DE"]}],
    }
    for code, rule in rules.items():
        save_segment(program_id=program.pk, code=code, name=code.title(), rule=rule, actor="system", at=CREATED_AT)
    program.refresh_from_db()
    return program


class Question:
    """Days, filters and a dimension, drawn by chance; and how each of the four doors is asked it."""

    def __init__(self, chance: random.Random, dimensions: list[str]) -> None:
        self.first = APRIL + timedelta(days=chance.randrange(80))
        self.last = min(self.first + timedelta(days=chance.choice([0, 6, 29, 45, 90])), date(2026, 6, 30))
        names = chance.sample(sorted(VALUES), chance.choice([0, 1, 1, 2, 3]))
        self.where = []
        for name in names:
            values = VALUES[name]
            self.where += [(name, value) for value in chance.sample(values, chance.randint(1, min(3, len(values))))]
        self.by = chance.choice(dimensions)

    def __repr__(self) -> str:
        return f"{self.first} to {self.last}, {self.where}, by {self.by}"

    def page_query(self, **more: str) -> str:
        days = {"period": "own", "first": str(self.first), "last": str(self.last), "compare": "none", "by": self.by}
        return urlencode([*(days | more).items(), *self.where])

    def api_query(self, by: str = "") -> str:
        days = {"from": str(self.first), "to": str(self.last + timedelta(days=1)), "by": by}
        return urlencode([*days.items(), *(("where", f"{name}={value}") for name, value in self.where)])

    def command(self, by: str = "") -> list[str]:
        words = ["--from", str(self.first), "--to", str(self.last + timedelta(days=1)), "--by", by]
        return [*words, *(word for name, value in self.where for word in ("--where", f"{name}={value}"))]


def ask_command(program: Program, words: list[str]) -> list[dict[str, Any]]:
    """The rows that `metrics` prints."""
    out = StringIO()
    call_command("metrics", "--program", program.code, "--format", "json", *words, stdout=out, stderr=StringIO())
    rows: list[dict[str, Any]] = json.loads(out.getvalue())["rows"]
    return rows


def same_figures(shown: dict[str, Any], row: dict[str, Any]) -> bool:
    """Whether all that is shown is what the row says; a CSV writes no amount and no figure alike."""
    wanted = {key: row[key] for key in shown}
    if row["suppressed"]:
        return all(not value for key, value in shown.items() if key != "suppressed")
    return {key: value or None if is_money(key) else value for key, value in shown.items()} == {
        key: value or None if is_money(key) else value for key, value in wanted.items()
    }


def is_money(key: str) -> bool:
    return key in METRICS and METRICS[key].unit in (Unit.MONEY, Unit.RATIO_BY_CURRENCY)


def test_page_api_csv_and_command_say_the_same(program: Program) -> None:
    chance = random.Random(2026)
    person = sign_in(make_member_of_staff(program, "analyst"))
    token = make_client(program)
    dimensions = list(list_dimensions(list_choices(program)))
    seen, hidden = set(), 0
    for number in range(QUESTIONS[connection.vendor]):
        question = Question(chance, dimensions)
        hidden += check_question(question, program, person, token, with_funnel=number % 5 == 0)
        seen.add(question.by)
    assert hidden, "chance never met a group that is too small"
    assert connection.vendor != "sqlite" or seen == set(dimensions)


def check_question(question: Question, program: Program, person: Client, token: TokenClient, *, with_funnel: bool) -> int:
    """All four doors, asked one question; how many suppressed rows there were."""
    page = person.get(f"{reverse('admin:activity_dashboard')}?{question.page_query()}")
    assert not page.context["problems"], question
    shown = read_page(page.content.decode())
    [total] = token.get(f"/api/v1/metrics?{question.api_query()}").json()["rows"]
    rows = token.get(f"/api/v1/metrics?{question.api_query(question.by)}").json()["rows"]
    by_key = {row[question.by]: row for row in rows}

    assert ask_command(program, question.command()) == [total], question
    assert ask_command(program, question.command(question.by)) == rows, question
    assert len(shown.totals) > 30
    assert {key: total[key] for key in shown.totals} == shown.totals, question
    assert set(shown.rows) == set(by_key), question
    assert all({key: by_key[name][key] for key in figures} == figures for name, figures in shown.rows.items()), question

    sheets = {
        table: person.get(f"{reverse('admin:activity_csv')}?{question.page_query(table=table)}").content.decode()
        for table in ("totals", "breakdown")
    }
    listed = read_rows(sheets["breakdown"], question.by)
    assert set(listed) == set(by_key), question
    assert all(same_figures(figures, by_key[name]) for name, figures in listed.items()), question
    assert same_figures(read_totals(sheets["totals"]), total), question
    if with_funnel:
        check_funnel(question, total, person, token)
    return sum(row["suppressed"] for row in [total, *rows])


def check_funnel(question: Question, total: dict[str, Any], person: Client, token: TokenClient) -> None:
    """The part that is loaded afterwards, and the API's own address of the funnel."""
    [row] = token.get(f"/api/v1/funnel?{question.api_query()}").json()["rows"]
    assert row["funnel"] == total["funnel"], question
    query = question.page_query(fragment="funnel")
    shown = read_page(person.get(f"{reverse('admin:activity_dashboard')}?{query}").content.decode())
    assert {"eligible_members", "reach_rate"} <= set(shown.totals)
    assert {key: total[key] for key in shown.totals} == shown.totals, question
