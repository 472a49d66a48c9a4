"""Webhook endpoints, made by the service."""

from typing import Any

from exports.models import WebhookEndpoint
from exports.services import add_endpoint
from partners.models import Program
from plum_site.lib.announcements import TYPES
from tests.factories.programs import CREATED_AT

PUBLIC = "https://8.8.8.8/hook"  # an address, so that nothing is looked up


def make_endpoint(program: Program, **values: Any) -> WebhookEndpoint:
    """An endpoint that chose everything, unless `values` says otherwise."""
    return make_endpoint_and_secret(program, **values)[0]


def make_endpoint_and_secret(program: Program, **values: Any) -> tuple[WebhookEndpoint, str]:
    """The endpoint and the secret that is shown once."""
    types = [kind.name for kind in TYPES.values() if kind.is_made]
    defaults: dict[str, Any] = {"name": "Warehouse", "url": PUBLIC, "types": types, "actor": "system", "at": CREATED_AT}
    return add_endpoint(program_id=program.pk, **(defaults | values))
