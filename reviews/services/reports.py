"""The monthly report by mail: one message a recipient, rendered in their scope, kept whole in the outbox."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse

from activity.metrics import METRICS, Unit
from activity.selectors import head_of
from activity.services import signed_head
from partners.models import Program
from plum_site.lib import audit, jobs
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.mail import ATTACHMENTS_AT_MOST, Attachment, one_line, send
from plum_site.lib.models import Outbox, User
from plum_site.lib.periods import local_date, month_text
from plum_site.lib.resources import safe_cell
from reviews.choices import CycleState, ReportKind, SubscriptionScope
from reviews.models import ReviewCycle, Scorecard, Subscription
from reviews.selectors import find_due_report, keep_in_scope, list_recipients, list_scorecards, read_report
from reviews.selectors.report import Report
from reviews.selectors.subscriptions import MOST_ROWS, REPORT_WITHIN, list_report_messages
from reviews.services.subscriptions import unsubscribe_url

SEND_REPORT = "reviews.send_report"
CSV_COLUMNS = ("partner", "name", "category", "country", "standing", "score", "flags", "decision", "decided_by_rule")
CSV_UNITS = (Unit.COUNT, Unit.MEMBERS, Unit.RATIO)
COMPARES_WITH_ALL = frozenset({"share_of_redemptions"})  # a figure from which the whole program's follows


class UnableToSendReport(DomainError):
    """The month was not consolidated, or the person has no address."""


@dataclass(frozen=True)
class Rendered:
    """One report, ready to be sent."""

    subject: str
    text: str
    html: str
    attachments: list[Attachment]


def plan_report(*, cycle: ReviewCycle, kind: str, at: datetime) -> None:
    """
    Have the report of a review sent to everybody who gets it, once a kind.

    Raises: nothing.
    Writes: plum_job, in the caller's transaction.
    """
    key, arguments = f"{SEND_REPORT}:{cycle.pk}:{kind}", {"cycle_id": cycle.pk, "kind": str(kind)}
    jobs.plan(name=SEND_REPORT, key=key, program_id=cycle.program_id, arguments=arguments, due_at=at, at=at)


def plan_due_report(*, program_id: int, at: datetime) -> None:
    """
    Have the preliminary report sent if the program's report day has come and its review is there.

    Raises: nothing.
    Writes: plum_job.
    """
    program = Program.objects.get(pk=program_id)
    cycle = find_due_report(program, local_date(at, program.time_zone))
    if cycle is not None:
        with transaction.atomic():
            plan_report(cycle=cycle, kind=ReportKind.PRELIMINARY, at=at)


def plan_final_report(*, cycle: ReviewCycle, at: datetime) -> None:
    """
    A review was closed: have its final report sent, unless the month ended long ago and nobody got a preliminary one.

    Raises: nothing.
    Writes: plum_job, in the caller's transaction.
    """
    if at - cycle.ends_at <= REPORT_WITHIN or list_report_messages(cycle).exists():
        plan_report(cycle=cycle, kind=ReportKind.FINAL, at=at)


def send_report(
    *,
    cycle_id: int,
    kind: str,
    at: datetime,
    actor: User | str,
    occasion: str = "",
    progress: Callable[[int, int, str], Any] | None = None,
) -> int:
    """
    Put the report of one review into the outbox, for every recipient; how many messages are new.

    kind: "preliminary" says nothing once the review is closed. occasion: apart from the scheduled report, what sets one
    sent by hand apart from others; the same occasion sends once.

    Raises: NotFound; UnableToSendReport - not_consolidated.
    Writes: plum_outbox, plum_auditevent; one transaction a recipient, so that doing it again goes on where it stopped.
    """
    cycle = _get_consolidated(cycle_id)
    if kind == ReportKind.PRELIMINARY and cycle.state == CycleState.CLOSED:
        return 0
    recipients = list_recipients(cycle.program_id)
    reports: dict[tuple[str, str, int | None], Report] = {}
    made = 0
    for number, recipient in enumerate(recipients):
        if progress is not None:
            progress(number, len(recipients), "recipients")
        rendered = render_report(_report_for(cycle, recipient, reports), recipient)
        with transaction.atomic():
            message = _put(cycle, rendered, recipient, f"report:{cycle.pk}:{kind}:{recipient.pk}{occasion}", at)
            if message.created_at == at:
                made += 1
                after = {"kind": str(kind), "subscription": recipient.pk, "message": message.pk}
                audit.record(program_id=cycle.program_id, actor=actor, action=SEND_REPORT, row=cycle, at=at, after=after)
    return made


def send_report_by_hand(*, cycle_id: int, actor: User, at: datetime) -> int:
    """
    Send the report as it is now to every recipient, though one went out before; how many messages.

    Raises: NotFound; UnableToSendReport - not_consolidated, no_recipients.
    Writes: as send_report. Twice within a minute sends once.
    """
    cycle = _get_consolidated(cycle_id)
    if not list_recipients(cycle.program_id):
        sentence = "Nobody gets the monthly report of this program. Nothing was sent. Add a subscription first."
        raise UnableToSendReport("no_recipients", sentence)
    return send_report(cycle_id=cycle_id, kind=kind_of(cycle=cycle), actor=actor, at=at, occasion=f":by-hand:{at:%Y%m%d%H%M}")


def send_report_to_me(*, cycle_id: int, actor: User, at: datetime) -> Outbox:
    """
    Send the report over the whole program, as it is now, to the person who asks.

    Raises: NotFound; UnableToSendReport - not_consolidated, no_address.
    Writes: plum_outbox, plum_auditevent. Twice within a minute sends once.
    """
    cycle = _get_consolidated(cycle_id)
    if not actor.email:
        sentence = "You have no e-mail address here. Nothing was sent. An operator can add one to your account."
        raise UnableToSendReport("no_address", sentence)
    me = Subscription(program=cycle.program, email=actor.email, name=actor.get_full_name(), user=actor)
    rendered = render_report(_report_for(cycle, me, {}), me)
    with transaction.atomic():
        message = _put(cycle, rendered, me, f"report:{cycle.pk}:{kind_of(cycle=cycle)}:me:{actor.pk}:{at:%Y%m%d%H%M}", at)
        after = {"kind": str(kind_of(cycle=cycle)), "message": message.pk}
        audit.record(program_id=cycle.program_id, actor=actor, action="reviews.send_report_to_me", row=cycle, at=at, after=after)
    return message


def kind_of(*, cycle: ReviewCycle) -> ReportKind:
    """
    Which report a review would send now.

    Raises: nothing.
    Writes: nothing.
    """
    return ReportKind.FINAL if cycle.state == CycleState.CLOSED else ReportKind.PRELIMINARY


def render_for(*, cycle_id: int, recipient: Subscription) -> Rendered:
    """
    One recipient's report as it would be sent now.

    Raises: NotFound; UnableToSendReport - not_consolidated.
    Writes: nothing.
    """
    return render_report(_report_for(_get_consolidated(cycle_id), recipient, {}), recipient)


def render_report(report: Report, recipient: Subscription) -> Rendered:
    """
    The mail of one report: subject, plain text, HTML, and the scorecards as CSV.

    Links are for those who have a login. Scorecards above the size that a mail may have are linked instead of attached.

    Raises: nothing.
    Writes: nothing.
    """
    cycle, program = report.cycle, report.program
    table = make_csv(report)
    is_attached = len(table) <= ATTACHMENTS_AT_MOST
    url = _link("admin:reviews_reviewcycle_change", cycle.pk) if recipient.user_id else ""

    def link_to(card: Scorecard) -> str:
        return _link("admin:reviews_scorecard_change", card.pk) if recipient.user_id else ""

    context: dict[str, Any] = {
        "report": report,
        "kind": kind_of(cycle=cycle),
        "month": f"{cycle.month_start_date:%B %Y}",
        "previous_month": report.previous_month,
        "state": _say_state(report),
        "greeting": recipient.name,
        "rows": [(row, link_to(row.card)) for row in report.rows[:MOST_ROWS]],
        "drivers": [(line, link_to(line.card)) for line in report.drivers],
        "laggards": [(line, link_to(line.card)) for line in report.laggards],
        "left_out": max(len(report.rows) - MOST_ROWS, 0),
        "is_attached": is_attached,
        "bounds": _say_bounds(report),
        "head": _ledger_head(program),
        "url": url,
        "unsubscribe_url": unsubscribe_url(subscription=recipient) if recipient.pk else "",
        "why": f"You get this as {recipient.email}, for {report.scope}." if recipient.pk else "You asked for this copy.",
    }
    subject = one_line(f"{program.name}: {context['month']}, {_say_subject(report)}")
    return Rendered(
        subject=subject,
        text=render_to_string("reviews/mail/report.txt", context),
        html=render_to_string("reviews/mail/report.html", context | {"subject": subject}),
        attachments=[Attachment(_file_name(report), "text/csv", table)] if is_attached else [],
    )


def make_csv(report: Report) -> bytes:
    """
    The scorecards of a report as CSV: one row a partner, the figures of the metric layer as they are, money by currency.

    A report over part of a program leaves out what the whole program's figures follow from.

    Raises: nothing.
    Writes: nothing.
    """
    cards = [row.card for row in report.rows]
    keys = [
        key for key, metric in METRICS.items() if metric.unit in CSV_UNITS and (report.is_whole or key not in COMPARES_WITH_ALL)
    ]
    money = [
        (key, currency)
        for key, metric in METRICS.items()
        if metric.unit == Unit.MONEY
        for currency in sorted({code for card in cards for code in card.metrics.get(key) or {}})
    ]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*CSV_COLUMNS, *keys, *(f"{key}_{currency}" for key, currency in money)])
    for row in report.rows:
        card, decision = row.card, getattr(row.card, "decision", None)
        cells = [
            card.partner.external_id,
            row.name,
            card.partner.category.code,
            card.partner.country,
            card.standing,
            "" if card.score is None else card.score,
            " ".join(sorted(flag.rule_version.rule.code for flag in card.flags.all())),
            decision.kind if decision else "",
            ("yes" if decision.is_by_rule else "no") if decision else "",
            *("" if card.metrics.get(key) is None else card.metrics[key] for key in keys),
        ]
        figures = [(card.metrics.get(key) or {}).get(currency, "") for key, currency in money]
        writer.writerow([*(safe_cell(str(cell)) for cell in cells), *figures])
    return out.getvalue().encode("utf-8")


def _get_consolidated(cycle_id: int) -> ReviewCycle:
    cycle = ReviewCycle.objects.select_related("program").filter(pk=cycle_id).first()
    if cycle is None:
        raise NotFound("review", cycle_id)
    if cycle.consolidated_at is None:
        sentence = f"{cycle} was not consolidated yet, so there is nothing to report. Nothing was sent. Consolidate it first."
        raise UnableToSendReport("not_consolidated", sentence)
    return cycle


def _report_for(cycle: ReviewCycle, recipient: Subscription, known: dict[tuple[str, str, int | None], Report]) -> Report:
    """The report in one recipient's scope; those of the same scope share it."""
    is_owned = recipient.scope == SubscriptionScope.OWNED
    key = (recipient.scope, recipient.scope_value, recipient.user_id if is_owned else None)
    if key not in known:
        is_whole = recipient.scope == SubscriptionScope.WHOLE
        cards = None if is_whole else keep_in_scope(list_scorecards(cycle.pk), recipient)
        scope = recipient.scope_text.replace("that the person owns", "that you own")
        known[key] = read_report(cycle, cycle.program, cards, scope)
    return known[key]


def _put(cycle: ReviewCycle, rendered: Rendered, recipient: Subscription, dedup_key: str, at: datetime) -> Outbox:
    program = cycle.program
    domain = settings.MAIL_FROM.rpartition("@")[2].rstrip("> ") or "localhost"
    return send(
        to=(one_line(recipient.name), recipient.email),
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        attachments=rendered.attachments,
        dedup_key=dedup_key,
        program_id=program.pk,
        at=at,
        list_id=f"Monthly report <report.{program.code}.{domain}>",
        unsubscribe_url=unsubscribe_url(subscription=recipient) if recipient.pk else "",
    )


def _say_state(report: Report) -> str:
    """What may still change."""
    waiting = len(report.waiting)
    if report.is_final:
        return "FINAL: the month is closed and never changes."
    if waiting:
        partners = "1 partner waits" if waiting == 1 else f"{waiting} partners wait"
        return f"PRELIMINARY: {partners} for a decision; figures and standings may still change until the month is closed."
    return "PRELIMINARY: every partner is decided; the month is not closed yet."


def _say_subject(report: Report) -> str:
    if report.is_final:
        return "FINAL report"
    waiting = len(report.waiting)
    return f"PRELIMINARY report, {waiting} undecided" if waiting else "PRELIMINARY report"


def _say_bounds(report: Report) -> str:
    """The month's first and last instant, in the program's zone and in UTC, and how fresh the figures are."""
    cycle, name = report.cycle, report.program.time_zone
    shape = "%Y-%m-%d %H:%M"
    here = [f"{instant.astimezone(ZoneInfo(name)):{shape}}" for instant in (cycle.starts_at, cycle.ends_at)]
    there = [f"{instant:{shape}}" for instant in (cycle.starts_at, cycle.ends_at)]
    fresh = f"Figures as of {report.as_of:{shape}} UTC." if report.as_of else "No event was recorded yet."
    return f"Month: {here[0]} up to, not including, {here[1]} in {name} (UTC: {there[0]} to {there[1]}). {fresh}"


def _ledger_head(program: Program) -> str:
    """The newest head of the ledger, signed: whoever keeps this mail can prove later what the ledger was."""
    head = head_of(program.pk)
    if head is None:
        return "nothing sealed yet"
    signed = signed_head(program=program, number=head.number, chain=head.chain, at=head.sealed_at)
    return f"seal {signed['number']}, {signed['at']}, chain {signed['chain']}, signature {signed['signature']}"


def _link(name: str, *args: Any) -> str:
    return settings.BASE_URL.rstrip("/") + reverse(name, args=args)


def _file_name(report: Report) -> str:
    return f"scorecards-{report.program.code}-{month_text(report.cycle.month_start_date)}.csv"
