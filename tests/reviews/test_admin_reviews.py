"""The review workbench and the scorecard: decide singly and in bulk, close, run, and what the pages say."""

import csv
import io
import json
import re

import pytest
from django.test import Client
from django.urls import reverse

from activity.services.sealing import seal_ledger
from partners.models import Program
from plum_site.lib.models import AuditEvent, Job
from reviews.choices import CycleState
from reviews.models import Decision, ReviewCycle, Scorecard
from tests.factories.jobs import run_due
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import GOOD, IN_JULY, make_reviewable_program, record_month, reviewed
from tests.support.pages import list_inline, sign_in, text_of

pytestmark = pytest.mark.slow

CYCLE, CARD = "admin:reviews_reviewcycle_change", "admin:reviews_scorecard_change"
BAD = {**GOOD, "views": 300, "unlocks": 20, "reversals": 15}


@pytest.fixture
def program(db: None) -> Program:
    program = make_reviewable_program("P1", "P2", "P3")
    record_month(program, "2026-05", {"P1": GOOD, "P2": GOOD, "P3": GOOD})
    record_month(program, "2026-06", {"P1": GOOD, "P2": BAD})
    return program


@pytest.fixture
def cycle(program: Program) -> ReviewCycle:
    return reviewed(program)


@pytest.fixture
def client(program: Program) -> Client:
    return sign_in(make_member_of_staff(program, "program_admin"))


def card(cycle: ReviewCycle, partner: str) -> Scorecard:
    return Scorecard.objects.get(cycle=cycle, partner__external_id=partner)


def undecided(cycle: ReviewCycle) -> list[int]:
    return list(Scorecard.objects.filter(cycle=cycle, decision__isnull=True).order_by("pk").values_list("pk", flat=True))


def test_the_workbench_shows_who_needs_a_person(client: Client, cycle: ReviewCycle) -> None:
    page = client.get(reverse(CYCLE, args=[cycle.pk]), {"show": "you"})
    assert {line["card"].pk for line in page.context["lines"]} == set(undecided(cycle))
    flagged = client.get(reverse(CYCLE, args=[cycle.pk]), {"show": "flagged"})
    assert [line["card"].partner.external_id for line in flagged.context["lines"]] == ["P2", "P3"]
    assert "need" in text_of(page)


def test_a_scorecard_holds_the_standard_form_in_order(client: Client, cycle: ReviewCycle) -> None:
    page = client.get(reverse(CARD, args=[card(cycle, "P2").pk]))
    said = text_of(page)
    places = [
        said.index(word) for word in ("Month before", "Rates", "How the score came about", "Ordered funnel", "Volumes by month")
    ]
    places += [said.index(word, places[-1]) for word in ("Flags", "Comment (needed to exempt)", "Late events", "Sign-off")]
    assert places == sorted(places)
    assert "Many reversals" in said
    assert not list_inline(page.content.decode())


def test_charts_are_data_and_every_one_has_its_rows(client: Client, cycle: ReviewCycle) -> None:
    page = client.get(reverse(CARD, args=[card(cycle, "P1").pk])).content.decode()
    blocks = re.findall(r'<script type="application/json" id="([^"]+)">(.*?)</script>', page, flags=re.S)
    assert {name for name, _ in blocks} == {"funnel", "trend-volumes", "trend-rates"}
    for _, text in blocks:
        assert json.loads(text)["data"]
    assert page.count("The same rows as a table") == len(blocks)


def test_a_month_without_events_is_not_filled_with_zeros(client: Client, cycle: ReviewCycle) -> None:
    silent = card(cycle, "P3")
    assert silent.standing == "no_activity"
    said = text_of(client.get(reverse(CARD, args=[silent.pk])))
    assert "There is nothing to divide by this month" in said
    assert "Impressions not recorded" in said


def test_a_decision_leads_to_the_next_that_needs_one(client: Client, cycle: ReviewCycle) -> None:
    first, *rest = undecided(cycle)
    url = reverse("admin:reviews_scorecard_decide", args=[first])
    answer = client.post(url, {"kind": "monitor", "comment": "", "then": "next"})
    assert answer.status_code == 302
    assert answer["Location"] in {reverse(CARD, args=[pk]) for pk in rest}
    decision = Decision.objects.get(scorecard_id=first)
    assert (decision.kind, decision.is_by_rule) == ("monitor", False)


def test_to_exempt_someone_needs_a_reason(client: Client, cycle: ReviewCycle) -> None:
    first = undecided(cycle)[0]
    answer = client.post(reverse("admin:reviews_scorecard_decide", args=[first]), {"kind": "exempt", "comment": ""})
    assert "comment" in answer.context["decision_form"].errors
    assert not Decision.objects.filter(scorecard_id=first).exists()


def test_a_bulk_decision_asks_first_then_decides_all(client: Client, cycle: ReviewCycle) -> None:
    chosen = undecided(cycle)
    data = {"scorecard": chosen, "kind": "monitor"}
    ask = client.post(reverse("admin:reviews_reviewcycle_ask_bulk", args=[cycle.pk]), data)
    assert f"Decide about {len(chosen)} partners" in text_of(ask)
    assert undecided(cycle) == chosen
    assert client.post(reverse("admin:reviews_reviewcycle_decide_bulk", args=[cycle.pk]), data).status_code == 302
    assert undecided(cycle) == []


def test_a_bulk_decision_about_nobody_or_strangers_decides_nothing(client: Client, cycle: ReviewCycle) -> None:
    other = reviewed(make_reviewable_program("P1", code="other"))
    foreign = Scorecard.objects.filter(cycle=other).first()
    before = Decision.objects.count()
    for chosen in ([], [foreign.pk] if foreign else []):
        client.post(reverse("admin:reviews_reviewcycle_decide_bulk", args=[cycle.pk]), {"scorecard": chosen, "kind": "pass"})
    assert Decision.objects.count() == before


def test_closing_is_refused_with_the_names_of_the_undecided(client: Client, cycle: ReviewCycle) -> None:
    close = reverse("admin:reviews_reviewcycle_close", args=[cycle.pk])
    said = text_of(client.post(close, follow=True))
    assert "was not closed" in said
    assert "P2" in said
    client.post(
        reverse("admin:reviews_reviewcycle_decide_bulk", args=[cycle.pk]), {"scorecard": undecided(cycle), "kind": "monitor"}
    )
    assert "never changes from now on" in text_of(client.post(close, follow=True))
    cycle.refresh_from_db()
    assert cycle.state == CycleState.CLOSED
    page = text_of(client.get(reverse(CYCLE, args=[cycle.pk])))
    assert "Consolidate again" not in page
    assert "For the chosen partners" not in page


def test_the_month_can_be_closed_only_where_nobody_waits(client: Client, cycle: ReviewCycle) -> None:
    page = text_of(client.get(reverse(CYCLE, args=[cycle.pk])))
    assert "Close the month" not in page
    assert "can be closed once everybody is decided" in page
    chosen = {"scorecard": undecided(cycle), "kind": "monitor"}
    client.post(reverse("admin:reviews_reviewcycle_decide_bulk", args=[cycle.pk]), chosen)
    assert "Close the month" in text_of(client.get(reverse(CYCLE, args=[cycle.pk])))


def test_what_was_decided_in_bulk_is_taken_back_in_bulk(client: Client, cycle: ReviewCycle) -> None:
    waiting = undecided(cycle)
    done = reverse("admin:reviews_reviewcycle_decide_bulk", args=[cycle.pk])
    client.post(done, {"scorecard": waiting, "kind": "monitor"})
    assert not undecided(cycle)
    asked = client.post(
        reverse("admin:reviews_reviewcycle_ask_bulk", args=[cycle.pk]), {"scorecard": waiting, "kind": "take_back"}
    )
    assert "that is undone" in text_of(asked)
    assert not undecided(cycle)
    said = client.post(done, {"scorecard": waiting, "kind": "take_back", "comment": "wrong month"}, follow=True)
    assert "Taken back for 2 partners" in text_of(said)
    assert undecided(cycle) == waiting


def test_the_coverage_certificate_names_everybody_with_reason_and_outcome(client: Client, cycle: ReviewCycle) -> None:
    url = reverse("admin:reviews_reviewcycle_coverage", args=[cycle.pk])
    said = text_of(client.get(url))
    assert "Complete: 3 partners had to be reviewed" in said
    assert "a live offer and events" in said
    rows = list(
        csv.DictReader(
            io.StringIO(client.get(reverse("admin:reviews_reviewcycle_certificate", args=[cycle.pk])).content.decode())
        )
    )
    assert [row["partner"] for row in rows] == ["P1", "P2", "P3"]
    assert {row["gap"] for row in rows} == {""}
    missing = card(cycle, "P3")
    missing.flags.all().delete()
    Decision.objects.filter(scorecard=missing).delete()
    missing.delete()
    said = text_of(client.get(url))
    assert "1 gap" in said
    assert "had a live offer, and has no scorecard" in said


def test_an_analyst_reads_and_decides_nothing(program: Program, cycle: ReviewCycle) -> None:
    client = sign_in(make_member_of_staff(program, "analyst"))
    first = undecided(cycle)[0]
    assert client.get(reverse(CARD, args=[first])).status_code == 200
    assert client.post(reverse("admin:reviews_scorecard_decide", args=[first]), {"kind": "pass"}).status_code == 403
    assert client.post(reverse("admin:reviews_reviewcycle_close", args=[cycle.pk])).status_code == 403


def test_running_a_month_plans_one_job_and_shows_its_progress(client: Client, cycle: ReviewCycle) -> None:
    answer = client.post(reverse("admin:reviews_reviewcycle_run"), {"month": "2026-06-01"})
    job = Job.objects.get(name="reviews.consolidate_month")
    assert answer["Location"] == reverse(CYCLE, args=[cycle.pk])
    assert job.arguments["month"] == "2026-06-01"
    progress = client.get(reverse("admin:plum_job_progress", args=[job.pk])).json()
    assert (progress["state"], progress["ended"]) == ("due", False)
    assert "Working on this month now" in text_of(client.get(reverse(CYCLE, args=[cycle.pk])))


def test_the_job_consolidates_a_ready_month_again_in_the_name_of_who_asked(
    client: Client, program: Program, cycle: ReviewCycle
) -> None:
    record_month(program, "2026-06", {"P3": GOOD}, tag="late-")
    client.post(reverse("admin:reviews_reviewcycle_run"), {"month": "2026-06-01"})
    job = Job.objects.get(name="reviews.consolidate_month")
    assert run_due() == ["done"]
    job.refresh_from_db()
    assert job.state == "done", job.error
    assert card(cycle, "P3").metrics["redemptions"] == GOOD["redemptions"]
    newest = AuditEvent.objects.filter(action="reviews.consolidate_cycle").order_by("-id")[0]
    assert newest.actor.startswith("user:")


def test_what_arrived_after_the_cut_off_is_said_until_it_is_counted(client: Client, program: Program, cycle: ReviewCycle) -> None:
    url = reverse(CYCLE, args=[cycle.pk])
    assert "after the cut-off" not in text_of(client.get(url))
    record_month(program, "2026-06", {"P3": {"views": 7}}, tag="late-")
    record_month(program, "2026-05", {"P3": {"views": 3}}, tag="late-")
    seal_ledger(program_id=program.pk, at=IN_JULY)
    assert "7 events of this month arrived after the cut-off" in text_of(client.get(url))
    reviewed(program)
    assert "after the cut-off" not in text_of(client.get(url))


def test_a_month_that_cannot_be_reviewed_plans_nothing(client: Client, cycle: ReviewCycle) -> None:
    for month in ("2031-01-01", "nonsense", ""):
        client.post(reverse("admin:reviews_reviewcycle_run"), {"month": month})
    assert not Job.objects.exists()


def test_the_csv_has_the_rows_that_are_shown(client: Client, cycle: ReviewCycle) -> None:
    answer = client.get(reverse("admin:reviews_reviewcycle_csv", args=[cycle.pk]), {"show": "flagged"})
    row, silent = csv.DictReader(io.StringIO(answer.content.decode()))
    assert silent["partner"] == "P3"
    assert (row["partner"], row["redemptions"], row["flags"]) == ("P2", "40", "reversal_rate_high unlock_rate_fall")


def test_a_partner_shows_standing_and_open_flags(client: Client, cycle: ReviewCycle) -> None:
    bad = card(cycle, "P2")
    said = text_of(client.get(reverse("admin:partners_partner_change", args=[bad.partner_id])))
    assert "Many reversals" in said
    assert bad.get_standing_display() in said
    listed = client.get(reverse("admin:partners_partner_changelist"))
    assert bad.get_standing_display() in text_of(listed)
