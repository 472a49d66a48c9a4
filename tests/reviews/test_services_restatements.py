"""A closed review is made anew by two people, and one person cannot be both."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from partners.models import Program
from plum_site.lib.errors import InvalidInput, NotAllowed
from plum_site.lib.models import AuditEvent, Job, RoleGrant, User
from reviews.choices import CycleState, RestatementState
from reviews.models import Decision, Restatement, ReviewCycle, Scorecard
from reviews.selectors import (
    check_months,
    count_counted_since,
    find_cycle,
    find_latest_cycle,
    find_valid_cycle,
    get_cycle,
    get_review,
    list_due_months,
    list_revised,
    list_valid_cycles,
    read_config,
)
from reviews.services import (
    UnableToRestate,
    approve_restatement,
    ask_restatement,
    close_cycle,
    consolidate_cycle,
    decide_by_standing,
    refuse_restatement,
    replay,
)
from reviews.verify import check_cycles
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import GOOD, IN_JULY, JUNE, make_reviewable_program, record_month, reviewed
from tests.factories.tokens import make_token

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

LATER = IN_JULY + timedelta(days=1)
ASK, APPROVE = "admin:reviews_reviewcycle_restate", "admin:reviews_restatement_approve"


@pytest.fixture
def program(db: None) -> Program:
    program = make_reviewable_program()
    for month in ("2026-05", "2026-06"):
        record_month(program, month, {"P1": GOOD, "P2": GOOD})
    return program


@pytest.fixture
def closed(program: Program) -> ReviewCycle:
    return reviewed(program, state=CycleState.CLOSED)


@pytest.fixture
def ada(program: Program) -> User:
    return make_member_of_staff(program, "program_admin", "ada")


@pytest.fixture
def bob(program: Program) -> User:
    return make_member_of_staff(program, "program_admin", "bob")


@pytest.fixture
def asked(closed: ReviewCycle, ada: User) -> Restatement:
    return ask_restatement(cycle_id=closed.pk, reason="A file came late.", actor=ada, at=IN_JULY)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def run(sql: str, *parameters: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def restated(program: Program, asked: Restatement, bob: User, at: datetime = LATER) -> ReviewCycle:
    revised = approve_restatement(restatement_id=asked.pk, actor=bob, at=at, answer="Right.")
    return consolidate_cycle(program_id=program.pk, month_start_date=revised.month_start_date, actor=bob, at=at)


class TestTheWay:
    def test_a_new_revision_with_what_is_known_now_beside_the_old_one(
        self, program: Program, closed: ReviewCycle, asked: Restatement, bob: User
    ) -> None:
        record_month(program, "2026-06", {"P1": {"views": 30}}, tag="late-", at=LATER)
        before = (closed.digest, list(Scorecard.objects.filter(cycle=closed).order_by("pk").values()))
        revised = restated(program, asked, bob)
        assert (revised.revision, revised.state, revised.month_start_date) == (2, CycleState.READY, JUNE)
        decide_by_standing(cycle_id=revised.pk, actor=bob, at=LATER)
        revised = close_cycle(cycle_id=revised.pk, actor=bob, at=LATER)
        closed.refresh_from_db()
        assert (closed.digest, list(Scorecard.objects.filter(cycle=closed).order_by("pk").values())) == before
        asked.refresh_from_db()
        assert (asked.state, asked.revised, asked.answered_by) == (RestatementState.APPROVED, revised, f"user:{bob.pk}")
        assert replay(cycle_id=closed.pk).is_equal
        assert replay(cycle_id=revised.pk).is_equal
        moved = {(one.partner, one.figure): (one.before, one.after) for one in list_revised(closed, revised)}
        assert moved["P1", "views"] == (300, 330)
        assert not any(partner == "P2" and figure == "views" for partner, figure in moved)
        assert count_counted_since(closed, revised, program) == 30
        assert [entry.action for entry in AuditEvent.objects.filter(action__contains="restatement").order_by("id")] == [
            "reviews.ask_restatement",
            "reviews.approve_restatement",
        ]
        assert not [text for finding in check_cycles() for text in finding.violations if "closed" in text]

    def test_the_new_revision_is_planned_and_made_by_the_job(self, program: Program, asked: Restatement, bob: User) -> None:
        revised = approve_restatement(restatement_id=asked.pk, actor=bob, at=LATER)
        job = Job.objects.get(name="reviews.consolidate_month", key__endswith="revision-2")
        assert job.arguments == {"program_id": program.pk, "month": "2026-06-01", "asked_by": bob.pk}
        assert JUNE in list_due_months(program, date(2026, 7, 16))  # and if the job were lost, the schedule would make it
        assert revised.transitions.get().comment == "A file came late."

    def test_the_closed_one_counts_until_the_new_one_is_made(
        self, program: Program, closed: ReviewCycle, asked: Restatement, bob: User
    ) -> None:
        revised = approve_restatement(restatement_id=asked.pk, actor=bob, at=LATER)
        assert find_cycle(program.pk, JUNE) == revised
        for found in (find_valid_cycle(program.pk, JUNE), get_cycle(program.pk, JUNE), find_latest_cycle(program.pk)):
            assert found == closed
        assert list(list_valid_cycles(program.pk)) == [closed]
        assert get_review(program, JUNE)["revision"] == 1
        assert not check_months(program, [JUNE]).gaps
        consolidate_cycle(program_id=program.pk, month_start_date=JUNE, actor=bob, at=LATER)
        for found in (find_valid_cycle(program.pk, JUNE), get_cycle(program.pk, JUNE), find_latest_cycle(program.pk)):
            assert found == revised
        assert list(list_valid_cycles(program.pk)) == [revised]
        assert get_review(program, JUNE)["revision"] == 2

    def test_the_next_month_reports_no_late_event_that_a_revision_counts(
        self, program: Program, asked: Restatement, bob: User
    ) -> None:
        record_month(program, "2026-06", {"P1": {"views": 30}}, tag="late-", at=LATER)
        revised = restated(program, asked, bob)
        config = read_config(program, date(2026, 7, 1), revised.cutoff or 0, LATER)
        assert config["late"] == {}
        assert config["late_after"]["2026-06"] == revised.cutoff

    def test_a_revision_can_be_restated_and_an_old_one_cannot(
        self, program: Program, closed: ReviewCycle, asked: Restatement, ada: User, bob: User
    ) -> None:
        revised = restated(program, asked, bob)
        with pytest.raises(UnableToRestate) as refused:
            ask_restatement(cycle_id=revised.pk, reason="Again.", actor=ada, at=LATER)
        assert refused.value.code == "not_closed"
        decide_by_standing(cycle_id=revised.pk, actor=bob, at=LATER)
        close_cycle(cycle_id=revised.pk, actor=bob, at=LATER)
        with pytest.raises(UnableToRestate) as refused:
            ask_restatement(cycle_id=closed.pk, reason="Again.", actor=ada, at=LATER)
        assert refused.value.code == "not_newest"
        again = ask_restatement(cycle_id=revised.pk, reason="Again.", actor=bob, at=LATER)
        assert approve_restatement(restatement_id=again.pk, actor=ada, at=LATER).revision == 3

    def test_refusing_leaves_everything(self, program: Program, closed: ReviewCycle, asked: Restatement, bob: User) -> None:
        with pytest.raises(InvalidInput):
            refuse_restatement(restatement_id=asked.pk, actor=bob, at=LATER, answer=" ")
        row = refuse_restatement(restatement_id=asked.pk, actor=bob, at=LATER, answer="Too little.")
        assert (row.state, row.answer) == (RestatementState.REFUSED, "Too little.")
        assert ReviewCycle.objects.filter(program=program).count() == 1
        with pytest.raises(UnableToRestate) as refused:
            approve_restatement(restatement_id=asked.pk, actor=bob, at=LATER)
        assert refused.value.code == "answered_already"
        assert ask_restatement(cycle_id=closed.pk, reason="Really.", actor=bob, at=LATER).pk != asked.pk

    def test_what_is_asked_needs_a_closed_review_and_a_reason_once(
        self, program: Program, closed: ReviewCycle, asked: Restatement, ada: User
    ) -> None:
        with pytest.raises(InvalidInput, match="say why"):
            ask_restatement(cycle_id=closed.pk, reason="", actor=ada, at=LATER)
        with pytest.raises(UnableToRestate) as refused:
            ask_restatement(cycle_id=closed.pk, reason="Me too.", actor=ada, at=LATER)
        assert refused.value.code == "asked_already"


class TestOnePersonIsNotTwo:
    """Twelve ways in which one person might approve what they asked for."""

    def test_1_by_the_service(self, asked: Restatement, ada: User) -> None:
        with pytest.raises(UnableToRestate) as refused:
            approve_restatement(restatement_id=asked.pk, actor=ada, at=LATER)
        assert refused.value.code == "same_person"

    def test_2_by_refusing_as_if_somebody_else_had(self, asked: Restatement, ada: User) -> None:
        with pytest.raises(UnableToRestate):
            refuse_restatement(restatement_id=asked.pk, actor=ada, at=LATER, answer="Never mind.")

    def test_3_in_a_second_session(self, closed: ReviewCycle, ada: User) -> None:
        signed_in(ada).post(reverse(ASK, args=[closed.pk]), {"reason": "Late."})
        row = Restatement.objects.get()
        answer = signed_in(ada).post(reverse(APPROVE, args=[row.pk]), {"answer": "Yes."})
        row.refresh_from_db()
        assert row.state == RestatementState.ASKED
        assert "somebody else has to answer" in answer.content.decode()

    def test_4_by_the_button_that_is_not_there(self, asked: Restatement, ada: User, bob: User) -> None:
        page = reverse("admin:reviews_restatement_change", args=[asked.pk])
        assert "Approve…" not in signed_in(ada).get(page).content.decode()
        assert "Approve…" in signed_in(bob).get(page).content.decode()

    def test_5_asking_with_ones_own_token(self, program: Program, closed: ReviewCycle, ada: User) -> None:
        _, secret = make_token(program, "reviews:write", actor=ada)
        answer = Client(headers={"Authorization": f"Bearer {secret}"}).post(
            "/api/v1/reviews/2026-06/restatements", {"reason": "Late."}, content_type="application/json"
        )
        assert answer.status_code == 201, answer.content
        row = Restatement.objects.get()
        assert row.asked_by == f"user:{ada.pk}"
        with pytest.raises(UnableToRestate):
            approve_restatement(restatement_id=row.pk, actor=ada, at=LATER)

    def test_6_answering_with_a_token(self, program: Program, asked: Restatement, ada: User) -> None:
        _, secret = make_token(program, "reviews:write", actor=ada)
        client = Client(headers={"Authorization": f"Bearer {secret}"})
        for path in (f"/api/v1/restatements/{asked.pk}", f"/api/v1/restatements/{asked.pk}/approve"):
            assert client.post(path, {"answer": "Yes."}, content_type="application/json").status_code == 404
        asked.refresh_from_db()
        assert asked.state == RestatementState.ASKED

    def test_7_as_a_superuser(self, closed: ReviewCycle, bob: User) -> None:
        User.objects.filter(pk=bob.pk).update(is_superuser=True)
        row = ask_restatement(cycle_id=closed.pk, reason="Late.", actor=bob, at=IN_JULY)
        bob.refresh_from_db()
        with pytest.raises(UnableToRestate):
            approve_restatement(restatement_id=row.pk, actor=bob, at=LATER)

    def test_8_under_another_name(self, asked: Restatement, ada: User) -> None:
        """Who somebody is does not change with what they are called."""
        User.objects.filter(pk=ada.pk).update(username="somebody-else")
        with pytest.raises(UnableToRestate):
            approve_restatement(restatement_id=asked.pk, actor=User.objects.get(pk=ada.pk), at=LATER)

    def test_9_by_raw_sql(self, asked: Restatement, ada: User) -> None:
        with pytest.raises(IntegrityError, match=r"two_people|CHECK"):
            run(
                "UPDATE reviews_restatement SET state = 'approved', answered_by = %s, answered_at = asked_at WHERE id = %s",
                f"user:{ada.pk}",
                asked.pk,
            )

    def test_10_by_giving_the_question_to_somebody_else(self, asked: Restatement, bob: User) -> None:
        with pytest.raises(DatabaseError, match="refused"):
            run("UPDATE reviews_restatement SET asked_by = %s WHERE id = %s", f"user:{bob.pk}", asked.pk)

    def test_11_by_a_row_that_was_never_asked_and_a_revision_without_one(self, closed: ReviewCycle) -> None:
        with pytest.raises(DatabaseError, match="refused"), transaction.atomic():
            Restatement.objects.create(
                cycle=closed,
                state=RestatementState.APPROVED,
                reason="x",
                asked_by="user:1",
                asked_at=IN_JULY,
                answered_by="user:2",
                answered_at=IN_JULY,
            )
        with pytest.raises(DatabaseError, match="refused"), transaction.atomic():
            ReviewCycle.objects.create(
                program=closed.program,
                month_start_date=closed.month_start_date,
                revision=2,
                starts_at=closed.starts_at,
                ends_at=closed.ends_at,
                opened_at=LATER,
            )

    def test_12_with_a_right_that_was_lost_meanwhile(self, asked: Restatement, bob: User) -> None:
        RoleGrant.objects.filter(user=bob).update(role="analyst")
        with pytest.raises(NotAllowed):
            approve_restatement(restatement_id=asked.pk, actor=User.objects.get(pk=bob.pk), at=LATER)

    def test_somebody_else_may(self, asked: Restatement, bob: User) -> None:
        answer = signed_in(bob).post(reverse(APPROVE, args=[asked.pk]), {"answer": "Yes."})
        assert answer.status_code == 302
        asked.refresh_from_db()
        assert asked.state == RestatementState.APPROVED


def test_two_approvals_at_once_make_one_revision(program: Program, asked: Restatement, bob: User) -> None:
    """The second one finds it answered, whoever it is by."""
    approve_restatement(restatement_id=asked.pk, actor=bob, at=LATER)
    other = make_member_of_staff(program, "program_admin", "cyd")
    with pytest.raises(UnableToRestate):
        approve_restatement(restatement_id=asked.pk, actor=other, at=LATER)
    assert ReviewCycle.objects.filter(program=program, month_start_date=JUNE).count() == 2


def test_pages_show_both_revisions_and_what_moved(program: Program, closed: ReviewCycle, asked: Restatement, bob: User) -> None:
    client = signed_in(bob)
    assert "answer" in client.get(reverse("admin:reviews_reviewcycle_change", args=[closed.pk])).content.decode()
    record_month(program, "2026-06", {"P1": {"views": 30}}, tag="late-", at=LATER)
    revised = restated(program, asked, bob)
    page = client.get(reverse("admin:reviews_reviewcycle_change", args=[revised.pk])).content.decode()
    assert "Revision 1" in page
    assert "A file came late." in page
    moved = client.get(reverse("admin:reviews_reviewcycle_revised", args=[revised.pk])).content.decode()
    assert "330" in moved
    assert "30 events of the month were recorded after revision 1" in moved
    assert Decision.objects.filter(scorecard__cycle=revised).exists()
