"""What workers and announcing services call here: the channel of webhooks, and the listener that queues for them."""

from exports.rules import RETRY_DELAYS
from exports.services import deliver_webhook, hear_announcement
from plum_site.lib import announcements, jobs, outbox
from plum_site.lib.models import Outbox


@announcements.listener
def queue_webhooks(announcement: announcements.Announcement) -> None:
    """Messages for the endpoints that chose what was announced."""
    hear_announcement(announcement=announcement)


@outbox.channel("webhook", delays=RETRY_DELAYS)
def deliver(message: Outbox) -> outbox.Delivered:
    """One attempt, at the database's instant."""
    return deliver_webhook(message=message, at=jobs.database_now())
