"""The pages about what comes in: quarantine, outcomes, messages, sources, and the panel of a token."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from activity.choices import Origin
from activity.models import EventSource, QuarantinedEvent
from activity.services import MemberRow, Person, apply_people
from activity.services.mixed import record_mixed
from activity.services.quarantine import expire_quarantine
from activity.services.replay import replay_quarantine
from activity.services.statements import set_rhythm, state_complete_through
from partners.models import Program
from plum_site.lib.clock import now
from plum_site.lib.models import AuditEvent, Job
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record
from tests.factories.messages import message
from tests.factories.people import make_member_of_staff
from tests.factories.tokens import make_token
from tests.support.pages import errors_of, list_inline, sign_in, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
QUARANTINE = "admin:activity_quarantine"


@pytest.fixture
def program() -> Program:
    return make_stocked_program(creates_unknown_members=False)


@pytest.fixture
def client(program: Program) -> Client:
    return sign_in(make_member_of_staff(program, "program_admin"))


def look(client: Client, name: str, query: str = "", *args: Any) -> str:
    answer = client.get(reverse(name, args=args) + query)
    assert answer.status_code == 200
    assert not list_inline(answer.content.decode())
    return text_of(answer)


def arrive(program: Program, name: str) -> None:
    apply_people(program=program, source="file", rows=[MemberRow(Person(name), {})], actor="system", at=RECORDED_AT)


class TestQuarantine:
    def test_an_empty_one_says_why(self, client: Client, program: Program) -> None:
        assert "Nothing waits: every event that came in was of somebody known." in look(client, QUARANTINE)
        assert "Try again now" not in look(client, QUARANTINE)
        Program.objects.filter(pk=program.pk).update(creates_unknown_members=True)
        assert "this program makes a member of everybody" in look(client, QUARANTINE)

    def test_it_says_what_waits_and_what_became_of_it_and_names_nobody(self, client: Client, program: Program) -> None:
        record(program, [event(1, member="someone"), event(2, member="other"), event(3, member="other")], source="till")
        arrive(program, "other")
        record(program, [event(2, member="other", offer="O2")], source="till")
        replay_quarantine(program_id=program.pk, at=RECORDED_AT)

        page = look(client, QUARANTINE)

        assert "2 of at most 100,000 wait." in page
        assert "till 2 ▲ 1" in page
        assert "Its id was recorded with other content meanwhile" in page
        assert "till 1 0 1 0" in page
        assert "someone" not in page

    def test_what_expired_is_told(self, client: Client, program: Program) -> None:
        record(program, [event(1, member="M9")], source="till")
        expire_quarantine(program_id=program.pk, at=RECORDED_AT + timedelta(days=31))

        assert "Expired 1 of till" in look(client, QUARANTINE)

    def test_trying_again_plans_a_job_whose_outcome_is_shown(self, client: Client, program: Program) -> None:
        record(program, [event(1, member="M9")])

        answer = client.post(reverse("admin:retry_quarantine"), follow=True)

        assert "is tried again" in text_of(answer)
        job = Job.objects.get(name="activity.retry_quarantine")
        assert "Being tried again" in text_of(answer)
        Job.objects.filter(pk=job.pk).update(
            state="done", finished_at=RECORDED_AT, result={"accepted": 2, "duplicate": 0, "conflict": 1, "rejected": 0}
        )
        assert "The last time somebody had them tried again: 2 recorded, 1 in conflict." in look(client, QUARANTINE)

    def test_discarding_asks_which_and_why(self, client: Client, program: Program) -> None:
        record(program, [event(1, member="M9")], source="till")
        record(program, [event(2, member="M9")], source="web")
        source = EventSource.objects.get(code="till")
        asked = look(client, "admin:ask_discard_quarantine")
        assert "All 2" in asked
        assert "The 1 of till" in asked

        refused = client.post(reverse("admin:discard_quarantine"), {"which": f"source-{source.pk}"})
        assert errors_of(refused) == {"reason": ["This field is required."]}
        assert QuarantinedEvent.objects.count() == 2
        done = client.post(
            reverse("admin:discard_quarantine"), {"which": f"source-{source.pk}", "reason": "A test till."}, follow=True
        )

        assert "1 discarded." in text_of(done)
        assert "Discarded 1 of till A test till." in text_of(done)
        assert QuarantinedEvent.objects.get().source.code == "web"
        assert AuditEvent.objects.get(action="activity.discard_quarantine").comment == "A test till."

    def test_what_is_gone_meanwhile_is_said(self, client: Client, program: Program) -> None:
        record(program, [event(1, member="M9")])
        QuarantinedEvent.objects.all().delete()

        answer = client.post(reverse("admin:discard_quarantine"), {"which": "all", "reason": "Old."})

        assert errors_of(answer) == {"__all__": ["Nothing of that waits in quarantine any more. Nothing was discarded."]}

    def test_home_says_how_many_wait(self, client: Client, program: Program) -> None:
        assert "Waiting in quarantine" not in look(client, "admin:index")
        record(program, [event(1, member="M9")])
        assert "1 event of people who are not known yet" in look(client, "admin:index")


class TestOutcomes:
    def test_by_source_token_and_day(self, client: Client, program: Program) -> None:
        token, _ = make_token(program, name="Till")
        at = now()
        record(program, [event(1), event(1), event(2, offer="none")], source="till", token_id=token.pk, origin=Origin.API, at=at)
        record_mixed(program=program, items=[message(1, source="till")], origin=Origin.API, token_id=token.pk, at=at)

        page = look(client, "admin:activity_outcomes")

        assert "till 4 2 1 0 ▲ 1 0" in page
        assert "till Till 4 2 1 0" in page
        assert "Nothing was sent in these days." in look(client, "admin:activity_outcomes", "?first=2020-01-01&last=2020-01-31")
        panel = look(client, "admin:plum_apitoken_change", "", token.pk)
        assert "What became of what it sent" in panel
        assert "till 4 2 1 0" in panel

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ("?first=2026-02-01&last=2026-01-01", "This lies before the first day."),
            ("?first=2020-01-01&last=2026-01-01", "At most 400 days at once."),
            ("?first=x&last=2026-01-01", "Enter a valid date."),
            ("?first=2026-01-01&last=2026-01-02&token=999", "Select a valid choice."),
        ],
    )
    def test_wrong_questions_are_answered_beside_the_field(self, client: Client, query: str, said: str) -> None:
        assert said in look(client, "admin:activity_outcomes", query)

    def test_a_token_that_sends_nothing_has_no_panel_and_a_sandbox_one_says_so(self, client: Client, program: Program) -> None:
        reader, _ = make_token(program, "metrics:read")
        sandbox, _ = make_token(program, "events:write", is_sandbox=True)
        quiet, _ = make_token(program, "events:write")

        assert "What became of" not in look(client, "admin:plum_apitoken_change", "", reader.pk)
        assert "never counted" in look(client, "admin:plum_apitoken_change", "", sandbox.pk)
        assert "Nothing came in with it in the last 30 days." in look(client, "admin:plum_apitoken_change", "", quiet.pk)

    def test_batches_show_their_warnings(self, client: Client, program: Program) -> None:
        record(program, [event(1)], source="till")
        page = look(client, "admin:activity_ingestbatch_changelist")
        assert "By source, token and day" in page


class TestMessages:
    def test_each_push_and_each_offer(self, client: Client) -> None:
        program = Program.objects.get()
        Program.objects.filter(pk=program.pk).update(minimum_group=2)
        record_mixed(
            program=program,
            items=[message(1), message(2, member="M2"), message(3, "opened"), message(4, push_ref="alone")],
            origin=Origin.API,
            at=RECORDED_AT,
        )

        page = look(client, "admin:activity_messages", "?first=2026-06-01&last=2026-06-30")

        assert "spring 2 0 0 1 2 1 1" in page
        assert "alone suppressed" in page
        assert "No message happened in these days." in look(client, "admin:activity_messages")


class TestSources:
    def test_the_list_says_how_far_each_is_and_who_is_silent(self, client: Client, program: Program) -> None:
        record(program, [event(1)], source="till")
        record(program, [event(2)], source="web")
        state_complete_through(
            program=program, code="web", complete_through=datetime(2026, 6, 16, tzinfo=UTC), actor="token:1", at=RECORDED_AT
        )
        set_rhythm(source_id=EventSource.objects.get(code="till").pk, rhythm="daily", actor="system", at=RECORDED_AT)

        page = look(client, "admin:activity_eventsource_changelist")

        assert "(its last event)" in page
        assert "(stated" in page
        assert "Silent for" in page
        assert "till" in look(client, "admin:index").partition("Silent sources")[2][:40]

    def test_a_program_admin_sets_the_rhythm_and_others_only_see_it(self, client: Client, program: Program) -> None:
        record(program, [event(1)], source="till")
        source = EventSource.objects.get()
        url = reverse("admin:activity_eventsource_change", args=[source.pk])
        assert "daily after 1 day and a grace of 12 hours" in look(client, "admin:activity_eventsource_change", "", source.pk)

        answer = client.post(url, {"rhythm": "daily"}, follow=True)

        assert answer.status_code == 200
        source.refresh_from_db()
        assert source.rhythm == "daily"
        assert AuditEvent.objects.filter(action="activity.set_rhythm").count() == 1
        analyst = sign_in(make_member_of_staff(program, "analyst"))
        assert analyst.get(url).status_code == 200
        assert analyst.post(url, {"rhythm": "none"}).status_code == 403

    def test_the_days_of_a_source_are_one_click_away(self, client: Client, program: Program) -> None:
        record(program, [event(1)], source="urn:a&b")
        source = EventSource.objects.get()
        answer = client.get(reverse("admin:activity_eventsource_change", args=[source.pk]))
        [button] = answer.context["buttons"]

        assert "urn:a&b" in look(client, "admin:activity_outcomes", "?" + button.url.partition("?")[2])
        assert date.fromisoformat(button.url.partition("first=")[2][:10])
