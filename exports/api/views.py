"""The exports API: webhooks and what became of their messages."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet

from exports.api.serializers import DeliveryOutput, WebhookOutput
from exports.models import WebhookDelivery, WebhookEndpoint
from exports.selectors import get_endpoint, list_deliveries, list_endpoints
from plum_site.lib.api import ListView


class WebhooksView(ListView):
    """The webhooks of the token's program, by name. They are made and changed in the console."""

    operations: ClassVar = {"GET": "webhook.read"}
    Output = WebhookOutput
    order = ("name", "id")

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[WebhookEndpoint]:
        """All that were not removed."""
        return list_endpoints(self.program_id)


class DeliveriesView(ListView):
    """The messages to one webhook, newest first."""

    operations: ClassVar = {"GET": "webhook.read"}
    Output = DeliveryOutput
    order = ("-id",)

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[WebhookDelivery]:
        """Every message, with how its last attempt went."""
        endpoint = get_endpoint(self.program_id, self.kwargs["uuid"])
        return list_deliveries(endpoint.deliveries.all())
