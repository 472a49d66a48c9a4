"""The pages of activity: the dashboard with its definitions, the timeline of one member, outcomes, messages, the quarantine."""

from activity.pages import dashboard, definitions, lookup, messages, outcomes, quarantine, timeline

__all__ = [
    "dashboard",
    "definitions",
    "lookup",
    "messages",
    "outcomes",
    "quarantine",
    "timeline",
]  # importing them registers them
