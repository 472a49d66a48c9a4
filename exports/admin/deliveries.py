"""What webhooks were sent: each message, its attempts, and what was answered."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from exports.models import WebhookDelivery
from exports.selectors import list_deliveries
from plum_site.lib.admin import KeysetModelAdmin, console_admin, url_of
from plum_site.lib.choices import AttemptStatus, OutboxState
from plum_site.lib.clock import now
from plum_site.lib.present import LIVE, NO_DATA, Table, badge, count, instant, link

STATE_TONES = {OutboxState.WAITING: "idle", OutboxState.SENT: "good", OutboxState.DEAD: "bad"}
ATTEMPT_TONES = {AttemptStatus.OK: "good", AttemptStatus.LATER: "warn", AttemptStatus.REFUSED: "bad"}
ATTEMPT_WORDS = {AttemptStatus.OK: "Delivered", AttemptStatus.LATER: "Failed", AttemptStatus.REFUSED: "Failed for good"}
SHORT = 60  # characters of an answer in a list
FOLLOWED = timedelta(minutes=1)  # a message that leaves about now is followed on its page


def delivery_rows(deliveries: Iterable[Any]) -> list[list[Any]]:
    """The log as rows of a table: when, what, state, attempts, last answer, milliseconds."""
    return [
        [
            link(url_of(row), instant(row.created_at)),
            row.type,
            show_state(row),
            count(row.message.attempts),
            short_answer(row),
            took(row.last_milliseconds),
        ]
        for row in deliveries
    ]


def show_state(row: WebhookDelivery) -> SafeString:
    """Where the message stands, in a word and when it is tried next."""
    state = OutboxState(row.message.state)
    if state == OutboxState.WAITING and row.message.attempts:
        return format_html("{}<br>next at {}", badge("Failing", "warn"), instant(row.message.due_at))
    words = {OutboxState.WAITING: "Waiting", OutboxState.SENT: "Delivered", OutboxState.DEAD: "Given up"}
    return badge(words[state], STATE_TONES[state])


def short_answer(row: Any) -> SafeString | str:
    """The first words of the last answer."""
    if not row.last_detail:
        return NO_DATA
    line = row.last_detail.splitlines()[0]
    return line if len(line) <= SHORT else f"{line[:SHORT]}…"


def took(milliseconds: int | None) -> SafeString | str:
    """How long an attempt took."""
    return NO_DATA if milliseconds is None else format_html("{} ms", count(milliseconds))


@console_admin(WebhookDelivery)
class WebhookDeliveryAdmin(KeysetModelAdmin):
    """The log of messages to webhooks."""

    program_path = "endpoint__program"
    has_history = False
    read_operation = "webhook.read"
    list_display = ["created_at", "type", "endpoint", "state_now", "attempts", "answer", "milliseconds"]
    list_filter = ["endpoint", "message__state"]
    fields = ["endpoint", "type", "message_id_shown", "state_live", "attempts", "sent_at", "next_at", "body"]
    readonly_fields = ["message_id_shown", "state_live", "attempts", "sent_at", "next_at", "body"]
    intro = "Every message to a webhook, newest first. A failed one is tried ten times in three days, under the same id."
    empty_text = "Nothing was sent to a webhook yet."

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        return list_deliveries(super().get_queryset(request))

    def get_urls(self) -> list[URLPattern]:
        return [self.act("<int:pk>/progress/", self.tell_progress, "progress", "webhook.read", "GET"), *super().get_urls()]

    def tell_progress(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Whether the message has been tried, for the page that follows it."""
        message = self.row_or_404(request, pk).message
        has_ended = message.attempts > 0 and message.lease_until is None
        return JsonResponse({"done": int(has_ended), "total": 0, "note": "", "label": "On its way", "ended": has_ended})

    def tables(self, request: HttpRequest, row: WebhookDelivery) -> list[Table]:
        rows = [
            [
                instant(attempt.at),
                badge(ATTEMPT_WORDS[AttemptStatus(attempt.status)], ATTEMPT_TONES[AttemptStatus(attempt.status)]),
                took(attempt.milliseconds),
                format_html('<pre class="plum-answer">{}</pre>', attempt.detail),
            ]
            for attempt in row.message.tries.order_by("-at", "-id")
        ]
        empty = "It was not tried yet, or longer ago than the 30 days for which attempts are kept."
        return [
            Table("Attempts, newest first", ["When", "How it went", "Took", "What was answered"], rows, empty, frozenset({2}))
        ]

    def state_now(self, row: WebhookDelivery) -> SafeString:
        return show_state(row)

    state_now.short_description = "state"  # type: ignore[attr-defined]

    def state_live(self, row: WebhookDelivery) -> SafeString:
        """With a bar that plum.js follows until the message has been tried."""
        shown, message = show_state(row), row.message
        if message.state != OutboxState.WAITING or message.attempts or message.due_at > now() + FOLLOWED:
            return shown
        return format_html(
            '{} <span class="plum-progress" data-url="{}"{}><progress aria-label="Sending"></progress> '
            '<span class="plum-progress-text" role="status">On its way</span></span>',
            shown,
            reverse("admin:exports_webhookdelivery_progress", args=[row.pk]),
            LIVE,
        )

    state_live.short_description = "state"  # type: ignore[attr-defined]

    def attempts(self, row: WebhookDelivery) -> SafeString | str:
        return count(row.message.attempts)

    def answer(self, row: Any) -> SafeString | str:
        return short_answer(row)

    answer.short_description = "last answer"  # type: ignore[attr-defined]

    def milliseconds(self, row: Any) -> SafeString | str:
        return took(row.last_milliseconds)

    milliseconds.short_description = "took"  # type: ignore[attr-defined]

    def message_id_shown(self, row: WebhookDelivery) -> SafeString:
        return format_html("<code>{}</code>", row.message.message_id)

    message_id_shown.short_description = "webhook-id"  # type: ignore[attr-defined]

    def sent_at(self, row: WebhookDelivery) -> SafeString | str:
        return instant(row.message.sent_at)

    sent_at.short_description = "delivered"  # type: ignore[attr-defined]

    def next_at(self, row: WebhookDelivery) -> SafeString | str:
        return instant(row.message.due_at if row.message.state == OutboxState.WAITING else None)

    next_at.short_description = "tried next"  # type: ignore[attr-defined]

    def body(self, row: WebhookDelivery) -> SafeString:
        return format_html('<pre class="plum-answer">{}</pre>', row.message.payload.get("body", "No longer kept."))

    body.short_description = "what is sent"  # type: ignore[attr-defined]
