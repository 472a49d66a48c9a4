"""Reads of what was sent, batch by batch."""

from django.db.models import QuerySet

from activity.models import IngestBatch


def list_batches_of_token(program_id: int, token_id: int) -> QuerySet[IngestBatch]:
    """
    What became of the events that one API token sent.

    Shape: IngestBatches with their source, newest first.
    """
    return IngestBatch.objects.filter(program_id=program_id, token_id=token_id).select_related("source").order_by("-id")
