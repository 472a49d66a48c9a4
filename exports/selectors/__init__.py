"""Questions about what leaves Plum."""

from exports.selectors.webhooks import choosable_types, get_endpoint, list_deliveries, list_endpoints, list_receivers

__all__ = ["choosable_types", "get_endpoint", "list_deliveries", "list_endpoints", "list_receivers"]
