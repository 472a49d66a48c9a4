"""Home, the program switcher, signing in: the frame around every page."""

from datetime import UTC, date, datetime

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.urls import reverse

from partners.models import Partner, Program
from plum_site.console.home import choose_window
from plum_site.console.sites import refuse_writes
from plum_site.lib.models import RoleGrant, User
from plum_site.lib.people import grant_role
from plum_site.lib.signin import make_link_token
from tests.factories.ledger import event, make_stocked_program, record
from tests.factories.people import make_member_of_staff, make_person
from tests.factories.programs import CREATED_AT, make_program
from tests.factories.worlds import make_world
from tests.support.pages import list_inline, sign_in, text_of

HOME = "admin:index"
IN_JUNE = datetime(2026, 6, 20, 10, tzinfo=UTC)


def admin_of(program: Program) -> User:
    return make_member_of_staff(program, "program_admin")


@pytest.mark.django_db
def test_an_empty_program_says_how_to_begin() -> None:
    said = text_of(sign_in(admin_of(make_program())).get(reverse(HOME)))
    assert "First steps" in said
    assert "Open Bring the partners" in said
    assert "Import a table" in said


@pytest.mark.django_db
def test_first_steps_are_ticked_by_what_is_there() -> None:
    program = make_stocked_program()
    answer = sign_in(admin_of(program)).get(reverse(HOME))
    done = {step.title: step.is_done for step in answer.context["first_steps"]}
    assert [title for title, is_done in done.items() if not is_done] == [
        "Send or load events",
        "Open the month",
        "Invite colleagues",
    ]
    record(program, [event(1, occurred_at="2026-06-15T10:00:00Z")])
    answer = sign_in(make_member_of_staff(program, "analyst")).get(reverse(HOME))
    steps = {step.title: step for step in answer.context["first_steps"]}
    assert steps["Send or load events"].is_done
    assert steps["Invite colleagues"].is_done
    assert not steps["Bring the partners"].links  # an analyst brings nothing
    assert not list_inline(answer.content.decode())


@pytest.mark.django_db
def test_an_installation_without_programs_says_how_to_begin() -> None:
    answer = sign_in(make_person("root", is_superuser=True)).get(reverse(HOME))
    assert "seed_demo" in text_of(answer)
    assert reverse("admin:new_program") in answer.content.decode()


@pytest.mark.django_db
def test_the_month_so_far_is_set_against_the_same_days_before() -> None:
    program = make_stocked_program(recorded_stages=["redeemed"])
    days = ["2026-05-05", "2026-05-19", "2026-05-28", "2026-06-02", "2026-06-19", "2026-06-20"]
    record(program, [event(day, kind="redeemed", occurred_at=f"{day}T08:00:00Z") for day in days], at=IN_JUNE)
    with time_machine.travel(IN_JUNE, tick=False):
        answer = sign_in(admin_of(program)).get(reverse(HOME))
    redemptions = next(one for one in answer.context["headlines"] if one.label == "Redemptions")
    assert str(redemptions.value) == "3"
    assert str(redemptions.rows[0][1]) == "2"  # the 28th of May is no day to compare with
    assert "June 2026 so far" in text_of(answer)
    assert not list_inline(answer.content.decode())


@pytest.mark.django_db
def test_events_that_are_not_sealed_yet_count_too() -> None:
    program = make_stocked_program(recorded_stages=["redeemed"])
    record(program, [event(1, kind="redeemed", spend_amount="12.50", spend_currency="EUR")], at=IN_JUNE)
    with time_machine.travel(IN_JUNE, tick=False):
        said = text_of(sign_in(admin_of(program)).get(reverse(HOME)))
    assert "12.50 EUR" in said


def test_where_nothing_happens_any_more_the_last_month_is_shown() -> None:
    window = choose_window(date(2026, 9, 3), date(2026, 6, 14))
    assert (window.first, window.end, window.before_first, window.before_end) == (
        date(2026, 6, 1),
        date(2026, 7, 1),
        date(2026, 5, 1),
        date(2026, 6, 1),
    )
    assert not window.is_present


def test_a_longer_month_is_not_compared_with_days_that_are_not_there() -> None:
    window = choose_window(date(2026, 3, 31), date(2026, 3, 30))
    assert (window.before_first, window.before_end) == (date(2026, 2, 1), date(2026, 3, 1))


@pytest.mark.django_db
def test_home_says_how_far_the_review_is() -> None:
    program = make_world("own", "1", date(2026, 6, 1))
    answer = sign_in(admin_of(program)).get(reverse(HOME))
    assert "decided by rule" in text_of(answer)
    assert answer.context["cycle_url"] in answer.content.decode()


@pytest.mark.django_db
def test_only_programs_with_a_role_can_be_chosen() -> None:
    own, second, foreign = make_program("own"), make_program("second"), make_program("foreign")
    person = admin_of(own)
    grant_role(program_id=second.pk, user_id=person.pk, role="analyst", actor="system", at=CREATED_AT)
    client = sign_in(person)
    assert {program.pk for program in client.get(reverse(HOME)).context["programs"]} == {own.pk, second.pk}
    switch = reverse("admin:switch_program")
    assert client.post(switch, {"program": second.pk}).status_code == 302
    assert client.get(reverse(HOME)).context["program"] == second
    for wanted in (foreign.pk, 10**9, "x", ""):
        assert client.post(switch, {"program": wanted}).status_code == 404
    assert client.get(reverse(HOME)).context["program"] == second
    RoleGrant.objects.filter(program_id=second.pk).delete()
    assert client.get(reverse(HOME)).context["program"] == own


@pytest.mark.django_db
def test_times_are_those_of_the_program() -> None:
    program = make_stocked_program(time_zone="Asia/Kolkata")
    record(program, [event(1, occurred_at="2026-06-14T20:00:00Z")])
    said = text_of(sign_in(admin_of(program)).get(reverse("admin:activity_event_changelist")))
    assert "15 Jun 2026, 01:30" in said
    assert "Asia/Kolkata" in said


@pytest.mark.django_db
def test_a_demo_program_says_so() -> None:
    assert "Demo program" in text_of(sign_in(admin_of(make_program(is_demo=True))).get(reverse(HOME)))


@pytest.mark.django_db
def test_a_page_that_is_read_cannot_write() -> None:
    program = make_program()
    with connection.execute_wrapper(refuse_writes):
        assert Program.objects.get() == program
        with pytest.raises(RuntimeError, match="only read"):
            Partner.objects.filter(program=program).update(name="x")


@pytest.mark.django_db
def test_a_link_signs_in_once_and_opening_it_does_not_use_it_up() -> None:
    person = admin_of(make_program())
    url = reverse("admin:sign_in_by_link", args=[make_link_token(person, datetime.now(UTC))])
    client = Client()
    assert client.get(url).status_code == 200
    assert client.get(reverse(HOME)).status_code == 302
    assert client.post(url)["Location"] == reverse(HOME)
    assert client.get(reverse(HOME)).status_code == 200
    again = Client().post(url)
    assert again.status_code == 403
    assert "used already" in text_of(again)


@pytest.mark.django_db
def test_signing_in_with_a_password_needs_no_staff_mark() -> None:
    person = admin_of(make_program())
    client = Client()
    data = {"username": person.username, "password": "a long enough password"}
    answer = client.post(reverse("admin:login"), {**data, "next": reverse(HOME)})
    assert answer["Location"] == reverse(HOME)
    assert not person.is_staff
    evil = client.post(reverse("admin:login"), {**data, "next": "https://evil.example/"})
    assert "evil" not in evil["Location"]


@pytest.mark.django_db
def test_the_root_leads_to_the_console() -> None:
    assert Client().get("/")["Location"] == reverse(HOME)


@pytest.mark.django_db
def test_pages_that_are_not_there_or_not_allowed_say_what_to_do() -> None:
    program = make_program()
    client = sign_in(make_member_of_staff(program, "partner_ops"))
    assert client.get("/console/nonsense/").status_code == 404
    refused = client.get(reverse("admin:plum_apitoken_changelist"))
    assert refused.status_code == 403
    assert "Nothing was changed" in text_of(refused)
