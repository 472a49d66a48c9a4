"""Segments: rules over member attributes."""

from django.db import models

from partners.models import Program


class Segment(models.Model):
    """
    A named rule over member attributes, evaluated as of a date: every condition must hold.

    `rule` is a list of {"attribute", "operator": "is"|"is_not", "values": [text, ...]}; "" stands for unknown.
    `ranking_priority`: of the segments with a ranking of their own that a member is in, the one with the lowest number
    decides the order; empty while there never was such a ranking.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="segments")
    code = models.SlugField(max_length=60)
    name = models.CharField(max_length=200)
    rule = models.JSONField(default=list)
    ranking_priority = models.IntegerField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["program", "code"], name="offers_segment_once")]

    def __str__(self) -> str:
        return self.name
