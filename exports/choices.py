from django.db import models


class EndpointState(models.TextChoices):
    """Active endpoints are sent what they chose; disabled ones wait for a person; removed ones are history."""

    ACTIVE = "active", "Active"
    DISABLED = "disabled", "Disabled"
    REMOVED = "removed", "Removed"


class ExportState(models.TextChoices):
    """Where an export stands. The row is kept for ever, the files until it expires."""

    REQUESTED = "requested", "Waiting"
    RUNNING = "running", "Being written"
    READY = "ready", "Ready"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "Expired"


class ExportFormat(models.TextChoices):
    """How the rows of an export are written."""

    CSV = "csv", "CSV"
    JSONL = "jsonl", "JSON Lines"
