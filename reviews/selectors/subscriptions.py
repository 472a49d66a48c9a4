"""Who gets the monthly report, about which partners, and when it is due."""

from collections.abc import Iterable
from datetime import date, timedelta

from django.db.models import QuerySet

from partners.models import Program
from plum_site.lib.models import Outbox
from plum_site.lib.people import list_insiders
from plum_site.lib.periods import next_month
from reviews.choices import CycleState, SubscriptionScope, SubscriptionState
from reviews.models import ReviewCycle, Scorecard, Subscription
from reviews.selectors.cycles import find_valid_cycle
from reviews.selectors.months import list_reviewed_months

MOST_ROWS = 60  # partners in the table of a mail; the file has all
REPORT_WITHIN = timedelta(days=40)  # after a month's end: a history that is reviewed late fills nobody's inbox


def list_recipients(program_id: int) -> list[Subscription]:
    """
    The subscriptions that get the next report: active ones; of people with a login, those who may still read reviews.

    Shape: Subscriptions with their user, by id.
    """
    rows = Subscription.objects.filter(program_id=program_id, state=SubscriptionState.ACTIVE).select_related("user")
    insiders = list_insiders(program_id)
    return [
        row
        for row in rows.order_by("id")
        if row.user is None or (row.user.is_active and (row.user.is_superuser or row.user_id in insiders))
    ]


def keep_in_scope(cards: Iterable[Scorecard], subscription: Subscription) -> list[Scorecard]:
    """
    The scorecards that a recipient is told about, as their partners are now.

    Shape: Scorecards, in the order given.
    """
    match subscription.scope:
        case SubscriptionScope.CATEGORY:
            return [card for card in cards if card.partner.category.code == subscription.scope_value]
        case SubscriptionScope.COUNTRY:
            return [card for card in cards if card.partner.country == subscription.scope_value]
        case SubscriptionScope.OWNED:
            return [card for card in cards if card.partner.owner_id == subscription.user_id]
    return list(cards)


def find_report_month(program: Program, on: date) -> date | None:
    """
    The month whose report a program day asks for: the last complete one whose report day has come, unless it ended long
    ago (a sample program's last month counts whenever it was).

    Shape: the first day of a month, or None.
    """
    due = [month for month in list_reviewed_months(program, on) if on >= next_month(month).replace(day=program.report_day)]
    if not due or (on - next_month(due[-1]) > REPORT_WITHIN and not program.is_demo):
        return None
    return due[-1]


def find_due_report(program: Program, on: date) -> ReviewCycle | None:
    """
    The review whose preliminary report is due on a program day: consolidated, and not closed (then the final one went out).

    Shape: one ReviewCycle or None.
    """
    month = find_report_month(program, on)
    cycle = find_valid_cycle(program.pk, month) if month else None
    return cycle if cycle and cycle.consolidated_at and cycle.state != CycleState.CLOSED else None


def list_report_messages(cycle: ReviewCycle) -> QuerySet[Outbox]:
    """
    The report mails of one review: to whom, when, and what became of them.

    Shape: Outbox rows without their payload, newest first.
    """
    rows = Outbox.objects.filter(program_id=cycle.program_id, dedup_key__startswith=f"report:{cycle.pk}:")
    return rows.defer("payload").order_by("-created_at", "-id")
