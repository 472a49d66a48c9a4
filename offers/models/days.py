"""What the clock did to a catalog, day by day."""

from django.db import models

from partners.models import Program


class CatalogDay(models.Model):
    """
    A program day that the catalog has been turned to: offers whose dates it begins or ends were told of, once.

    The newest one says how far a program is; days on which nothing ran are made up for by the next one. Append-only.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="catalog_days")
    local_date = models.DateField()
    started_count = models.PositiveIntegerField()
    ended_count = models.PositiveIntegerField()
    turned_at = models.DateTimeField()

    class Meta:
        ordering = ["program", "-local_date"]
        constraints = [models.UniqueConstraint(fields=["program", "local_date"], name="offers_catalogday_once")]

    def __str__(self) -> str:
        return f"{self.program} {self.local_date}"
