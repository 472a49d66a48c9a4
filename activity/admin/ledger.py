"""The activity history, and by which batches it came in. Nothing here can be edited: the ledger is appended."""

from typing import Any, ClassVar

from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from activity.choices import Kind, Status
from activity.filters import EventFilter
from activity.models import Event, IngestBatch, Seal
from activity.models.ledger import POSITIONS
from plum_site.lib.admin import Button, KeysetModelAdmin, console_admin, url_of
from plum_site.lib.present import NO_DATA, Table, amount, badge, count, instant, link

STATUS_TONES = {Status.CONFIRMED: "good", Status.FAILED: "warn", Status.REVERSED: "bad"}


@console_admin(Event)
class EventAdmin(KeysetModelAdmin):
    """Every fact, newest recorded first."""

    has_history = False
    read_operation = "event.read"
    filterset_class = EventFilter
    list_display = ["recorded", "occurred", "what", "how", "who", "offer_link", "spend", "reward_cost", "source_code"]
    list_select_related = ["offer", "source"]
    intro = "Everything that members did, newest recorded first. A mistake is corrected by a new event, never by editing."
    empty_text = "Nothing has happened yet. Events arrive by the API (POST /api/v1/events) or with load_program."
    fields = [
        "what",
        "how",
        "reason_code",
        "who",
        "offer_link",
        "attributes",
        "occurred",
        "local_date",
        "spend",
        "reward_cost",
        "transaction_ref",
        "reverses",
        "medium",
        "position",
        "source_code",
        "event_key",
        "received_at",
        "batch",
    ]
    readonly_fields: ClassVar[Any] = fields

    def recorded(self, row: Event) -> SafeString:
        return link(url_of(row), f"#{row.pk}")

    recorded.short_description = "event"  # type: ignore[attr-defined]

    def occurred(self, row: Event) -> SafeString | str:
        return instant(row.occurred_at)

    def what(self, row: Event) -> str:
        return Kind(row.kind).label

    def how(self, row: Event) -> SafeString:
        return badge(Status(row.status).label, STATUS_TONES[Status(row.status)])

    how.short_description = "status"  # type: ignore[attr-defined]

    def who(self, row: Event) -> SafeString | str:
        if row.member_id is None:
            return "erased"
        return link(reverse("admin:activity_member_change", args=[row.member_id]), f"Member {row.member_id}")

    who.short_description = "member"  # type: ignore[attr-defined]

    def offer_link(self, row: Event) -> SafeString:
        return link(url_of(row.offer), row.offer.external_id)

    offer_link.short_description = "offer"  # type: ignore[attr-defined]

    def attributes(self, row: Event) -> str:
        return str(row.attribute_set)

    attributes.short_description = "member's attributes then"  # type: ignore[attr-defined]

    def spend(self, row: Event) -> SafeString | str:
        return amount(row.spend_minor, row.spend_currency) if row.spend_minor is not None and row.spend_currency else NO_DATA

    def reward_cost(self, row: Event) -> SafeString | str:
        if row.reward_cost_minor is None or not row.reward_cost_currency:
            return NO_DATA
        return amount(row.reward_cost_minor, row.reward_cost_currency)

    def source_code(self, row: Event) -> str:
        return row.source.code

    source_code.short_description = "source"  # type: ignore[attr-defined]

    def batch(self, row: Event) -> SafeString:
        number = row.pk // POSITIONS
        return link(reverse("admin:activity_ingestbatch_change", args=[number]), f"Batch {number}, position {row.pk % POSITIONS}")

    batch.short_description = "came in with"  # type: ignore[attr-defined]


@console_admin(IngestBatch)
class IngestBatchAdmin(KeysetModelAdmin):
    """What came in, batch by batch, and what became of it."""

    has_history = False
    read_operation = "batch.read"
    list_display = [
        "named",
        "recorded_at",
        "source",
        "origin",
        "received",
        "accepted",
        "duplicate",
        "conflict",
        "rejected",
        "warnings",
        "sealed",
    ]
    list_filter = ["origin", "source"]
    list_select_related = ["source", "seal"]
    intro = "Each row is one delivery: every event in it was accepted, a duplicate, in conflict or rejected, nothing else."
    empty_text = "Nothing has come in yet."
    fields = [
        "source",
        "origin",
        "token",
        "day",
        "recorded_at",
        "latest_occurred_at",
        "received",
        "accepted",
        "duplicate",
        "conflict",
        "rejected",
        "warnings",
        "sealed",
    ]
    readonly_fields: ClassVar[Any] = fields

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        buttons = [Button("By source, token and day", reverse("admin:activity_outcomes"))]
        return super().changelist_view(request, {"buttons": buttons, **(extra_context or {})})

    def token(self, row: IngestBatch) -> SafeString | str:
        if row.token_id is None:
            return NO_DATA
        return link(reverse("admin:plum_apitoken_change", args=[row.token_id]), f"Token {row.token_id}")

    def named(self, row: IngestBatch) -> SafeString:
        return link(url_of(row), f"Batch {row.pk}")

    named.short_description = "batch"  # type: ignore[attr-defined]

    def received(self, row: IngestBatch) -> SafeString | str:
        return count(row.received_count)

    def accepted(self, row: IngestBatch) -> SafeString | str:
        return count(row.accepted_count)

    def duplicate(self, row: IngestBatch) -> SafeString | str:
        return count(row.duplicate_count)

    def conflict(self, row: IngestBatch) -> SafeString | str:
        return badge(count(row.conflict_count), "warn") if row.conflict_count else "0"

    def rejected(self, row: IngestBatch) -> SafeString | str:
        return badge(count(row.rejected_count), "warn") if row.rejected_count else "0"

    def warnings(self, row: IngestBatch) -> SafeString | str:
        return badge(count(row.warning_count), "warn") if row.warning_count else "0"

    def sealed(self, row: Any) -> SafeString:
        seal = getattr(row, "seal", None)
        return badge(f"Sealed as {seal.number}", "good") if seal else badge("Not sealed yet", "info")

    def tables(self, request: HttpRequest, row: IngestBatch) -> list[Table]:
        events = Event.objects.filter(pk__gte=row.pk * POSITIONS, pk__lt=(row.pk + 1) * POSITIONS).select_related("offer")
        rows = [
            [link(url_of(one), f"#{one.pk}"), instant(one.occurred_at), Kind(one.kind).label, Status(one.status).label, one.offer]
            for one in events.order_by("pk")[:20]
        ]
        return [Table("Its first accepted events", ["Event", "Occurred", "Kind", "Status", "Offer"], rows, "None was accepted.")]


@console_admin(Seal)
class SealAdmin(KeysetModelAdmin):
    """The proof of the history: batches in one dense order, chained by hash."""

    has_history = False
    read_operation = "ledger.verify"
    list_display = ["number", "sealed_at", "batch_link", "events", "chain_hex"]
    list_select_related = ["batch"]
    intro = "Every batch is sealed in order; each seal carries the hash of all before it. `verify ledger` checks them all."
    empty_text = "Nothing is sealed yet. Sealing follows each delivery within a minute."
    fields = ["number", "sealed_at", "batch_link", "events", "root_hex", "chain_hex"]
    readonly_fields: ClassVar[Any] = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Seal]:
        return super().get_queryset(request).annotate(event_count=F("batch__accepted_count"))

    def batch_link(self, row: Seal) -> SafeString:
        return link(url_of(row.batch), row.batch)

    batch_link.short_description = "batch"  # type: ignore[attr-defined]

    def events(self, row: Any) -> SafeString | str:
        return count(row.event_count)

    def root_hex(self, row: Seal) -> str:
        return bytes(row.root).hex()

    root_hex.short_description = "root of its leaves"  # type: ignore[attr-defined]

    def chain_hex(self, row: Seal) -> str:
        return bytes(row.chain).hex()

    chain_hex.short_description = "chain"  # type: ignore[attr-defined]
