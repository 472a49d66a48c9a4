"""The monthly report of one review: what it would say, who got it, and sending it."""

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from plum_site.lib.admin import Button, allowed, go, page, person_of, program_of, show, try_to, url_of
from plum_site.lib.choices import OutboxState
from plum_site.lib.clock import now
from plum_site.lib.mail import put_styles
from plum_site.lib.models import Outbox
from plum_site.lib.present import Table, badge, instant, link, month
from reviews.choices import ReportKind
from reviews.models import ReviewCycle, Subscription
from reviews.selectors import list_recipients, list_report_messages
from reviews.services import kind_of, render_for, send_report_by_hand, send_report_to_me

MESSAGE_TONES = {OutboxState.WAITING: "idle", OutboxState.SENT: "good", OutboxState.DEAD: "bad"}
OCCASIONS = {"": "on schedule", "by-hand": "by hand", "me": "a copy for the sender"}


def show_message_state(message: Outbox) -> SafeString:
    """What became of one mail; that it failed for now is said too."""
    if message.state == OutboxState.WAITING and message.attempts:
        return badge("Tried, will be again", "warn")
    return badge(message.get_state_display(), MESSAGE_TONES[OutboxState(message.state)])


def get_cycle(request: HttpRequest, pk: int) -> ReviewCycle:
    """A consolidated review of the current program; others are unknown."""
    cycle = ReviewCycle.objects.filter(program=program_of(request), pk=pk, consolidated_at__isnull=False).first()
    if cycle is None:
        raise Http404(f"There is no consolidated review {pk} in this program.")
    return cycle


def chosen_recipient(request: HttpRequest, cycle: ReviewCycle) -> Subscription:
    """Whose report is looked at: a subscription of the program, else one's own view of the whole program."""
    wanted = request.GET.get("for", "")
    row = Subscription.objects.filter(program=cycle.program, pk=int(wanted)).first() if wanted.isdecimal() else None
    person = person_of(request)
    return row or Subscription(program=cycle.program, email=person.email, name=person.get_full_name(), user=person)


@page("reviews/<int:pk>/report/", name="reviews_reviewcycle_report", operation="report.read")
def preview_report(request: HttpRequest, pk: int) -> HttpResponse:
    """The report as it would be sent now, as text and as HTML; who gets it; who got it."""
    cycle = get_cycle(request, pk)
    recipient = chosen_recipient(request, cycle)
    rendered = render_for(cycle_id=cycle.pk, recipient=recipient)
    html_url = reverse("admin:reviews_reviewcycle_report_html", args=[pk])
    recipients = list_recipients(cycle.program_id)
    return show(
        request,
        "reviews/report.html",
        title=f"Report of {month(cycle.month_start_date)}",
        cycle=cycle,
        rendered=rendered,
        recipient=recipient,
        recipients=recipients,
        html_url=f"{html_url}?for={recipient.pk}" if recipient.pk else html_url,
        is_final=kind_of(cycle=cycle) == ReportKind.FINAL,
        buttons=make_buttons(request, cycle, len(recipients)),
        tables=[make_sent(cycle)],
        subscriptions_url=reverse("admin:reviews_subscription_changelist"),
        back_url=url_of(cycle),
        back_label=f"Review of {month(cycle.month_start_date)}",
    )


@page("reviews/<int:pk>/report.html", name="reviews_reviewcycle_report_html", operation="report.read")
def show_report_html(request: HttpRequest, pk: int) -> HttpResponse:
    """The HTML part by itself, in a frame that runs nothing and whose styles are its own."""
    cycle = get_cycle(request, pk)
    rendered = render_for(cycle_id=cycle.pk, recipient=chosen_recipient(request, cycle))
    html = put_styles(rendered.html).replace("<head>", '<head><base target="_blank">', 1)  # links open beside the console
    response = HttpResponse(html)
    sandbox = "sandbox allow-popups allow-popups-to-escape-sandbox"
    policy = f"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; {sandbox}"
    response.headers["Content-Security-Policy"] = policy
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@page("reviews/<int:pk>/report/send/", name="reviews_reviewcycle_send_report", operation="report.send", method="POST")
def send_now(request: HttpRequest, pk: int) -> HttpResponse:
    """One service call: to every recipient."""
    cycle = get_cycle(request, pk)

    def act() -> str:
        count = send_report_by_hand(cycle_id=cycle.pk, actor=person_of(request), at=now())
        return f"{count} message{'' if count == 1 else 's'} on the way." if count else "It was sent a moment ago already."

    try_to(request, act)
    return go(request, "reviews_reviewcycle_report", pk)


@page("reviews/<int:pk>/report/to-me/", name="reviews_reviewcycle_report_to_me", operation="report.read", method="POST")
def send_to_me(request: HttpRequest, pk: int) -> HttpResponse:
    """One service call: to the person who asks."""
    cycle = get_cycle(request, pk)

    def act() -> str:
        message = send_report_to_me(cycle_id=cycle.pk, actor=person_of(request), at=now())
        return f"On the way to {message.recipient}."

    try_to(request, act)
    return go(request, "reviews_reviewcycle_report", pk)


def make_buttons(request: HttpRequest, cycle: ReviewCycle, recipients: int) -> list[Button]:
    """Send to oneself; send to everybody, which cannot be taken back and says so."""
    buttons = [Button("Send to me", reverse("admin:reviews_reviewcycle_report_to_me", args=[cycle.pk]), posts=True)]
    if recipients and allowed(request, "report.send"):
        people = "1 recipient" if recipients == 1 else f"{recipients} recipients"
        asks = f"Send this report, as it is now, to {people}? What was sent cannot be taken back."
        url = reverse("admin:reviews_reviewcycle_send_report", args=[cycle.pk])
        buttons.append(Button("Send the report now", url, posts=True, asks=asks))
    return buttons


def make_sent(cycle: ReviewCycle) -> Table:
    """Who got which report when."""
    rows = [
        [
            one.recipient,
            describe_occasion(one),
            link(url_of(one), instant(one.created_at)),
            show_message_state(one),
            instant(one.sent_at),
        ]
        for one in list_report_messages(cycle)[:200]
    ]
    headers = ["Recipient", "Report", "Made", "State", "Sent"]
    return Table("Who got it", headers, rows, "Nobody yet. It goes out on the program's report day, and at closing.")


def describe_occasion(message: Outbox) -> str:
    """Which report a message is, and why it was sent, from its key."""
    _, _, kind, *rest = message.dedup_key.split(":")
    occasion = "me" if rest[:1] == ["me"] else "by-hand" if "by-hand" in rest else ""
    return f"{ReportKind(kind).label.upper()}, {OCCASIONS[occasion]}"
