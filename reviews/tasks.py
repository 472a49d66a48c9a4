"""What workers do for the monthly review: each is one service call, safe to run twice."""

from datetime import date
from typing import Any

from partners.models import Program
from plum_site.lib import jobs
from plum_site.lib.audit import SYSTEM
from plum_site.lib.models import User
from reviews.rules import PolicySpec, RuleSpec
from reviews.selectors import MOST_KEPT, backtest_rule, compare_policies
from reviews.selectors.backtest import MONTHS
from reviews.services import (
    check_sources,
    consolidate_cycle,
    evaluate_running_month,
    plan_due_report,
    plan_evaluation,
    remind_owners,
    send_report,
)
from reviews.services.actions import (
    EXECUTE,
    LOWER,
    SEND_PUSH,
    execute_action,
    lower_by_time,
    measure_due_actions,
    remind_of_actions,
    send_push,
)
from reviews.services.evaluation import EVALUATE
from reviews.services.replacements import mailing  # noqa: F401 - registers the channel of notices to holders
from reviews.services.replacements.approving import CUT_OVER
from reviews.services.replacements.cutover import cut_over
from reviews.services.replacements.holders import TELL_HOLDERS, tell_holders
from reviews.services.replacements.notices import remind_of_replacements

SEALED = "activity.seal_ledger"
FOLLOW = "reviews.follow_ledger"


@jobs.wakeable(FOLLOW, follows=SEALED)
def follow_ledger(*, program_id: int, **_: Any) -> None:
    """Plan the evaluation of a running month that events were sealed in, or come again in a second."""
    if not plan_evaluation(program_id=program_id, at=jobs.database_now()):
        jobs.wake(FOLLOW, program_id=program_id)


@jobs.handler(EVALUATE)
def evaluate_month(job: jobs.RunningJob, *, program_id: int, **_: Any) -> dict[str, Any]:
    """Consolidate the running month of one program with what is sealed by now."""
    cycle = evaluate_running_month(program_id=program_id, at=job.at, progress=job.progress)
    return {"cycle": cycle.pk, "cutoff": cycle.cutoff} if cycle is not None else {"cycle": None}


@jobs.handler("reviews.consolidate_month")
def consolidate_month(
    job: jobs.RunningJob, *, program_id: int, month: str, asked_by: int | None = None, **_: Any
) -> dict[str, Any]:
    """Score every partner of one program for one month. asked_by: the person who asked for it by hand."""
    month_start_date = date.fromisoformat(month)
    person = User.objects.filter(pk=asked_by).first() if asked_by is not None else None
    actor = person or SYSTEM
    cycle = consolidate_cycle(
        program_id=program_id, month_start_date=month_start_date, actor=actor, at=job.at, progress=job.progress
    )
    plan_due_report(program_id=program_id, at=job.at)
    return {"cycle": cycle.pk, "state": cycle.state, "digest": cycle.digest}


@jobs.handler("reviews.check_sources")
def look_for_gaps(job: jobs.RunningJob, *, program_id: int, **_: Any) -> dict[str, Any]:
    """Look which sources should have sent events and did not."""
    return {"new_gaps": len(check_sources(program_id=program_id, at=job.at))}


@jobs.handler(EXECUTE)
def carry_out_action(job: jobs.RunningJob, *, action_id: int, revision: int, **_: Any) -> dict[str, Any]:
    """Carry out one approved action, if it still waits as it was approved."""
    return {"state": execute_action(action_id=action_id, revision=revision, at=job.at).state}


@jobs.handler(LOWER)
def lower_approvals(job: jobs.RunningJob, *, request_id: int, **_: Any) -> dict[str, Any]:
    """Put approvals that ask for less in force, if a day has passed and nobody has answered."""
    return {"state": lower_by_time(request_id=request_id, at=job.at).state}


@jobs.handler("reviews.measure_actions")
def measure_actions(job: jobs.RunningJob, *, program_id: int, **_: Any) -> dict[str, Any]:
    """Say what became of the actions of one program whose window is over."""
    return {"measured": measure_due_actions(program_id=program_id, at=job.at)}


@jobs.handler("reviews.remind_of_actions")
def remind_of_proposals(job: jobs.RunningJob, *, program_id: int, **_: Any) -> dict[str, Any]:
    """Tell owners, and admins where it needs them, which corrective actions are overdue for a decision."""
    return {"messages": remind_of_actions(program_id=program_id, at=job.at)}


@jobs.handler(CUT_OVER)
def carry_out_cutover(job: jobs.RunningJob, *, replacement_id: int, revision: int, **_: Any) -> dict[str, Any]:
    """Carry out one scheduled cutover, if it still waits as it was scheduled."""
    return {"state": cut_over(replacement_id=replacement_id, revision=revision, at=job.at).state}


@jobs.handler(TELL_HOLDERS)
def tell_waiting_holders(job: jobs.RunningJob, *, replacement_id: int, **_: Any) -> dict[str, Any]:
    """Tell members who hold an old offer until when it can be activated; doing it again goes on where it stopped."""
    return {"members": tell_holders(replacement_id=replacement_id, at=job.at, progress=job.progress)}


@jobs.handler("reviews.remind_of_replacements")
def remind_of_steps(job: jobs.RunningJob, *, program_id: int, **_: Any) -> dict[str, Any]:
    """Tell whoever has to do a step of a replacement that it is due."""
    return {"messages": remind_of_replacements(program_id=program_id, at=job.at)}


@jobs.handler(SEND_PUSH)
def send_waiting_push(job: jobs.RunningJob, *, action_id: int, **_: Any) -> dict[str, Any]:
    """Put what waits of a push into the outbox; doing it again goes on where it stopped."""
    return {"settled": send_push(action_id=action_id, at=job.at, progress=job.progress)}


@jobs.handler("reviews.send_report")
def send_monthly_report(job: jobs.RunningJob, *, cycle_id: int, kind: str, **_: Any) -> dict[str, Any]:
    """Put one message a recipient into the outbox; doing it again goes on where it stopped."""
    messages = send_report(cycle_id=cycle_id, kind=kind, actor=SYSTEM, at=job.at, progress=job.progress)
    return {"messages": messages}


@jobs.handler("reviews.remind_owners")
def remind_of_decisions(job: jobs.RunningJob, *, program_id: int, **_: Any) -> dict[str, Any]:
    """Tell owners, and later the admins, what waits for a decision past the report day."""
    return {"messages": remind_owners(program_id=program_id, at=job.at)}


@jobs.handler("reviews.backtest_rule")
def preview_rule(
    job: jobs.RunningJob, *, program_id: int, rule: dict[str, Any], months: int = MONTHS, **_: Any
) -> dict[str, Any]:
    """Try a rule on the closed months; the result is what the preview shows and what is kept with the version."""
    program = Program.objects.get(pk=program_id)
    return backtest_rule(program, RuleSpec.from_json(rule), months, job.progress).as_json(MOST_KEPT)


@jobs.handler("reviews.preview_policy")
def preview_policy(job: jobs.RunningJob, *, program_id: int, policy: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Try a policy on the newest month."""
    return compare_policies(Program.objects.get(pk=program_id), PolicySpec.from_json(policy))
