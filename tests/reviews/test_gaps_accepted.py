"""Where a data gap is accepted and the acceptance taken back: its page, the API, and the command that closes a month."""

import json
from collections.abc import Iterator
from datetime import date
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from partners.models import Program
from plum_site.lib.models import AuditEvent, User
from reviews.choices import CycleState
from reviews.models import DataGap, ReviewCycle
from reviews.selectors import list_overtaken
from tests.factories.ledger import record
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import IN_JULY, reviewed
from tests.factories.silences import make_program_with_gap, stream
from tests.factories.tokens import TokenClient, make_client
from tests.support.pages import sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
CLOSE = ("--month", "2026-06", "--close", "--decide-by-standing", "--as", "ada")


@pytest.fixture(autouse=True)
def in_july() -> Iterator[None]:
    with time_machine.travel(IN_JULY, tick=False):
        yield


@pytest.fixture
def program() -> Program:
    program = make_program_with_gap()
    make_member_of_staff(program, "program_admin", "ada")
    return program


@pytest.fixture
def gap(program: Program) -> DataGap:
    reviewed(program)
    return DataGap.objects.get()


@pytest.fixture
def ada(program: Program) -> Client:
    return sign_in(User.objects.get(username="ada"))


def labels(page: Any) -> list[str]:
    return [button.label for button in page.context["buttons"]]


def page_of(gap: DataGap) -> str:
    return reverse("admin:reviews_datagap_change", args=[gap.pk])


def press(client: Client, gap: DataGap, name: str, comment: str) -> Any:
    return client.post(reverse("admin:reviews_datagap_done", args=[gap.pk, name]), {"comment": comment})


def test_on_its_page_a_gap_is_accepted_and_that_is_taken_back(ada: Client, gap: DataGap) -> None:
    assert labels(ada.get(page_of(gap))) == ["Accept…"]
    asked = ada.get(reverse("admin:reviews_datagap_do", args=[gap.pk, "accept"])).content.decode()
    assert "must be accepted again" in asked

    assert press(ada, gap, "accept", "").status_code == 200
    assert DataGap.objects.get().accepted_at is None
    press(ada, gap, "accept", "The till was moved.")
    assert DataGap.objects.get().reason == "The till was moved."
    assert labels(ada.get(page_of(gap))) == ["Take the acceptance back…"]
    press(ada, gap, "withdraw", "Another till.")
    assert DataGap.objects.get().accepted_at is None
    entries = AuditEvent.objects.filter(action__endswith="_data_gap", actor__startswith="user:").order_by("pk")
    assert [(row.action, row.comment) for row in entries] == [
        ("reviews.accept_data_gap", "The till was moved."),
        ("reviews.withdraw_data_gap", "Another till."),
    ]


def test_what_a_closed_month_relies_on_has_no_button(ada: Client, gap: DataGap) -> None:
    run(*CLOSE, "--accept-gap", "till")

    assert labels(ada.get(page_of(gap))) == []
    assert "ask for its restatement" in press(ada, gap, "withdraw", "Wrong.").content.decode()
    assert DataGap.objects.get().accepted_at is not None


def test_only_a_program_admin_has_the_buttons(program: Program, gap: DataGap) -> None:
    otis = sign_in(make_member_of_staff(program, "partner_ops", "otis"))

    assert labels(otis.get(page_of(gap))) == []
    assert press(otis, gap, "accept", "Known.").status_code == 403


def test_two_gaps_of_one_source_in_one_month_are_told_apart(ada: Client, program: Program) -> None:
    days = (date(2026, 6, 3), date(2026, 6, 24))
    record(program, stream("O-P2", missing=days, kind="unlocked"), source="kiosk", at=IN_JULY)
    cycle = reviewed(program)
    first, second = DataGap.objects.filter(source__code="kiosk").order_by("starts_at")

    press(ada, first, "accept", "Known.")

    table = ada.get(reverse("admin:reviews_reviewcycle_change", args=[cycle.pk])).context["gaps"]
    said = [str(row[-1]) for row in table.rows if "kiosk" in str(row[0])]
    assert ["Known." in text for text in said] == [True, False]
    assert "Not accepted" in said[1]
    record(program, stream("O-P2", first=days[1], end=date(2026, 6, 25), kind="unlocked"), source="kiosk", at=IN_JULY)
    run("--month", "2026-07")
    assert not DataGap.objects.filter(pk=second.pk).exists()
    table = ada.get(reverse("admin:reviews_reviewcycle_change", args=[cycle.pk])).context["gaps"]
    assert "Has arrived since" in [str(row[-1]) for row in table.rows if "kiosk" in str(row[0])][1]
    assert [gap["starts_at"][:10] for gap in list_overtaken(cycle)] == ["2026-06-23"], "the other one of the source stays"


@pytest.fixture
def api(program: Program) -> TokenClient:
    return make_client(program, "reviews:read", "reviews:write")


def take(api: TokenClient, gap: DataGap, **body: str) -> Any:
    return api.post(f"/api/v1/data-gaps/{gap.pk}/transitions", json.dumps(body), content_type="application/json")


def names(row: dict[str, Any]) -> list[str]:
    return [action["name"] for action in row["allowed_actions"]]


def test_the_api_takes_the_steps_of_the_same_table(api: TokenClient, program: Program, gap: DataGap) -> None:
    [row] = api.get("/api/v1/data-gaps").json()["data"]
    assert (row["state"], row["source"], names(row)) == ("open", "till", ["accept"])

    silent = take(api, gap, name="accept")
    assert (silent.status_code, silent.json()["code"]) == (422, "comment_required")
    done = take(api, gap, name="accept", comment="Known.").json()
    assert (done["state"], done["reason"], names(done)) == ("accepted", "Known.", ["withdraw"])
    again = take(api, gap, name="accept", comment="Known.")
    assert (again.status_code, again.json()["code"]) == (409, "transition_refused")
    back = take(api, gap, name="withdraw", comment="Not so.").json()
    assert (back["state"], back["reason"], back["accepted_at"]) == ("open", "", None)
    assert names(make_client(program, "reviews:read").get("/api/v1/data-gaps").json()["data"][0]) == []


def test_the_api_leaves_alone_what_a_closed_month_relies_on(api: TokenClient, gap: DataGap) -> None:
    run(*CLOSE, "--accept-gap", "till", "--reason", "Known.")

    [row] = api.get("/api/v1/data-gaps").json()["data"]
    assert (row["state"], row["allowed_actions"]) == ("relied_on", [])
    kept = take(api, gap, name="withdraw", comment="Wrong.")
    assert (kept.status_code, kept.json()["code"]) == (409, "month_closed")


def run(*words: str) -> dict[str, Any]:
    out = StringIO()
    call_command("run_review", "--program", "acme", *words, "--format", "json", stdout=out, stderr=StringIO())
    return dict(json.loads(out.getvalue()))


def refused(*words: str) -> CommandError:
    with pytest.raises(CommandError) as refusal:
        run(*words)
    return refusal.value


def test_a_month_is_closed_with_the_gap_accepted_by_the_name_of_its_source(program: Program) -> None:
    error = refused(*CLOSE)
    assert (error.returncode, "till was silent from 2026-06-09 to 2026-06-10" in str(error)) == (1, True)
    assert refused(*CLOSE, "--accept-gap", "shop").returncode == 1, "another source is not the one"

    review = run(*CLOSE, "--accept-gap", "till", "--accept-gap", "shop", "--reason", "The till was moved.")

    assert review["state"] == CycleState.CLOSED
    gap = DataGap.objects.get()
    assert (gap.reason, gap.accepted_by) == ("The till was moved.", ReviewCycle.objects.get().closed_by)
    assert run(*CLOSE, "--accept-gap", "till") == review, "a closed month is printed as it was closed"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--accept-gap", "till"), "--accept-gap goes with --close"),
        ((*CLOSE[2:], "--accept-gap", "tills"), "There is no source 'tills' in acme. Nothing was changed. Sources: shop, till."),
        (("--close", "--as", "otis", "--accept-gap", "till"), "needs the role Program admin"),
    ],
)
def test_a_gap_that_cannot_be_accepted_is_refused_before_anything_is_done(
    program: Program, words: tuple[str, ...], says: str
) -> None:
    make_member_of_staff(program, "partner_ops", "otis")

    error = refused("--month", "2026-06", *words)

    assert (error.returncode, says in str(error)) == (2, True), str(error)
    assert not ReviewCycle.objects.exists()
