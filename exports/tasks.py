"""What workers and announcing services call here: exports, the channel of webhooks, and the listener that queues for them."""

from typing import Any

from exports.models import Export
from exports.rules import RETRY_DELAYS
from exports.services import deliver_webhook, fail_export, hear_announcement, run_export, tidy_exports
from plum_site.lib import access, announcements, clock, jobs, outbox
from plum_site.lib.audit import SYSTEM
from plum_site.lib.models import Outbox


@announcements.listener
def queue_webhooks(announcement: announcements.Announcement) -> None:
    """Messages for the endpoints that chose what was announced."""
    hear_announcement(announcement=announcement)


@outbox.channel("webhook", delays=RETRY_DELAYS)
def deliver(message: Outbox) -> outbox.Delivered:
    """One attempt, at the database's instant."""
    return deliver_webhook(message=message, at=jobs.database_now())


@jobs.handler("exports.write_export")
def write_export(job: jobs.RunningJob, *, export_id: int, **_: Any) -> dict[str, Any]:
    """Write one package, if whoever asked for it may still have it."""
    export = Export.objects.get(pk=export_id)
    operation = "export.identified" if export.is_identified else "export.request"
    if not access.may(access.actor_named(export.asked_by), operation, export.program_id):
        error = "Whoever asked for it may no longer export from this program. Nothing was written."
        export = fail_export(export_id=export_id, error=error, actor=SYSTEM, at=job.at)
    else:
        export = run_export(export_id=export_id, actor=SYSTEM, at=job.at, progress=job.progress)
    return {"export": str(export.uuid), "state": str(export.state), "rows": export.rows}


@jobs.wakeable("exports.tidy_exports")
def tidy(**_: Any) -> None:
    """Remove what has expired."""
    tidy_exports(at=clock.now())
