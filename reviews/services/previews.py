"""Seeing before saving: a change of a rule or of the policy is computed in the background, shown, and saved from there."""

from datetime import datetime
from typing import Any

from django.db import transaction

from partners.models import Program
from plum_site.lib import audit, jobs
from plum_site.lib.choices import JobState
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import Job, User
from reviews.models import ReviewPolicy, RuleVersion
from reviews.rules import PolicySpec, RuleSpec, check_policy
from reviews.selectors import policy_of
from reviews.selectors.backtest import MONTHS
from reviews.selectors.previews import POLICY_PREVIEW, RULE_PREVIEW, get_policy_preview, get_rule_preview
from reviews.services.rules import check_named_rule, save_policy, save_rule


class UnableToSavePreview(DomainError):
    """The preview is not there yet, failed, or shows a change of something that was changed meanwhile."""


@transaction.atomic
def plan_rule_preview(
    *,
    program_id: int,
    name: str,
    spec: RuleSpec,
    owner: User | None,
    actor: User | str,
    at: datetime,
    is_new: bool = False,
    months: int = MONTHS,
) -> Job:
    """
    Have a rule tried on the closed months in the background, to be shown and then saved by `save_previewed_rule`.

    is_new: no rule of this code may be there.

    Raises: InvalidInput - invalid_rule, code_taken, with a sentence for each field at fault.
    Writes: plum_job.
    Source: docs/rules/backtest.md
    """
    check_named_rule(program_id=program_id, name=name, spec=spec, owner=owner)
    newest = _find_newest(program_id, spec.code)
    if is_new and newest is not None:
        sentence = f"There is a rule {spec.code!r} already: {newest.rule.name}. Change that one, or choose another code."
        raise InvalidInput("code_taken", sentence, {"code": sentence})
    arguments = {
        "program_id": program_id,
        "name": name,
        "rule": spec.as_json(),
        "owner_id": owner.pk if owner else None,
        "number": newest.number if newest else 0,
        "months": months,
    }
    return _plan(RULE_PREVIEW, spec.code, arguments, actor, at)


@transaction.atomic
def plan_policy_preview(*, program_id: int, policy: PolicySpec, actor: User, at: datetime) -> Job:
    """
    Have a policy tried on the newest month in the background, to be shown and then saved by `save_previewed_policy`.

    Raises: InvalidInput - invalid_policy, with a sentence for each field at fault.
    Writes: plum_job.
    Source: docs/rules/standing.md
    """
    check_policy(policy)
    newest = ReviewPolicy.objects.filter(program_id=program_id).order_by("-number").first()
    number = newest.number if newest else 0
    arguments = {"program_id": program_id, "policy": policy.as_json(), "number": number}
    return _plan(POLICY_PREVIEW, str(number + 1), arguments, actor, at)


@transaction.atomic
def save_previewed_rule(*, program_id: int, job_id: int, actor: User, at: datetime) -> RuleVersion:
    """
    Save a rule as it was previewed, with the back-test that was shown.

    Raises: NotFound; UnableToSavePreview - not_previewed, changed_meanwhile; InvalidInput as save_rule.
    Writes: what save_rule writes.
    """
    preview = get_rule_preview(program_id, job_id)
    _refuse_unseen(preview.job)
    Program.objects.select_for_update().get(pk=program_id)
    newest = _find_newest(program_id, preview.rule.code)
    if newest is not None and newest.number != preview.number:
        if (newest.digest, newest.owner_id, newest.rule.name) == (preview.rule.digest, preview.owner_id, preview.name):
            return newest  # the same preview, saved twice
        raise UnableToSavePreview(
            "changed_meanwhile",
            f"The rule {preview.rule.code!r} was changed after this preview. Nothing was saved. Change it anew.",
        )
    owner = User.objects.filter(pk=preview.owner_id).first() if preview.owner_id is not None else None
    return save_rule(
        program_id=program_id, name=preview.name, spec=preview.rule, actor=actor, at=at, owner=owner, backtest=preview.result
    )


@transaction.atomic
def save_previewed_policy(*, program_id: int, job_id: int, actor: User, at: datetime) -> ReviewPolicy:
    """
    Put a policy in force as it was previewed.

    Raises: NotFound; UnableToSavePreview - not_previewed, changed_meanwhile; InvalidInput as save_policy.
    Writes: what save_policy writes.
    """
    preview = get_policy_preview(program_id, job_id)
    _refuse_unseen(preview.job)
    Program.objects.select_for_update().get(pk=program_id)
    newest = ReviewPolicy.objects.filter(program_id=program_id).order_by("-number").first()
    if newest is not None and newest.number != preview.number:
        if policy_of(newest).as_json() == preview.policy.as_json():
            return newest  # the same preview, saved twice
        raise UnableToSavePreview(
            "changed_meanwhile", "Another policy was put in force after this preview. Nothing was saved. Write it anew."
        )
    return save_policy(program_id=program_id, policy=preview.policy, actor=actor, at=at)


def _plan(name: str, what: str, arguments: dict[str, Any], actor: User | str, at: datetime) -> Job:
    program_id: int = arguments["program_id"]
    key = f"{name}:{program_id}:{what}:{audit.actor_name(actor)}:{at.isoformat()}"
    return jobs.plan(name=name, key=key, program_id=program_id, arguments=arguments, due_at=at, at=at, max_attempts=2)


def _refuse_unseen(job: Job) -> None:
    if job.state == JobState.DONE:
        return
    if job.state == JobState.DEAD:
        raise UnableToSavePreview("not_previewed", "The preview failed. Nothing was saved. Start it again from the form.")
    raise UnableToSavePreview("not_previewed", "The preview is not ready yet. Nothing was saved. Wait until it is shown.")


def _find_newest(program_id: int, code: str) -> RuleVersion | None:
    versions = RuleVersion.objects.filter(rule__program_id=program_id, rule__code=code)
    return versions.select_related("rule").order_by("-number").first()
