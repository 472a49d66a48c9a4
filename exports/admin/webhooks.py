"""Webhooks: who is told what, and whether it arrives."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from exports.admin.deliveries import delivery_rows
from exports.choices import EndpointState
from exports.forms import EndpointForm
from exports.models import WebhookEndpoint
from exports.rules import shown_address
from exports.selectors import list_deliveries
from exports.services import (
    add_endpoint,
    disable_endpoint,
    edit_endpoint,
    enable_endpoint,
    remove_endpoint,
    send_test_message,
)
from plum_site.lib.admin import Button, ServiceModelAdmin, allowed, console_admin, go, person_of, program_of, show, try_to
from plum_site.lib.announcements import TYPES
from plum_site.lib.clock import now
from plum_site.lib.people import person_behind
from plum_site.lib.present import BREAK, Table, badge

TONES = {EndpointState.ACTIVE: "good", EndpointState.DISABLED: "warn", EndpointState.REMOVED: "idle"}
NEWEST = 20
HEADERS = ["When", "What", "State", "Attempts", "Last answer", "Took"]


@console_admin(WebhookEndpoint)
class WebhookEndpointAdmin(ServiceModelAdmin):
    """The addresses that are told what happens in this program."""

    read_operation = "webhook.read"
    add_operation = "webhook.manage"
    change_operation = "webhook.manage"
    form = EndpointForm
    list_display = ["name", "address", "state_now", "codes", "changed_at"]
    list_filter = ["state"]
    search_fields = ["name", "url"]
    ordering = ["name", "id"]
    intro = (
        "Systems that are told at once when something happens: a signed message to their address, tried again for three days. "
        "Messages say what happened and where to read more; they never carry personal data."
    )
    empty_text = "No webhook yet. Add one where a system of yours should hear of reviews, flags and exports without asking."

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEndpoint]:
        rows = super().get_queryset(request).exclude(state=EndpointState.REMOVED)
        return rows.annotate(maker=person_behind("made_by"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # type: ignore[override]
        own = ["name", "url", "types" if self.has_change_permission(request, obj) else "told"]
        if obj is None:
            return own
        why = ["reason"] if obj.state == EndpointState.DISABLED else []
        failing = ["first_failed_at"] if obj.first_failed_at else []
        return [*own, "state_now", *why, *failing, "made_at", "made_by_person"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["told", "state_now", "reason", "first_failed_at", "made_at", "made_by_person"] if obj else []

    def save_through(self, request: HttpRequest, row: WebhookEndpoint, form: Any, is_new: bool) -> WebhookEndpoint:
        given, at = form.cleaned_data, now()
        values = {"name": given["name"], "url": given["url"], "types": given["types"], "actor": person_of(request), "at": at}
        if not is_new:
            return edit_endpoint(endpoint_id=row.pk, **values)
        endpoint, secret = add_endpoint(program_id=program_of(request).pk, **values)
        request.shown_once = secret  # type: ignore[attr-defined]
        return endpoint

    def response_add(self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None) -> HttpResponse:
        """The one page that shows the secret; only its sealed form is kept."""
        return show(
            request,
            "exports/webhook_made.html",
            title=f"Webhook {obj.name} was added",
            secret=request.shown_once,  # type: ignore[attr-defined]
            endpoint=obj,
            address=shown_address(obj.url),
            back_url=reverse("admin:exports_webhookendpoint_changelist"),
            back_label="Webhooks",
            opts=self.opts,
        )

    def buttons(self, request: HttpRequest, row: WebhookEndpoint) -> list[Button]:
        if not allowed(request, "webhook.manage"):
            return []

        def to(name: str) -> str:
            return reverse(f"admin:exports_webhookendpoint_{name}", args=[row.pk])

        if row.state == EndpointState.ACTIVE:
            asks = f"Disable {row.name}? What happens meanwhile is not kept for it."
            switch = Button("Disable", to("disable"), posts=True, asks=asks)
        else:
            switch = Button("Enable", to("enable"), posts=True, is_primary=True)
        asks = f"Remove {row.name}? Its secret is wiped and it cannot be brought back. The log of its messages stays."
        test = Button("Send a test message", to("test"), posts=True, is_primary=row.state == EndpointState.ACTIVE)
        return [test, switch, Button("Remove", to("remove"), posts=True, asks=asks)]

    def tables(self, request: HttpRequest, row: WebhookEndpoint) -> list[Table]:
        lines = delivery_rows(list_deliveries(row.deliveries.all())[:NEWEST])
        url = f"{reverse('admin:exports_webhookdelivery_changelist')}?endpoint__id__exact={row.pk}"
        empty = "Nothing was sent yet. Send a test message to see whether it arrives."
        note = "Answers are kept for 30 days."
        return [
            Table(
                "What was sent to it", HEADERS, lines, empty, frozenset({3, 5}), note, url if lines else "", "All of its messages"
            )
        ]

    def get_urls(self) -> list[URLPattern]:
        acts = [
            self.act("<int:pk>/disable/", self.disable, "disable", "webhook.manage"),
            self.act("<int:pk>/enable/", self.enable, "enable", "webhook.manage"),
            self.act("<int:pk>/remove/", self.remove, "remove", "webhook.manage"),
            self.act("<int:pk>/test/", self.send_test, "test", "webhook.manage"),
        ]
        return [*acts, *super().get_urls()]

    def disable(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        endpoint = self.row_or_404(request, pk)

        def act() -> str:
            disable_endpoint(endpoint_id=pk, actor=person_of(request), at=now())
            return f"{endpoint.name} is disabled: nothing more is sent to it until you enable it."

        try_to(request, act)
        return go(request, "exports_webhookendpoint_change", pk)

    def enable(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        endpoint = self.row_or_404(request, pk)

        def act() -> str:
            enable_endpoint(endpoint_id=pk, actor=person_of(request), at=now())
            return f"{endpoint.name} is told again what happens from now on."

        try_to(request, act)
        return go(request, "exports_webhookendpoint_change", pk)

    def remove(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        endpoint = self.row_or_404(request, pk)

        def act() -> str:
            remove_endpoint(endpoint_id=pk, actor=person_of(request), at=now())
            return f"{endpoint.name} was removed."

        done = try_to(request, act)
        return go(request, "exports_webhookendpoint_changelist") if done else go(request, "exports_webhookendpoint_change", pk)

    def send_test(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Queue the test and show its page, which follows it until the answer is there."""
        self.row_or_404(request, pk)
        delivery = send_test_message(endpoint_id=pk, actor=person_of(request), at=now())
        return go(request, "exports_webhookdelivery_change", delivery.pk)

    def state_now(self, row: WebhookEndpoint) -> SafeString:
        if row.state == EndpointState.ACTIVE and row.first_failed_at:
            return badge("Active, but failing", "warn")
        return badge(row.get_state_display(), TONES[EndpointState(row.state)])

    state_now.short_description = "state"  # type: ignore[attr-defined]

    def address(self, row: WebhookEndpoint) -> str:
        return shown_address(row.url)

    address.admin_order_field = "url"  # type: ignore[attr-defined]

    def codes(self, row: WebhookEndpoint) -> SafeString | str:
        return format_html_join(BREAK, "{}", ((name,) for name in row.types))

    codes.short_description = "is told of"  # type: ignore[attr-defined]

    def made_by_person(self, row: Any) -> str:
        return row.maker or row.made_by

    made_by_person.short_description = "made by"  # type: ignore[attr-defined]

    def told(self, row: WebhookEndpoint) -> SafeString | str:
        titles = ((TYPES[name].title if name in TYPES else name,) for name in row.types)
        return format_html_join(BREAK, "{}", titles)

    told.short_description = "is told when"  # type: ignore[attr-defined]
