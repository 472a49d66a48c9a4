"""Asking for an export, and asking again for one that failed."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from django.db import transaction

from exports.choices import ExportFormat, ExportState
from exports.models import Export
from exports.selectors.exports import describe_export
from exports.selectors.rows import make_selection
from exports.workflow import TRANSITIONS
from partners.models import Program
from plum_site.lib import audit, jobs
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import User
from plum_site.lib.workflow import find_transition

JOB = "exports.write_export"
SHORTEST_REASON = 3
LATER = ("parquet", "xlsx")


@transaction.atomic
def request_export(
    *,
    program_id: int,
    starts_date: date,
    ends_date: date,
    format: str,
    filters: Mapping[str, Sequence[str]],
    actor: User | str,
    at: datetime,
    is_identified: bool = False,
    reason: str = "",
    in_background: bool = True,
) -> Export:
    """
    Ask for the events of `[starts_date, ends_date)` as a package; a worker writes it.

    is_identified: the outside id in place of a pseudonym; it needs a reason. in_background: whether a job is planned;
    a command that writes the package itself says no.
    Raises: InvalidInput - unknown_format, empty_period, period_too_long, reason_missing, and those of filters.
    Writes: exports_export, plum_job, plum_auditevent; one transaction.
    Source: docs/exports.md
    """
    program = Program.objects.get(pk=program_id)
    check_format(format)
    # The cut-off is not known yet; the period and the filters are checked all the same.
    selection = make_selection(program, starts_date, ends_date, filters, 0)
    why = reason.strip()[:500]
    if is_identified and len(why) < SHORTEST_REASON:
        sentence = "Say why outside ids are needed, in a few words; the reason is logged with your name. Nothing was started."
        raise InvalidInput("reason_missing", sentence, {"reason": sentence})
    export = Export.objects.create(
        program=program,
        asked_by=audit.actor_name(actor),
        asked_at=at,
        reason=why,
        starts_date=starts_date,
        ends_date=ends_date,
        filters=selection.filters,
        format=format,
        is_identified=is_identified,
    )
    if in_background:
        _plan(export, at)
    after = describe_export(export)
    audit.record(program_id=program_id, actor=actor, action="exports.request_export", row=export, at=at, after=after, comment=why)
    return export


@transaction.atomic
def retry_export(*, export_id: int, actor: User | str, at: datetime) -> Export:
    """
    Have an export that failed written after all, with everything recorded by then.

    Raises: NotFound; DomainError - transition_refused.
    Writes: exports_export, plum_job, plum_auditevent; one transaction.
    """
    export = lock_export(export_id)
    find_transition(TRANSITIONS, "retry", export.state)
    before = {"state": str(export.state), "error": export.error}
    export.state, export.error, export.cutoff, export.started_at = ExportState.REQUESTED, "", None, None
    export.attempt, export.finished_at = export.attempt + 1, None
    _plan(export, at)
    export.save()
    audit.record(
        program_id=export.program_id,
        actor=actor,
        action="exports.retry_export",
        row=export,
        at=at,
        before=before,
        after={"state": str(export.state)},
    )
    return export


def lock_export(export_id: int) -> Export:
    """
    One export, locked until the end of the transaction.

    Raises: NotFound.
    Writes: nothing.
    """
    export = Export.objects.select_for_update(of=("self",)).select_related("program").filter(pk=export_id).first()
    if export is None:
        raise NotFound("export", export_id)
    return export


def check_format(format: str) -> None:
    """
    Refuse a format that exports do not have.

    Raises: InvalidInput - unknown_format.
    Writes: nothing.
    """
    if format in ExportFormat.values:
        return
    known = ", ".join(ExportFormat.values)
    why = "is not written by this version of Plum yet" if format in LATER else "is no format of exports"
    sentence = f"{format!r} {why}. Nothing was started. Choose one of: {known}."
    raise InvalidInput("unknown_format", sentence, {"format": sentence})


def _plan(export: Export, at: datetime) -> None:
    job = jobs.plan(
        name=JOB,
        key=f"{JOB}:{export.uuid}:{export.attempt}",
        program_id=export.program_id,
        arguments={"export_id": export.pk},
        due_at=at,
        at=at,
    )
    export.job_id = job.pk
    export.save(update_fields=["job_id"])
