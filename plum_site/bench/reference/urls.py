"""One address: a list is stored by one `bulk_create`, one event by one `save`."""

from typing import Any, ClassVar

from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from plum_site.bench.reference.models import ReferenceEvent


class BulkSerializer(serializers.ListSerializer[Any]):
    """Stores all rows in one statement."""

    def create(self, validated_data: list[dict[str, Any]]) -> list[ReferenceEvent]:
        """One INSERT for the whole request."""
        return ReferenceEvent.objects.bulk_create([ReferenceEvent(**row) for row in validated_data])


class EventSerializer(serializers.ModelSerializer[ReferenceEvent]):
    """Every field as the model has it."""

    class Meta:
        model = ReferenceEvent
        list_serializer_class = BulkSerializer
        fields: ClassVar = [
            "event_id", "member", "offer", "attribute_set", "kind", "status", "occurred_at", "spend_minor", "spend_currency",
            "transaction_ref", "medium", "position",
        ]  # fmt: skip


class EventsView(APIView):
    """Takes one event or a list of them."""

    def post(self, request: Request) -> Response:
        """Check, store, and say how many there were."""
        many = isinstance(request.data, list)
        serializer = EventSerializer(data=request.data, many=many)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return Response({"stored": len(request.data) if many else 1}, status=201)


urlpatterns = [path("events", EventsView.as_view())]
