"""What processes of a lab are asked to do with months: make a history of them, sweep as beat does, work as workers do."""

from datetime import UTC, datetime

import plum_site.tasks  # noqa: F401 - registers every handler, as a worker does
from activity.choices import Origin
from activity.rules import check_event
from activity.services import record_events
from partners.models import Program
from plum_site import schedule
from plum_site.lib import jobs
from plum_site.lib.choices import JobState
from plum_site.lib.models import Job
from reviews.services import check_sources
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import make_program
from tests.faults.dying import wait_to_begin

CODE = "months"
BEGAN_AT = datetime(2026, 1, 10, tzinfo=UTC)
ALIVE_AT = datetime(2026, 2, 4, tzinfo=UTC)  # the last time that beat was heard of
BACK_AT = datetime(2026, 5, 20, tzinfo=UTC)  # and the next one, three months later
MONTHS = ["2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01", "2026-05-01"]


def history() -> None:
    """A program with some events in every month; beat and worker were there until the beginning of February."""
    program = make_program(CODE, recorded_stages=["viewed"], at=BEGAN_AT)
    make_partner(program, "P1")
    make_offer(program, "O1", partner_external_id="P1")
    days = [f"2026-0{month}-{day:02d}" for month in range(1, 6) for day in (11, 12, 13)]
    rows = [{"event_id": day, "occurred_at": f"{day}T10:00:00Z", "kind": "viewed", "member": "M1", "offer": "O1"} for day in days]
    checked = [check_event(row, source="file", at=BACK_AT) for row in rows]
    record_events(program=program, events=checked, origin=Origin.FILE, at=BACK_AT)
    schedule.dispatch_due(ALIVE_AT)
    _work(ALIVE_AT)
    check_sources(program_id=program.pk, at=ALIVE_AT)


def beat() -> None:
    """Say `ready`, wait to be told, sweep, at an instant three months after the last sweep."""
    wait_to_begin()
    print(schedule.dispatch_due(BACK_AT))


def work() -> None:
    """Say `ready`, wait to be told, take every job there is, as often as one finds one; print how they ended."""
    wait_to_begin()
    print(",".join(_work(BACK_AT)))


def _work(at: datetime) -> list[str]:
    # The lab's other program was made today: at the instants of this one it has not begun.
    own = Program.objects.get(code=CODE).pk
    jobs_of_months = Job.objects.filter(name="reviews.consolidate_month", program_id=own, state=JobState.DUE)
    due = jobs_of_months.filter(due_at__lte=at).order_by("key")
    return [jobs.run_job(job.pk, at) for job in list(due)]
