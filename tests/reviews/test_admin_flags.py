"""The console's list and page of flags: what was seen in words, steps with reasons, several at once, and whose it is."""

import pytest
from django.test import Client
from django.urls import reverse

from partners.models import Program
from plum_site.lib.models import User
from reviews.models import FlagCase
from reviews.services import change_flag_state
from tests.factories.flags import FELL, make_watched_program, the_case
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import GOOD, IN_JULY, record_month, reviewed
from tests.support.pages import sign_in, text_of

pytestmark = pytest.mark.slow
LIST = "admin:reviews_flagcase_changelist"


@pytest.fixture
def program(db: None) -> Program:
    made = make_watched_program("P1", "P2", "P3")
    record_month(made, "2026-06", {"P1": FELL, "P2": FELL, "P3": GOOD})
    reviewed(made)
    return made


@pytest.fixture
def client(program: Program) -> Client:
    return sign_in(User.objects.get(username="otis"))


def page_of(case: FlagCase) -> str:
    return reverse("admin:reviews_flagcase_change", args=[case.pk])


def test_the_list_shows_open_ones_unless_others_are_asked_for(client: Client, program: Program) -> None:
    change_flag_state(case_id=the_case(program).pk, name="dismiss", actor="system", at=IN_JULY, comment="A test partner.")

    said = text_of(client.get(reverse(LIST)))
    assert "Partner P2" in said
    assert "Partner P1" not in said
    assert "Partner P1" in text_of(client.get(reverse(LIST), {"state": "dismissed"}))
    assert "Partner P1" in text_of(client.get(reverse(LIST), {"state": "all", "owner": "me"}))
    assert "Nothing fits" in text_of(client.get(reverse(LIST), {"owner": "nobody"}))


def test_the_page_says_what_was_seen_and_what_happened(client: Client, program: Program) -> None:
    said = text_of(client.get(page_of(the_case(program))))
    assert "Partner P1: activation rate 8.9" in said
    assert "should be at least 40.0" in said
    assert "8 activations of 90 unlocks" in said
    assert "June 2026" in said
    assert "Plum" in said
    assert "Dismiss…" in said


def test_a_step_asks_why_and_is_taken(client: Client, program: Program) -> None:
    case = the_case(program)
    ask = reverse("admin:reviews_flagcase_do", args=[case.pk, "dismiss"])
    done = reverse("admin:reviews_flagcase_done", args=[case.pk, "dismiss"])
    assert "Comment" in text_of(client.get(ask))
    assert "Say why" in text_of(client.post(done, {"comment": " "}))
    assert the_case(program).state == "open"

    page = client.post(done, {"comment": "A test partner."}, follow=True)

    assert the_case(program).state == "dismissed"
    assert "A test partner." in text_of(page)
    assert "Reopen…" in text_of(page)


def test_several_are_acknowledged_at_once_after_a_look(client: Client, program: Program) -> None:
    ids = list(FlagCase.objects.values_list("pk", flat=True))
    chosen = {"name": "acknowledge", "flag": [str(pk) for pk in ids]}
    asked = client.post(reverse("admin:reviews_flagcase_ask_bulk"), chosen)
    assert "Acknowledge: 2 flags" in text_of(asked)
    assert set(FlagCase.objects.values_list("state", flat=True)) == {"open"}

    client.post(reverse("admin:reviews_flagcase_bulk"), {**chosen, "comment": ""})
    assert set(FlagCase.objects.values_list("state", flat=True)) == {"acknowledged"}

    again = client.post(reverse("admin:reviews_flagcase_bulk"), {**chosen, "comment": ""})
    assert "not possible" in text_of(again)


def test_nothing_chosen_changes_nothing(client: Client, program: Program) -> None:
    page = client.post(reverse("admin:reviews_flagcase_ask_bulk"), {"name": "acknowledge"}, follow=True)
    assert "Nothing was changed" in text_of(page)


def test_flags_of_another_program_cannot_be_chosen(client: Client, program: Program) -> None:
    other = make_watched_program("P1", code="other")
    record_month(other, "2026-06", {"P1": FELL})
    reviewed(other)
    case = the_case(other)

    client.post(reverse("admin:reviews_flagcase_bulk"), {"name": "acknowledge", "flag": [str(case.pk)], "comment": ""})

    assert the_case(other).state == "open"
    assert client.get(page_of(case)).status_code == 404


def test_the_owner_is_changed_to_somebody_of_the_program(client: Client, program: Program) -> None:
    rita = make_member_of_staff(program, "program_admin", "rita")
    case = the_case(program)
    assert "rita" in text_of(client.get(reverse("admin:reviews_flagcase_owner", args=[case.pk])))

    client.post(reverse("admin:reviews_flagcase_assign", args=[case.pk]), {"owner": rita.pk})
    assert the_case(program).owner == rita

    stranger = User.objects.create(username="stranger")
    client.post(reverse("admin:reviews_flagcase_assign", args=[case.pk]), {"owner": stranger.pk})
    assert the_case(program).owner == rita


def test_home_shows_those_that_are_mine(client: Client, program: Program) -> None:
    assert "Open flags that are yours" in text_of(client.get(reverse("admin:index")))
    analyst = sign_in(make_member_of_staff(program, "analyst", "ann"))
    said = text_of(analyst.get(reverse("admin:index")))
    assert "Open flags that are yours" not in said
    assert "All 2 open flags" in said


def test_an_analyst_reads_and_is_offered_nothing(program: Program) -> None:
    analyst = sign_in(make_member_of_staff(program, "analyst", "ann"))
    assert "Dismiss…" not in text_of(analyst.get(page_of(the_case(program))))
    assert 'name="flag"' not in analyst.get(reverse(LIST)).content.decode()
    assert client_status(analyst, program) == 403


def client_status(client: Client, program: Program) -> int:
    answer = client.post(reverse("admin:reviews_flagcase_done", args=[the_case(program).pk, "acknowledge"]), {"comment": ""})
    return answer.status_code


def test_a_scorecard_leads_to_its_flags(client: Client, program: Program) -> None:
    case = the_case(program)
    card = case.newest_flag.scorecard  # type: ignore[union-attr]
    page = client.get(reverse("admin:reviews_scorecard_change", args=[card.pk]))
    assert page_of(case) in page.content.decode()
