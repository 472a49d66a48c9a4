"""What the exports API takes and answers."""

from typing import Any

from rest_framework import serializers

from exports.choices import EndpointState, ExportFormat, ExportState
from exports.models import Export, WebhookEndpoint
from exports.rules import shown_address
from exports.services import list_files
from plum_site.lib.announcements import address_of
from plum_site.lib.api_writes import Body
from plum_site.lib.choices import AttemptStatus, OutboxState


class WebhookOutput(serializers.Serializer):
    """One webhook, without its secret."""

    id = serializers.UUIDField(source="uuid")
    name = serializers.CharField()
    url = serializers.SerializerMethodField(help_text="The address without its query.")
    types = serializers.ListField(child=serializers.CharField())
    state = serializers.ChoiceField(choices=EndpointState.choices)
    reason = serializers.CharField(help_text="Why it is disabled; empty while it is active.")
    first_failed_at = serializers.DateTimeField(allow_null=True, help_text="Since when every attempt has failed.")

    def get_url(self, endpoint: WebhookEndpoint) -> str:
        """Keys that stand in the query stay in the console."""
        return shown_address(endpoint.url)


class DeliveryOutput(serializers.Serializer):
    """One message to a webhook, and how its last attempt went."""

    id = serializers.CharField(source="message.message_id", help_text="The webhook-id that the receiver saw.")
    type = serializers.CharField()
    created_at = serializers.DateTimeField()
    state = serializers.ChoiceField(choices=OutboxState.choices, source="message.state")
    attempts = serializers.IntegerField(source="message.attempts")
    next_attempt_at = serializers.SerializerMethodField(help_text="When it is tried next; null once it has ended.")
    last_attempt_at = serializers.DateTimeField(source="last_at", allow_null=True)
    last_status = serializers.ChoiceField(choices=AttemptStatus.choices, allow_null=True)
    last_answer = serializers.CharField(source="last_detail", allow_null=True, help_text="4,000 characters at most, for 30 days.")
    last_milliseconds = serializers.IntegerField(allow_null=True)

    def get_next_attempt_at(self, delivery: Any) -> str | None:
        """The due instant of a message that waits."""
        if delivery.message.state != OutboxState.WAITING:
            return None
        return serializers.DateTimeField().to_representation(delivery.message.due_at)


class FiltersField(serializers.DictField):
    """Dimension to the values that are kept: a text, or a list of texts."""

    child = serializers.JSONField()

    def to_internal_value(self, data: Any) -> dict[str, list[str]]:
        """Lists of texts."""
        kept = {}
        for name, values in super().to_internal_value(data).items():
            listed = [values] if isinstance(values, str) else values
            if not isinstance(listed, list) or not all(isinstance(value, str) for value in listed):
                raise serializers.ValidationError({name: ["Send a text or a list of texts."]})
            kept[name] = listed
        return kept


class ExportInput(Body):
    """Which events, and how they are written."""

    to = serializers.DateField(help_text="The program day after the last.")
    format = serializers.ChoiceField(choices=ExportFormat.choices, default=ExportFormat.CSV)
    filters = FiltersField(
        required=False,
        default=dict,
        help_text="Keeps events by partner, offer, offer_type, category, country, source, segment, kind, status, join_month, "
        "first_activation_month or a kept attribute of members.",
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is a word of Python, so it is added here."""
        return {"from": serializers.DateField(help_text="First program day."), **super().get_fields()}


class ExportOutput(serializers.Serializer):
    """One export: what was asked for, and how far it is."""

    id = serializers.UUIDField(source="uuid")
    state = serializers.ChoiceField(choices=ExportState.choices)
    format = serializers.ChoiceField(choices=ExportFormat.choices)
    filters = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))
    identified = serializers.BooleanField(source="is_identified", help_text="Whether it holds the members' outside ids.")
    asked_by = serializers.CharField(help_text="user:ID, token:ID or system.")
    asked_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True, help_text="When the files are removed.")
    rows = serializers.IntegerField(allow_null=True)
    bytes = serializers.IntegerField(allow_null=True, help_text="Of the data files, not packed.")
    sha256 = serializers.CharField(help_text="Of datapackage.json, which names the hashes of all other files.")
    error = serializers.CharField(help_text="Why it failed; empty otherwise.")
    files = serializers.SerializerMethodField(help_text="What the package consists of, while it is ready.")
    download_url = serializers.SerializerMethodField(help_text="Where the package is, while it is ready.")

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is a word of Python, so it is added here."""
        period = {
            "from": serializers.DateField(source="starts_date", help_text="First program day."),
            "to": serializers.DateField(source="ends_date", help_text="The program day after the last."),
        }
        return {**period, **super().get_fields()}

    def get_files(self, export: Export) -> list[str]:
        """Paths within the package."""
        return list_files(export=export)

    def get_download_url(self, export: Export) -> str | None:
        """The whole address."""
        return address_of("api:export_download", export.uuid) if export.state == ExportState.READY else None


class DownloadQuery(serializers.Serializer):
    """What is downloaded."""

    file = serializers.CharField(
        required=False, max_length=200, help_text="One file of the package, such as datapackage.json; all of it as a zip without."
    )
