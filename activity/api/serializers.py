"""The answers and parameters of the activity API, for reading, writing and its description."""

from rest_framework import serializers

from activity.choices import Outcome


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
    code = serializers.CharField(required=False, help_text="Why it was not taken, for programs.")
    pointer = serializers.CharField(required=False, help_text="Where in the event, as a JSON pointer.")
    detail = serializers.CharField(required=False, help_text="Why it was not taken, for people.")
    warning = serializers.CharField(required=False, help_text="Of an accepted event: outside_offer_dates.")


class EventReceipt(serializers.Serializer):
    """received = accepted + duplicate + conflict + rejected."""

    received = serializers.IntegerField()
    accepted = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    conflict = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = EventResult(many=True, help_text="Every event that was not simply accepted.")


class BatchOutput(serializers.Serializer):
    """The events of one source in one request, and what became of them."""

    id = serializers.IntegerField()
    source = serializers.CharField(source="source.code")
    day = serializers.DateField(help_text="Program day of recording.")
    recorded_at = serializers.DateTimeField()
    received = serializers.IntegerField(source="received_count")
    accepted = serializers.IntegerField(source="accepted_count")
    duplicate = serializers.IntegerField(source="duplicate_count")
    conflict = serializers.IntegerField(source="conflict_count")
    rejected = serializers.IntegerField(source="rejected_count")
