"""What owners of partners are told by mail: new flags, and decisions that are overdue."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse

from partners.models import Program
from plum_site.lib.choices import Role
from plum_site.lib.mail import one_line, send
from plum_site.lib.models import Outbox, RoleGrant, User
from plum_site.lib.periods import local_date, month_text, next_month
from reviews.models import Flag, ReviewCycle, Scorecard
from reviews.selectors import find_due_report, list_scorecards, say_flag
from reviews.selectors.subscriptions import REPORT_WITHIN

ESCALATES_AFTER = timedelta(days=3)  # overdue: then the program's admins are told too


def tell_owners_of_flags(*, cycle: ReviewCycle, opened: Mapping[str, Sequence[str]], at: datetime) -> int:
    """
    Partners crossed rules: one mail to each owner, with the flags they were not told before; how many mails.

    opened: external id of the partner to the codes of the new flags' rules. Nothing for a month that ended over 40 days ago,
    and nothing to owners who may no longer read reviews here or have no address.

    Raises: nothing.
    Writes: plum_outbox, in the transaction of the consolidation.
    """
    if not opened or at - cycle.ends_at > REPORT_WITHIN:
        return 0
    flags = (
        Flag.objects.filter(scorecard__cycle=cycle, scorecard__partner__external_id__in=opened)
        .select_related("rule_version__rule", "scorecard__partner__owner")
        .order_by("scorecard__partner__name", "scorecard__partner_id", "rule_version__rule__code")
    )
    insiders = _list_insiders(cycle.program_id)
    by_owner: dict[User, list[Flag]] = defaultdict(list)
    for flag in flags:
        owner, partner = flag.scorecard.partner.owner, flag.scorecard.partner.external_id
        if owner is not None and _may_be_told(owner, insiders) and flag.rule_version.rule.code in opened[partner]:
            by_owner[owner].append(flag)
    count = 0
    for owner, all_of_them in by_owner.items():
        told = _list_told(cycle, owner)
        new = [flag for flag in all_of_them if _name_of(flag) not in told]
        if new:
            _send_flags(cycle, owner, new, at)
            count += 1
    return count


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
    insiders = _list_insiders(program_id)
    by_person: dict[User, list[Scorecard]] = defaultdict(list)
    for card in waiting:
        if card.partner.owner is not None and _may_be_told(card.partner.owner, insiders):
            by_person[card.partner.owner].append(card)
    if today - due >= ESCALATES_AFTER:
        grants = RoleGrant.objects.filter(program_id=program_id, role=Role.PROGRAM_ADMIN).select_related("user")
        for grant in grants.order_by("id"):
            if _may_be_told(grant.user, insiders):
                by_person[grant.user] = waiting
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


def _list_insiders(program_id: int) -> set[int]:
    return set(RoleGrant.objects.filter(program_id=program_id).values_list("user_id", flat=True))


def _may_be_told(person: User, insiders: set[int]) -> bool:
    return bool(person.email) and person.is_active and (person.is_superuser or person.pk in insiders)


def _name_of(flag: Flag) -> str:
    return f"{flag.scorecard.partner.external_id}|{flag.rule_version.rule.code}"


def _list_told(cycle: ReviewCycle, owner: User) -> set[str]:
    """The flags of this month that an owner was told about; a flag that goes and comes back is told once."""
    prefix = f"flags:{cycle.pk}:{owner.pk}:"
    lists = Outbox.objects.filter(dedup_key__startswith=prefix).values_list("payload__about", flat=True)
    return {name for names in lists if names for name in names}


def _send_flags(cycle: ReviewCycle, owner: User, flags: Sequence[Flag], at: datetime) -> Outbox:
    by_partner: dict[int, tuple[Scorecard, list[str]]] = {}
    for flag in flags:
        by_partner.setdefault(flag.scorecard_id, (flag.scorecard, []))[1].append(f"{say_flag(flag)}.")
    names = sorted({flag.scorecard.partner.name for flag in flags})
    who = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    number = "1 new flag" if len(flags) == 1 else f"{len(flags)} new flags"
    return _send_notice(
        cycle,
        owner,
        "flags",
        f"{number} in {cycle.month_start_date:%B %Y}: {who}",
        {"partners": [(card, lines, _link("admin:reviews_scorecard_change", card.pk)) for card, lines in by_partner.values()]},
        f"flags:{cycle.pk}:{owner.pk}:{at:%Y%m%dT%H%M%S.%f}",
        at,
        about=[_name_of(flag) for flag in flags],
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
    program = cycle.program
    everything = {
        **context,
        "subject": one_line(f"{program.name}: {subject}"),
        "greeting": person.get_full_name() or person.username,
        "program": program,
        "month": f"{cycle.month_start_date:%B %Y}",
        "month_code": month_text(cycle.month_start_date),
        "is_running": cycle.ends_at > at,
        "url": f"{_link('admin:reviews_reviewcycle_change', cycle.pk)}?show=you",
    }
    return send(
        to=(one_line(person.get_full_name()), person.email),
        subject=str(everything["subject"]),
        text=render_to_string(f"reviews/mail/{template}.txt", everything),
        html=render_to_string(f"reviews/mail/{template}.html", everything),
        dedup_key=dedup_key,
        program_id=program.pk,
        at=at,
        about=about,
    )


def _link(name: str, *args: object) -> str:
    return settings.BASE_URL.rstrip("/") + reverse(name, args=args)
