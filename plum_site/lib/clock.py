"""The one place that reads the clock. Interfaces call it and pass the instant on as `at`."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present instant, aware, UTC, in microseconds."""
    return datetime.now(UTC)
