"""The monthly report: the right figures to the right people, once, in one message each."""

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from activity.selectors import summarise
from activity.services import seal_ledger
from plum_site import schedule
from plum_site.lib import jobs
from plum_site.lib.choices import Role
from plum_site.lib.models import Job, Outbox, User
from reviews.choices import ActionKind, CycleState, SubscriptionScope
from reviews.models import DataGap, ReviewCycle, Scorecard, Subscription
from reviews.selectors import find_due_report, list_report_messages, read_report
from reviews.services import (
    UnableToSendReport,
    change_gap_state,
    change_subscription,
    check_sources,
    close_cycle,
    decide_by_standing,
    render_for,
    send_report,
    send_report_by_hand,
    send_report_to_me,
    subscribe,
)
from tests.factories.jobs import run_due
from tests.factories.ledger import event, record
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import GOOD, IN_JULY, JUNE, make_reviewable_program, record_month, reviewed
from tests.factories.silences import MISSING, make_program_with_gap, stream
from tests.factories.verdicts import HARMED, WORKED, make_measured

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
DAY = timedelta(days=1)
BAD = {"views": 300, "unlocks": 90, "activations": 8, "redemptions": 2}


@pytest.fixture
def cycle() -> ReviewCycle:
    """June of a program with a good partner, one that falls behind, and one in another category and country."""
    program = make_reviewable_program("P1", "P2", "P3")
    record_month(program, "2026-05", {"P1": GOOD, "P2": GOOD, "P3": {"views": 20}}, tag="a")
    record_month(program, "2026-06", {"P1": GOOD, "P2": BAD, "P3": {"views": 70, "unlocks": 7}})
    other = program.partners.get(external_id="P3")
    other.category = program.categories.create(code="travel")
    other.country = "SE"
    other.save()
    return reviewed(program)


def recipient(cycle: ReviewCycle, email: str = "cfo@example.org", **values: Any) -> Subscription:
    return subscribe(program_id=cycle.program_id, email=email, actor="system", at=IN_JULY, **values)


def sent(cycle: ReviewCycle) -> list[Outbox]:
    return list(Outbox.objects.filter(dedup_key__startswith=f"report:{cycle.pk}:").order_by("pk"))


def close(cycle: ReviewCycle, at: datetime = IN_JULY) -> None:
    person, _ = User.objects.get_or_create(username="closer")
    decide_by_standing(cycle_id=cycle.pk, actor=person, at=at)
    close_cycle(cycle_id=cycle.pk, actor=person, at=at)


def rows_of(rendered: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(rendered.attachments[0].content.decode())))


@pytest.mark.both_engines
def test_the_figures_are_those_of_the_metric_layer(cycle: ReviewCycle) -> None:
    """Text, HTML, CSV and scorecards say what `summarise` (which API and `metrics` print) says."""
    rendered = render_for(cycle_id=cycle.pk, recipient=recipient(cycle))
    period = {"program": cycle.program, "starts_date": JUNE, "ends_date": date(2026, 7, 1), "cutoff": cycle.cutoff}
    [total] = summarise(**period).rows
    partners = {row["partner"]: row for row in summarise(by=["partner"], **period).rows}

    for label, key in (("Views", "views"), ("Activations", "activations"), ("Redemptions", "redemptions")):
        said = re.search(rf"^{label}: ([\d,]*\d)", rendered.text, re.M)
        assert said is not None
        assert int(said[1].replace(",", "")) == total[key]
        assert f"<b>{said[1]}</b>" in rendered.html
    by_name = dict(re.findall(r"^- (.+?): .*?; redemptions ([\d,]+)", rendered.text, re.M))
    rows = rows_of(rendered)
    assert len(rows) == len(by_name) == 3
    for row in rows:
        figures = partners[row["partner"]]
        assert int(by_name[row["name"]]) == int(row["redemptions"]) == figures["redemptions"]
        for key in ("views", "unlocks", "members_any", "failures", "share_of_redemptions", "activation_rate", "reversal_rate"):
            assert row[key] == ("" if figures[key] is None else str(figures[key])), key


def test_the_first_screen_says_what_matters_in_sentences(cycle: ReviewCycle) -> None:
    text = render_for(cycle_id=cycle.pk, recipient=recipient(cycle, name="Carla")).text

    assert text.startswith("Hello Carla,\n\nAcme, June 2026: the whole program\nPRELIMINARY: ")
    assert "Views: 670, up 8.1 % on May (620)." in text
    assert "Activations: 68, down 43.3 % on May (120)." in text
    behind = text.partition("WHO FALLS BEHIND\n")[2].partition("\n\n")[0]
    flag = Scorecard.objects.get(cycle=cycle, partner__external_id="P2").flags.first()
    assert flag is not None
    assert behind.startswith("1. Partner P2 (")
    assert f"{flag.rule_version.rule.name}: " in text
    assert "8 activations of 90 unlocks" in behind
    assert text.partition("WHO DRIVES VALUE\n")[2].startswith(
        "1. Partner P1: 40 redemptions, 95.2 % of all, as in May.\n2. Partner P2: 2 redemptions"
    )
    assert re.search(r"^\d by rule, 0 by people, \d waiting: .*P2", text, re.M)
    assert "2026-06-01 00:00 up to, not including, 2026-07-01 00:00 in Europe/Berlin" in text
    assert "(UTC: 2026-05-31 22:00 to 2026-06-30 22:00)" in text
    assert re.search(r"^Ledger head: seal \d+, .*, chain [0-9a-f]{64}, signature [0-9a-f]{128}$", text, re.M)
    assert re.search(r"^Unsubscribe: http\S+$", text, re.M)
    assert "actions" not in text.lower().replace("activations", ""), "there are none, and none could be"


def test_money_is_shown_by_currency_and_never_added() -> None:
    program = make_reviewable_program("P1")
    events = [
        event(number, "redeemed", occurred_at="2026-06-10T10:00:00Z", offer="O-P1", spend_amount=amount, spend_currency=currency)
        for number, (amount, currency) in enumerate([("10.50", "EUR"), ("7", "JPY"), ("2.25", "EUR")])
    ]
    record(program, events, at=IN_JULY)
    rendered = render_for(cycle_id=(cycle := reviewed(program)).pk, recipient=recipient(cycle))

    assert "Spend: 12.75 EUR; 7 JPY." in rendered.text
    [row] = rows_of(rendered)
    assert (row["spend_EUR"], row["spend_JPY"]) == ("12.75", "7")


def test_whoever_has_no_login_gets_no_links_and_others_do(cycle: ReviewCycle) -> None:
    person = make_member_of_staff(cycle.program, Role.ANALYST)
    without = render_for(cycle_id=cycle.pk, recipient=recipient(cycle))
    with_login = render_for(cycle_id=cycle.pk, recipient=recipient(cycle, "ana@example.org", user_id=person.pk))

    assert "/console/" not in without.text + without.html
    card = Scorecard.objects.get(cycle=cycle, partner__external_id="P2")
    for part in (with_login.text, with_login.html):
        assert f"/console/reviews/reviewcycle/{cycle.pk}/change/?show=you" in part
        assert f"/console/reviews/scorecard/{card.pk}/change/" in part


@pytest.mark.parametrize("scope", ["category", "country", "owned"])
def test_nothing_outside_the_scope_is_in_text_html_file_or_totals(cycle: ReviewCycle, scope: str) -> None:
    """A recipient of one partner's figures cannot work out the others', or how many there are."""
    person = make_member_of_staff(cycle.program, Role.PARTNER_OPS)
    partner = cycle.program.partners.get(external_id="P3")
    partner.owner = person
    partner.save()
    value = {"category": "travel", "country": "se", "owned": ""}[scope]
    row = recipient(cycle, "se@example.org", scope=scope, scope_value=value, user_id=person.pk if scope == "owned" else None)

    rendered = render_for(cycle_id=cycle.pk, recipient=row)

    assert "Views: 70, up 250.0 % on May (20)." in rendered.text
    assert [line["partner"] for line in rows_of(rendered)] == ["P3"]
    assert "share_of_redemptions" not in rows_of(rendered)[0]
    for part in (rendered.subject, rendered.text, rendered.html, rendered.attachments[0].content.decode()):
        assert not re.search(r"\bP[12]\b", part)
        assert not re.search(r"\b670\b", part)  # a hash may hold the digits
    assert Subscription.objects.get(pk=row.pk).scope_text in rendered.text or scope == "owned"


def test_a_scope_without_partners_says_so(cycle: ReviewCycle) -> None:
    person = make_member_of_staff(cycle.program, Role.ANALYST)
    row = recipient(cycle, "ana@example.org", scope=SubscriptionScope.OWNED, user_id=person.pk)

    rendered = render_for(cycle_id=cycle.pk, recipient=row)

    assert "No partner in this scope had a live offer or an event this month." in rendered.text
    assert not re.search(r"\b670\b", rendered.text), "the views of all partners"
    assert rows_of(rendered) == []


@pytest.mark.both_engines
def test_silent_sources_are_those_that_the_review_has_frozen() -> None:
    program = make_program_with_gap()
    cycle = reviewed(program)
    gap = DataGap.objects.get()
    silence = "The source till was silent from 2026-06-09 to 2026-06-10; what Partner P1 had of it is missing."

    [line] = read_report(cycle, program).gaps
    assert line == f"{silence} Nobody has accepted that yet; the month cannot be closed before."
    person = make_member_of_staff(program, Role.PROGRAM_ADMIN, "grace")
    change_gap_state(gap_id=gap.pk, name="accept", comment="It was being\nreplaced.", actor=person, at=IN_JULY)
    [line] = read_report(cycle, program).gaps
    assert line == f"{silence} grace accepted that: It was being replaced."
    for partner, lines in (("P1", [line]), ("P2", [])):
        cards = list(Scorecard.objects.filter(cycle=cycle, partner__external_id=partner))
        assert read_report(cycle, program, cards, "some").gaps == lines, "a gap of others is not theirs"

    record(program, stream("O-P1", first=MISSING[0], end=date(2026, 6, 11)), source="till", at=IN_JULY)
    seal_ledger(program_id=program.pk, at=IN_JULY)
    change_gap_state(gap_id=gap.pk, name="withdraw", comment="It came.", actor=person, at=IN_JULY)
    check_sources(program_id=program.pk, at=IN_JULY)
    [line] = read_report(cycle, program).gaps
    assert line == f"{silence} It has arrived since: the review is to be consolidated again."
    text = render_for(cycle_id=reviewed(program).pk, recipient=recipient(cycle)).text
    assert "No source was silent for a day on which it was to send, and no event arrived late." in text


def test_names_that_would_break_a_header_or_a_page_do_not(cycle: ReviewCycle) -> None:
    cycle.program.name = "Evil\r\nBcc: all@example.org <script>"
    cycle.program.save()
    recipient(cycle)

    assert send_report(cycle_id=cycle.pk, kind="preliminary", actor="system", at=IN_JULY) == 1

    [message] = sent(cycle)
    assert "\n" not in message.payload["headers"]["Subject"]
    assert "<script>" not in message.payload["html"]


@pytest.mark.both_engines
def test_each_recipient_gets_one_message_however_often_it_is_run(cycle: ReviewCycle) -> None:
    recipient(cycle)
    recipient(cycle, "se@example.org", scope="country", scope_value="SE")
    gone = recipient(cycle, "gone@example.org")
    change_subscription(subscription_id=gone.pk, name="pause", actor="system", at=IN_JULY)

    made = [send_report(cycle_id=cycle.pk, kind="preliminary", actor="system", at=IN_JULY + n * DAY) for n in range(3)]

    assert made == [2, 0, 0]
    assert sorted(message.recipient for message in sent(cycle)) == ["cfo@example.org", "se@example.org"]
    assert len({message.message_id for message in sent(cycle)}) == 2


def test_people_who_lost_their_roles_or_their_account_get_none(cycle: ReviewCycle) -> None:
    leaver = make_member_of_staff(cycle.program, Role.ANALYST, "leaver")
    locked = make_member_of_staff(cycle.program, Role.ANALYST, "locked")
    for person in (leaver, locked):
        recipient(cycle, f"{person.username}@example.org", user_id=person.pk)
    leaver.role_grants.all().delete()
    User.objects.filter(pk=locked.pk).update(is_active=False)

    assert send_report(cycle_id=cycle.pk, kind="preliminary", actor="system", at=IN_JULY) == 0


def test_the_schedule_sends_the_preliminary_report_on_the_report_day(cycle: ReviewCycle) -> None:
    program = cycle.program
    assert find_due_report(program, date(2026, 7, program.report_day - 1)) is None
    assert find_due_report(program, date(2026, 7, program.report_day)) == cycle
    assert find_due_report(program, date(2026, 8, program.report_day - 1)) == cycle, "a day that was missed is made up for"
    recipient(cycle)

    schedule.plan_due(IN_JULY)
    schedule.plan_due(IN_JULY + timedelta(seconds=10))
    run_due(IN_JULY, name="reviews.send_report")

    [message] = sent(cycle)
    assert "PRELIMINARY report, " in message.payload["headers"]["Subject"]
    assert Job.objects.filter(name="reviews.send_report").count() == 1


@pytest.mark.both_engines
def test_closing_sends_the_final_report_and_nothing_preliminary_after_it(cycle: ReviewCycle) -> None:
    recipient(cycle)
    close(cycle)
    cycle.refresh_from_db()
    assert cycle.state == CycleState.CLOSED

    run_due(IN_JULY, name="reviews.send_report")
    assert send_report(cycle_id=cycle.pk, kind="preliminary", actor="system", at=IN_JULY) == 0
    assert find_due_report(cycle.program, date(2026, 7, 20)) is None

    [message] = sent(cycle)
    assert message.payload["headers"]["Subject"] == "Acme: June 2026, FINAL report"
    assert "FINAL: the month is closed and never changes." in message.payload["text"]


def test_a_closing_that_is_undone_plans_no_report(cycle: ReviewCycle) -> None:
    recipient(cycle)
    with pytest.raises(ZeroDivisionError):
        from_outside(cycle)

    assert not Job.objects.filter(name="reviews.send_report").exists()


def from_outside(cycle: ReviewCycle) -> None:
    from django.db import transaction  # noqa: PLC0415

    with transaction.atomic():
        close(cycle)
        raise ZeroDivisionError


def test_a_month_that_ended_long_ago_is_closed_without_a_mail(cycle: ReviewCycle) -> None:
    recipient(cycle)
    close(cycle, IN_JULY + 60 * DAY)

    assert not Job.objects.filter(name="reviews.send_report").exists()


def test_a_late_closing_is_told_to_those_who_got_the_preliminary_report(cycle: ReviewCycle) -> None:
    recipient(cycle)
    send_report(cycle_id=cycle.pk, kind="preliminary", actor="system", at=IN_JULY)
    close(cycle, IN_JULY + 60 * DAY)

    run_due(IN_JULY + 60 * DAY, name="reviews.send_report")

    assert len(sent(cycle)) == 2


def test_by_hand_it_goes_to_everybody_again_but_a_double_click_does_not(cycle: ReviewCycle) -> None:
    person = make_member_of_staff(cycle.program, Role.PROGRAM_ADMIN)
    with pytest.raises(UnableToSendReport, match="Nobody gets the monthly report"):
        send_report_by_hand(cycle_id=cycle.pk, actor=person, at=IN_JULY)
    recipient(cycle)
    send_report(cycle_id=cycle.pk, kind="preliminary", actor="system", at=IN_JULY)

    assert send_report_by_hand(cycle_id=cycle.pk, actor=person, at=IN_JULY) == 1
    assert send_report_by_hand(cycle_id=cycle.pk, actor=person, at=IN_JULY + timedelta(seconds=3)) == 0
    assert send_report_by_hand(cycle_id=cycle.pk, actor=person, at=IN_JULY + timedelta(minutes=3)) == 1
    assert list_report_messages(cycle).count() == 3


def test_a_copy_to_oneself_needs_an_address(cycle: ReviewCycle) -> None:
    person = make_member_of_staff(cycle.program, Role.ANALYST)
    with pytest.raises(UnableToSendReport, match="no e-mail address"):
        send_report_to_me(cycle_id=cycle.pk, actor=person, at=IN_JULY)
    person.email = "ana@example.org"
    person.save()

    message = send_report_to_me(cycle_id=cycle.pk, actor=person, at=IN_JULY)

    assert message.recipient == "ana@example.org"
    assert "List-Unsubscribe" not in message.payload["headers"]
    assert "You asked for this copy." in message.payload["text"]


def test_a_month_without_a_consolidation_has_no_report() -> None:
    program = make_reviewable_program()
    cycle = ReviewCycle.objects.create(
        program=program, month_start_date=JUNE, starts_at=IN_JULY, ends_at=IN_JULY + DAY, opened_at=IN_JULY
    )

    with pytest.raises(UnableToSendReport, match="not consolidated yet"):
        send_report(cycle_id=cycle.pk, kind="preliminary", actor="system", at=IN_JULY)


def test_consolidation_by_a_worker_sends_the_report_that_is_due() -> None:
    program = make_reviewable_program("P1")
    record_month(program, "2026-06", {"P1": GOOD})
    subscribe(program_id=program.pk, email="cfo@example.org", actor="system", at=IN_JULY)
    arguments = {"program_id": program.pk, "month": JUNE.isoformat()}
    jobs.plan(name="reviews.consolidate_month", key="k", program_id=program.pk, arguments=arguments, due_at=IN_JULY, at=IN_JULY)

    run_due(IN_JULY)
    run_due(IN_JULY)

    assert Outbox.objects.filter(recipient="cfo@example.org").count() == 1


def test_actions_measured_in_the_month_are_one_line(cycle: ReviewCycle) -> None:
    anna = make_member_of_staff(cycle.program, Role.PROGRAM_ADMIN, "anna")
    first, _, third = (cycle.program.partners.get(external_id=f"P{number}") for number in (1, 2, 3))
    assert "corrective action" not in render_for(cycle_id=cycle.pk, recipient=recipient(cycle)).text.lower()
    for partner, effect, kind, day in (
        (first, WORKED, ActionKind.REFRESH_LISTING, 1),
        (third, HARMED, ActionKind.REFRESH_LISTING, 30),
        (first, HARMED, ActionKind.RERANK, 15),
    ):
        make_measured(partner, anna, effect, kind, at=datetime(2026, 6, day, 12, tzinfo=UTC))
    make_measured(first, anna, at=datetime(2026, 7, 1, 12, tzinfo=UTC))  # another month

    whole = render_for(cycle_id=cycle.pk, recipient=recipient(cycle, "all@example.org"))
    line = "3 corrective actions were measured; 1 worked (Refresh the listing 1 of 2, Re-rank 0 of 1)."
    assert line in whole.text
    assert line in whole.html
    swedish = recipient(cycle, "se@example.org", scope="country", scope_value="SE")
    part = render_for(cycle_id=cycle.pk, recipient=swedish)
    assert "1 corrective action was measured; 0 worked (Refresh the listing 0 of 1)." in part.text
