from django.db import models


class EndpointState(models.TextChoices):
    """Active endpoints are sent what they chose; disabled ones wait for a person; removed ones are history."""

    ACTIVE = "active", "Active"
    DISABLED = "disabled", "Disabled"
    REMOVED = "removed", "Removed"
