"""Pictures that were brought to the catalog."""

from django.db import models
from django.db.models import Q

from partners.models import Program


class Creative(models.Model):
    """
    One picture, as it was re-encoded; its file is named after the SHA-256 of its bytes. Never changed.

    The same picture brought twice is one row of a program and one file of the installation. What no listing shows a week
    after it was brought goes again.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="creatives")
    sha256 = models.CharField(max_length=64)
    extension = models.CharField(max_length=4)
    width = models.PositiveIntegerField(help_text="In pixels.")
    height = models.PositiveIntegerField(help_text="In pixels.")
    size_bytes = models.PositiveIntegerField()
    brought_at = models.DateTimeField()
    brought_by = models.CharField(max_length=200)

    class Meta:
        ordering = ["-brought_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["program", "sha256"], name="offers_creative_once"),
            models.CheckConstraint(condition=Q(extension__in=("jpg", "png")), name="offers_creative_extension_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The name of its file, which is the last part of its address."""
        return f"{self.sha256}.{self.extension}"
