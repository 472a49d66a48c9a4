"""Who gets the monthly report: added, paused, resumed and ended."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString

from plum_site.lib.admin import Button, ServiceModelAdmin, allowed, console_admin, go, person_of, program_of, try_to, url_of
from plum_site.lib.clock import now
from plum_site.lib.models import Outbox
from plum_site.lib.people import person_behind
from plum_site.lib.present import Table, badge, instant, link
from reviews.admin.reports import show_message_state
from reviews.choices import SubscriptionState
from reviews.forms import SubscriptionForm
from reviews.models import Subscription
from reviews.services import change_subscription, subscribe

TONES = {SubscriptionState.ACTIVE: "good", SubscriptionState.PAUSED: "warn", SubscriptionState.UNSUBSCRIBED: "idle"}
LABELS = {"pause": "Pause", "resume": "Resume", "end": "End"}
OFFERED = {
    SubscriptionState.ACTIVE: ("pause", "end"),
    SubscriptionState.PAUSED: ("resume", "end"),
    SubscriptionState.UNSUBSCRIBED: ("resume",),
}
DONE = {
    "pause": "Paused: the next report is not sent to them.",
    "resume": "Active: the next report is sent to them.",
    "end": "Ended: they get no report any more.",
}


@console_admin(Subscription)
class SubscriptionAdmin(ServiceModelAdmin):
    """Recipients of the monthly report, each in one scope."""

    read_operation = "subscription.read"
    add_operation = "subscription.manage"
    form = SubscriptionForm
    list_display = ["recipient", "email", "scope_shown", "state_now", "person", "since"]
    list_filter = ["state", "scope"]
    list_select_related = ["user"]
    search_fields = ["email", "name"]
    ordering = ["email", "id"]
    intro = (
        "Who gets the monthly report by mail: one message each, about the partners in their scope and nothing else. It goes "
        "out on the program's report day, and once more when the month is closed. No login is needed to get it."
    )
    empty_text = "Nobody gets the monthly report yet. Add the people who should read it, with or without a login."
    fields: ClassVar[Any] = ["user", "email", "name", "scope", "scope_value"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        return super().get_queryset(request).annotate(made_by=person_behind("created_by"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form_class = super().get_form(request, obj, change, **kwargs)
        if obj is not None:
            return form_class
        return form_class.within(program_of(request))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # type: ignore[override]
        if obj is None:
            return list(self.fields)
        return ["recipient", "email", "scope_shown", "state_now", "person", "since", "added_by"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.get_fields(request, obj) if obj else []

    def save_through(self, request: HttpRequest, row: Subscription, form: Any, is_new: bool) -> Subscription:
        given = form.cleaned_data
        return subscribe(
            program_id=program_of(request).pk,
            email=given["email"],
            name=given["name"] or (given["user"].get_full_name() if given["user"] else ""),
            user_id=given["user"].pk if given["user"] else None,
            scope=given["scope"],
            scope_value=given["scope_value"],
            actor=person_of(request),
            at=now(),
        )

    def get_urls(self) -> list[URLPattern]:
        changes = [
            self.act(f"<int:pk>/{name}/", getattr(self, name), name, "subscription.manage") for name in ("pause", "resume", "end")
        ]
        return [*changes, *super().get_urls()]

    def buttons(self, request: HttpRequest, row: Subscription) -> list[Button]:
        if not allowed(request, "subscription.manage"):
            return []
        asks = {"end": f"End the monthly report for {row.email}? It can be resumed later."}
        return [
            Button(
                LABELS[name], reverse(f"admin:reviews_subscription_{name}", args=[row.pk]), posts=True, asks=asks.get(name, "")
            )
            for name in OFFERED[SubscriptionState(row.state)]
        ]

    def pause(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        return self.change_state(request, pk, "pause")

    def resume(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        return self.change_state(request, pk, "resume")

    def end(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        return self.change_state(request, pk, "end")

    def change_state(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """Pause, resume or end, and say so."""
        row = self.row_or_404(request, pk)

        def act() -> str:
            change_subscription(subscription_id=row.pk, name=name, actor=person_of(request), at=now())
            return DONE[name]

        try_to(request, act)
        return go(request, "reviews_subscription_change", pk)

    def tables(self, request: HttpRequest, row: Subscription) -> list[Table]:
        sent = Outbox.objects.filter(program_id=row.program_id, dedup_key__startswith="report:", recipient=row.email)
        rows = [
            [link(url_of(one), instant(one.created_at)), show_message_state(one), instant(one.sent_at)]
            for one in sent.defer("payload").order_by("-created_at", "-id")[:24]
        ]
        return [Table("Reports sent to this address", ["Made", "State", "Sent"], rows, "None yet.")]

    def recipient(self, row: Subscription) -> SafeString:
        return link(url_of(row), row.name or row.email)

    def scope_shown(self, row: Subscription) -> str:
        return row.scope_text

    scope_shown.short_description = "about"  # type: ignore[attr-defined]

    def state_now(self, row: Subscription) -> SafeString:
        return badge(row.get_state_display(), TONES[SubscriptionState(row.state)])

    state_now.short_description = "state"  # type: ignore[attr-defined]

    def person(self, row: Subscription) -> str:
        return str(row.user) if row.user else "no login"

    def since(self, row: Subscription) -> SafeString | str:
        return instant(row.created_at)

    def added_by(self, row: Any) -> str:
        return row.made_by or row.created_by
