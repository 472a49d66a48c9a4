"""The pages of activity: the dashboard with its definitions, and the timeline of one member."""

from activity.pages import dashboard, definitions, lookup, timeline

__all__ = ["dashboard", "definitions", "lookup", "timeline"]  # importing them registers them
