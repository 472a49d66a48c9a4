"""What owners of partners are told by mail: new flags, and decisions that are overdue."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from partners.models import Program
from plum_site.lib.announcements import address_of
from plum_site.lib.models import Outbox, User
from plum_site.lib.people import list_admins, list_insiders, may_be_told
from plum_site.lib.periods import local_date, month_text, next_month
from plum_site.lib.person_mail import write_to
from reviews.models import FlagCase, ReviewCycle, Scorecard
from reviews.rules import say_carriers
from reviews.selectors import find_due_report, list_scorecards, say_flag_case, say_rule_of
from reviews.selectors.subscriptions import REPORT_WITHIN

ESCALATES_AFTER = timedelta(days=3)  # overdue: then the program's admins are told too


def tell_owners_of_flags(*, cycle: ReviewCycle, opened: Sequence[FlagCase], at: datetime) -> int:
    """
    Flags were opened: one mail to each owner with all of theirs; how many mails.

    opened: what follow_flags gives, so that a flag which goes and comes back is told once. Nothing for a month that ended
    over 40 days ago, and nothing to owners who may no longer read reviews here or have no address.

    Raises: nothing.
    Writes: plum_outbox, in the transaction of the consolidation.
    """
    if not opened or at - cycle.ends_at > REPORT_WITHIN:
        return 0
    insiders = list_insiders(cycle.program_id)
    by_owner: dict[User, list[FlagCase]] = defaultdict(list)
    for case in sorted(opened, key=lambda case: (case.partner.name, case.partner_id, case.rule.code, case.target_key)):
        if case.owner is not None and may_be_told(case.owner, insiders):
            by_owner[case.owner].append(case)
    for owner, cases in by_owner.items():
        _send_flags(cycle, owner, cases, at)
    return len(by_owner)


def remind_owners(*, program_id: int, at: datetime) -> int:
    """
    Decisions are overdue once the report day has come: one mail a day to each owner whose partners wait, and from the
    third day on to the program's admins, until everybody is decided or the month ended over 40 days ago; how many mails.

    Raises: nothing.
    Writes: plum_outbox; one transaction. Twice on a day sends once.
    """
    program = Program.objects.get(pk=program_id)
    today = local_date(at, program.time_zone)
    cycle = find_due_report(program, today)
    if cycle is None or at - cycle.ends_at > REPORT_WITHIN:
        return 0
    waiting = [
        card for card in list_scorecards(cycle.pk).select_related("partner__owner") if getattr(card, "decision", None) is None
    ]
    if not waiting:
        return 0
    due = next_month(cycle.month_start_date).replace(day=program.report_day)
    insiders = list_insiders(program_id)
    by_person: dict[User, list[Scorecard]] = defaultdict(list)
    for card in waiting:
        if card.partner.owner is not None and may_be_told(card.partner.owner, insiders):
            by_person[card.partner.owner].append(card)
    if today - due >= ESCALATES_AFTER:
        for admin in list_admins(program_id):
            if may_be_told(admin, insiders):
                by_person[admin] = waiting
    count = 0
    with transaction.atomic():
        for person, cards in sorted(by_person.items(), key=lambda pair: pair[0].pk):
            partners = "1 partner waits" if len(cards) == 1 else f"{len(cards)} partners wait"
            message = _send_notice(
                cycle,
                person,
                "overdue",
                f"{partners} for a decision about {cycle.month_start_date:%B %Y}",
                {"cards": cards, "due": due, "days": (today - due).days, "partners_wait": partners},
                f"overdue:{cycle.pk}:{person.pk}:{today}",
                at,
            )
            count += message.created_at == at
    return count


def _send_flags(cycle: ReviewCycle, owner: User, cases: Sequence[FlagCase], at: datetime) -> Outbox:
    cards = Scorecard.objects.filter(cycle=cycle, partner_id__in=[case.partner_id for case in cases])
    told = {card.partner_id: card.diagnosis or {} for card in cards.only("partner_id", "diagnosis")}
    carried = {case.partner.name: say_carriers(told.get(case.partner_id, {}).get("carriers", ())) for case in cases}
    by_partner: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for case in cases:
        said = f"{say_flag_case(case)}. The rule: {say_rule_of(case.rule_id, case.seen['rule_number'])}"
        by_partner[case.partner.name].append((said, address_of("admin:reviews_flagcase_change", case.pk)))
    names = list(by_partner)
    who = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    number = "1 new flag" if len(cases) == 1 else f"{len(cases)} new flags"
    return _send_notice(
        cycle,
        owner,
        "flags",
        f"{number} in {cycle.month_start_date:%B %Y}: {who}",
        {"partners": [(name, lines, carried[name]) for name, lines in by_partner.items()]},
        f"flags:{owner.pk}:{min(case.pk for case in cases)}",  # opened once, so told once
        at,
        about=[f"{case.partner.external_id}|{case.rule.code}|{case.target_key}" for case in cases],
    )


def _send_notice(
    cycle: ReviewCycle,
    person: User,
    template: str,
    subject: str,
    context: dict[str, object],
    dedup_key: str,
    at: datetime,
    about: Sequence[str] = (),
) -> Outbox:
    mine = {
        **context,
        "month": f"{cycle.month_start_date:%B %Y}",
        "month_code": month_text(cycle.month_start_date),
        "is_running": cycle.ends_at > at,
        "url": f"{address_of('admin:reviews_reviewcycle_change', cycle.pk)}?show=you",
    }
    return write_to(
        person=person,
        program=cycle.program,
        template=f"reviews/mail/{template}",
        subject=subject,
        told=mine,
        dedup_key=dedup_key,
        at=at,
        about=about,
    )
