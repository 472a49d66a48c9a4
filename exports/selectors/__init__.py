"""Questions about what leaves Plum."""

from exports.selectors.choices import list_filters, list_periods
from exports.selectors.exports import (
    describe_export,
    find_export,
    get_export,
    list_expired,
    list_exports,
    list_ready,
    list_stuck,
)
from exports.selectors.rows import Selection, check_filters, make_selection, read_parts, read_totals
from exports.selectors.webhooks import choosable_types, get_endpoint, list_deliveries, list_endpoints, list_receivers

__all__ = [
    "Selection",
    "check_filters",
    "choosable_types",
    "describe_export",
    "find_export",
    "get_endpoint",
    "get_export",
    "list_deliveries",
    "list_endpoints",
    "list_expired",
    "list_exports",
    "list_filters",
    "list_periods",
    "list_ready",
    "list_receivers",
    "list_stuck",
    "make_selection",
    "read_parts",
    "read_totals",
]
