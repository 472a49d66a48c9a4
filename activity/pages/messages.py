"""Messages on screen: how each push went, as the organisation's own messenger says."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse

from activity.forms import DaysForm
from activity.selectors.messages import MessageCounts, summarise_messages
from plum_site.lib.admin import page, program_of, show
from plum_site.lib.clock import now
from plum_site.lib.periods import local_date
from plum_site.lib.present import SUPPRESSED, Table, count, day, unbroken

DAYS = 90
GROUPS = (("push", "Each push", "Push"), ("offer", "Each offer", "Offer"))
FIGURES = ("sent", "delivered", "bounced", "opened", "members_sent", "members_reached", "members_opened")
HEADERS = ["Sent", "Delivered", "Bounced", "Opened", "Sent to", "Reached", "Opened by", "Last"]


@page("activity/messages/", name="activity_messages", operation="metric.read", title="Messages")
def show_messages(request: HttpRequest) -> HttpResponse:
    """By push and by offer."""
    program = program_of(request)
    today = local_date(now(), program.time_zone)
    form = DaysForm(request.GET or None, initial={"first": today - timedelta(days=DAYS - 1), "last": today})
    tables = []
    if not form.is_bound or form.is_valid():
        asked = form.asked()
        for by, title, header in GROUPS:
            rows = summarise_messages(program.pk, by=by, starts_date=asked["first"], ends_date=asked["last"] + timedelta(days=1))
            tables.append(make_table(title, header, rows, program.minimum_group))
    return show(
        request,
        "activity/outcomes.html",
        title="Messages",
        intro="What an organisation's own messenger says about what it sent to members (message.sent.v1 and the like). It is "
        "evidence for a push, kept beside the ledger: no seal covers it and no metric counts it.",
        form=form,
        tables=tables,
    )


def make_table(title: str, header: str, rows: list[MessageCounts], minimum_group: int) -> Table:
    """One line for each; too small a group is not shown."""
    lines = []
    for row in rows:
        small = max(row.members_sent, row.members_reached) < minimum_group
        figures = [SUPPRESSED if small else count(getattr(row, name)) for name in FIGURES]
        lines.append([row.key, *figures, unbroken(day(row.last_date))])
    empty = "No message happened in these days. They arrive by the API (POST /api/v1/events) as message.sent.v1 and the like."
    note = "Sent to, reached and opened by are distinct members. Reached: one was delivered or opened." if lines else ""
    return Table(title, [header, *HEADERS], lines, empty, frozenset(range(1, 8)), note)
