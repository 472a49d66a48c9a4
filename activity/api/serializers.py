"""The answers and parameters of the activity API, for reading, writing and its description."""

from typing import Any

from rest_framework import serializers

from activity.choices import Outcome, Rhythm
from activity.metrics import METRICS, Metric, Unit
from activity.rules.codes import ITEM_CODES, WARNING_CODES
from activity.rules.events import KINDS, STATUSES
from plum_site.lib.api_writes import Body

LONGEST_OUTCOMES = 400  # days


class HistoryQuery(serializers.Serializer):
    """Which events are read. A name that may stand several times keeps events with any of its values."""

    to = serializers.DateField(required=False, help_text="The day after the last program day on which they happened.")
    kind = serializers.ListField(child=serializers.ChoiceField(choices=list(KINDS)), required=False, help_text="Repeatable.")
    status = serializers.ListField(child=serializers.ChoiceField(choices=list(STATUSES)), required=False, help_text="Repeatable.")
    partner = serializers.ListField(
        child=serializers.CharField(min_length=1, max_length=200),
        required=False,
        max_length=10,
        help_text="External id. Repeatable.",
    )
    offer = serializers.ListField(
        child=serializers.CharField(min_length=1, max_length=200),
        required=False,
        max_length=10,
        help_text="External id. Repeatable.",
    )
    source = serializers.ListField(  # type: ignore[assignment]
        child=serializers.CharField(min_length=1, max_length=200),
        required=False,
        max_length=10,
        help_text="As events name it. Repeatable.",
    )
    since = serializers.IntegerField(
        required=False,
        default=0,
        min_value=0,
        max_value=2**63 - 1,
        help_text="Only what follows this place: the id of an event, or next_since of a stream. 0: from the beginning.",
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is a word of the language, so it cannot be written as an attribute."""
        first = serializers.DateField(required=False, help_text="The first program day on which they happened.")
        return {"from": first, **super().get_fields()}


class StreamQuery(HistoryQuery):
    """As the list, with the number of lines."""

    limit = serializers.IntegerField(
        required=False, default=10_000, min_value=1, max_value=100_000, help_text="Events in one answer at most."
    )


class EventsQuery(serializers.Serializer):
    """Parameters of sending events."""

    results = serializers.ChoiceField(
        choices=["notable", "all"],
        default="notable",
        help_text="all: a result for every event, also for those that were simply accepted.",
    )


class EventResult(serializers.Serializer):
    """What became of one event."""

    index = serializers.IntegerField(help_text="Its place in the request, from 0.")
    id = serializers.CharField(help_text="Its CloudEvents id; empty where it could not be read.")
    status = serializers.ChoiceField(choices=Outcome.choices)
    code = serializers.ChoiceField(
        choices=list(ITEM_CODES), required=False, help_text="Why it was not taken, for programs: docs/reference/event-codes.md."
    )
    pointer = serializers.CharField(required=False, help_text="Where in the event, as a JSON pointer.")
    detail = serializers.CharField(required=False, help_text="Why it was not taken, for people.")
    warning = serializers.ChoiceField(choices=list(WARNING_CODES), required=False, help_text="Of an accepted event.")


class EventReceipt(serializers.Serializer):
    """received = accepted + duplicate + conflict + rejected."""

    received = serializers.IntegerField()
    accepted = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    conflict = serializers.IntegerField()
    rejected = serializers.IntegerField()
    sandbox = serializers.BooleanField(required=False, help_text="true: sent with a sandbox token, so nothing was stored.")
    results = EventResult(many=True, help_text="Every event that was not simply accepted.")


class BatchOutput(serializers.Serializer):
    """The events of one source in one request, and what became of them."""

    id = serializers.IntegerField()
    source = serializers.CharField(source="source.code")  # type: ignore[assignment]
    day = serializers.DateField(help_text="Program day of recording.")
    recorded_at = serializers.DateTimeField()
    received = serializers.IntegerField(source="received_count")
    accepted = serializers.IntegerField(source="accepted_count")
    duplicate = serializers.IntegerField(source="duplicate_count")
    conflict = serializers.IntegerField(source="conflict_count")
    rejected = serializers.IntegerField(source="rejected_count")
    warnings = serializers.IntegerField(source="warning_count", help_text="How many of the accepted events had a warning.")


class OutcomesQuery(serializers.Serializer):
    """Parameters of outcomes."""

    to = serializers.DateField(help_text="The day after the last program day of recording; at most 400 days after `from`.")
    source = serializers.CharField(required=False, max_length=200, help_text="One source alone.")  # type: ignore[assignment]

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is a word of the language, so it cannot be written as an attribute."""
        return {"from": serializers.DateField(help_text="The first program day of recording."), **super().get_fields()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Not so many days that the answer takes long."""
        if (attrs["to"] - attrs["from"]).days > LONGEST_OUTCOMES:
            raise serializers.ValidationError({"to": f"At most {LONGEST_OUTCOMES} days at once."})
        return attrs


class OutcomeRow(serializers.Serializer):
    """What became of everything, events and messages, that one source sent with this token on one program day."""

    day = serializers.DateField(help_text="Program day of recording.")
    source = serializers.CharField()  # type: ignore[assignment]
    received = serializers.IntegerField(help_text="accepted + duplicate + conflict + rejected.")
    accepted = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    conflict = serializers.IntegerField()
    rejected = serializers.IntegerField()
    warnings = serializers.IntegerField(help_text="How many of the accepted events had a warning.")


class SourceInput(Body):
    """What a sender says of itself."""

    complete_through = serializers.DateTimeField(
        allow_null=True,
        help_text="Everything that happened before this instant was sent. null: the last event says it again.",
    )


class SourceOutput(serializers.Serializer):
    """One source."""

    source = serializers.CharField()  # type: ignore[assignment]
    complete_through = serializers.DateTimeField(
        allow_null=True, help_text="Before this instant nothing is missing; null while nothing is known."
    )
    stated = serializers.BooleanField(help_text="Whether the sender said so itself; else the last accepted event does.")
    last_event_at = serializers.DateTimeField(allow_null=True, help_text="When the latest accepted event or message happened.")
    rhythm = serializers.ChoiceField(choices=Rhythm.choices, help_text="How often something is expected of it.")
    silent_since = serializers.DateTimeField(allow_null=True, help_text="Since when more was expected of it.")


class MetricsQuery(serializers.Serializer):
    """Parameters of metrics, as the `metrics` command has them."""

    to = serializers.DateField(help_text="The day after the last program day.")
    by = serializers.CharField(
        required=False,
        help_text="Names, separated by commas: month, day, partner, offer, offer_type, category, country, source, "
        "segment, join_month, first_activation_month, or a kept attribute of members.",
    )
    where = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="name=value; may stand several times. The same name again: either.",
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is a word of the language, so it cannot be written as an attribute."""
        return {"from": serializers.DateField(help_text="The first program day."), **super().get_fields()}

    def validate_where(self, conditions: list[str]) -> dict[str, list[str]]:
        """Name to the values kept."""
        kept: dict[str, list[str]] = {}
        for condition in conditions:
            name, equals, value = condition.partition("=")
            if not equals or not name:
                raise serializers.ValidationError(f"{condition!r} is not a condition. Write name=value.")
            kept.setdefault(name, []).append(value)
        return kept


class MetricRow(serializers.Serializer):
    """
    One group: its key by the names asked for, whether it is suppressed, then every metric.

    Rates are numbers of at most 9 decimals or null; money is an object by currency of decimal strings.
    """

    suppressed = serializers.BooleanField(help_text="The group is too small to show; every metric is null.")

    def get_fields(self) -> dict[str, serializers.Field]:
        """Every metric there is, beside the above."""
        return {**super().get_fields(), **{key: describe_metric(metric) for key, metric in METRICS.items()}}


def describe_metric(metric: Metric) -> serializers.Field:
    """One metric as a field: its unit as a type, its formula in words."""
    options: dict[str, Any] = {"allow_null": True, "help_text": f"{metric.label}: {metric.formula}."}
    match metric.unit:
        case Unit.COUNT | Unit.MEMBERS:
            return serializers.IntegerField(**options)
        case Unit.RATIO:
            return serializers.FloatField(**options)
        case Unit.MONEY:
            return serializers.DictField(child=serializers.CharField(), **options)
        case Unit.RATIO_BY_CURRENCY:
            return serializers.DictField(child=serializers.FloatField(allow_null=True), **options)
        case _:
            return serializers.ListField(child=serializers.DictField(), **options)


class MetricsOutput(serializers.Serializer):
    """Figures and how fresh they are."""

    as_of = serializers.IntegerField(help_text="Number of the newest seal that counts.")
    recorded_stages = serializers.ListField(child=serializers.CharField())
    rows = MetricRow(many=True)


class FunnelStep(serializers.Serializer):
    """One stage of the funnel."""

    stage = serializers.CharField()
    pairs = serializers.IntegerField(help_text="Pairs of a member and an offer that came this far, in order.")
    members = serializers.IntegerField(help_text="Distinct members behind them.")


class FunnelRow(serializers.Serializer):
    """One group: its key by the names asked for, and how far its pairs came."""

    suppressed = serializers.BooleanField(help_text="The group is too small to show; its funnel is null.")
    funnel = FunnelStep(many=True, allow_null=True, help_text="The stages in order; empty where no pair began in the period.")


class FunnelOutput(serializers.Serializer):
    """The ordered funnel and how fresh it is."""

    as_of = serializers.IntegerField(help_text="Number of the newest seal that counts.")
    stages = serializers.ListField(child=serializers.CharField(), help_text="The recorded stages, in the program's order.")
    rows = FunnelRow(many=True)


class TimelineQuery(serializers.Serializer):
    """Why a timeline is read; the header Plum-Reason says it too."""

    reason = serializers.CharField(
        required=False, max_length=500, help_text="Why it is read; logged. Needed, here or in the header Plum-Reason."
    )


class TimelineEvent(serializers.Serializer):
    """One event, in the field names of an events file; absent values are null."""

    event_id = serializers.CharField(allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment]
    occurred_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField(allow_null=True)
    received_at = serializers.DateTimeField(allow_null=True)
    kind = serializers.CharField()
    status = serializers.CharField()
    reason_code = serializers.CharField(allow_null=True)
    partner = serializers.CharField()
    offer = serializers.CharField()
    spend_amount = serializers.CharField(allow_null=True)
    spend_currency = serializers.CharField(allow_null=True)
    reward_cost_amount = serializers.CharField(allow_null=True)
    reward_cost_currency = serializers.CharField(allow_null=True)
    transaction_ref = serializers.CharField(allow_null=True)
    reverses = serializers.CharField(allow_null=True)
    medium = serializers.CharField(allow_null=True)
    position = serializers.IntegerField(allow_null=True)


class LedgerEvent(TimelineEvent):
    """One event of the activity history; absent values are null."""

    id = serializers.IntegerField(help_text="Its place in the history: send it as `since` to read on from here.")
    member = serializers.CharField(
        allow_null=True,
        help_text="A reference that is the same in every answer to this program and is no outside id; null after an erasure.",
    )


class TimelineOutput(serializers.Serializer):
    """Everything one member did, in time order."""

    member = serializers.CharField(help_text="The outside id that was asked for.")
    events = TimelineEvent(many=True)


class CatalogQuery(serializers.Serializer):
    """Whose catalog, on which day. Without member, segment or attributes: the whole catalog, in everyone's order."""

    member = serializers.CharField(required=False, help_text="The outside id of a member.")
    segment = serializers.CharField(required=False, help_text="Code of a segment.")
    on = serializers.DateField(required=False, help_text="A program day; today where it is left out.")


class CatalogListing(serializers.Serializer):
    """The newest listing of an offer."""

    number = serializers.IntegerField()
    title = serializers.CharField()
    text = serializers.CharField()
    creative_url = serializers.CharField()
    terms = serializers.CharField()


class CatalogOffer(serializers.Serializer):
    """One offer at its place in the catalog."""

    position = serializers.IntegerField(help_text="From 1. Send it back as `position` of impression and viewed events.")
    offer = serializers.CharField()
    partner = serializers.CharField()
    partner_name = serializers.CharField()
    partner_category = serializers.CharField()
    offer_type = serializers.CharField()
    category = serializers.CharField(help_text="The offer's own, finer than the partner's.")
    face_value = serializers.CharField()
    face_value_currency = serializers.CharField()
    starts_on = serializers.DateField(allow_null=True)
    ends_on = serializers.DateField(allow_null=True)
    listing = CatalogListing(allow_null=True, help_text="What members read.")
