"""Rules and the policy: every change is a new version; what a cycle froze stays as it was."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from partners.models import Program
from plum_site.lib import audit
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import User
from plum_site.lib.people import works_in
from reviews.models import ReviewPolicy, Rule, RuleVersion
from reviews.rules import PolicySpec, RuleSpec, check_policy, check_rule, default_policy, default_rules
from reviews.selectors import policy_of, spec_of

LONGEST_NAME = 200


@transaction.atomic
def install_default_rules(*, program_id: int, actor: User | str, at: datetime) -> bool:
    """
    Give a program its first policy and rules, by its stage order; nothing where it has a policy already.

    True if they were installed.

    Raises: nothing.
    Writes: reviews_reviewpolicy, reviews_rule, reviews_ruleversion, plum_auditevent.
    Source: docs/rules/flags.md, docs/rules/standing.md
    """
    program = Program.objects.select_for_update().get(pk=program_id)
    if ReviewPolicy.objects.filter(program=program).exists():
        return False
    save_policy(program_id=program_id, policy=default_policy(program.stage_order), actor=actor, at=at)
    for rule in default_rules(program.stage_order):
        save_rule(program_id=program_id, name=rule.name, spec=rule.spec, actor=actor, at=at)
    return True


@transaction.atomic
def save_rule(
    *,
    program_id: int,
    name: str,
    spec: RuleSpec,
    actor: User | str,
    at: datetime,
    owner: User | None = None,
    backtest: dict[str, Any] | None = None,
) -> RuleVersion:
    """
    Make a rule, or its next version; a rule that was inactive is active again. The same text again changes nothing.

    owner: who is told of its flags; None for the partner's owner. backtest: what was shown before it was saved, kept with the
    version.

    Raises: InvalidInput - invalid_rule, with a sentence for each field at fault.
    Writes: reviews_rule, reviews_ruleversion, plum_auditevent.
    Source: docs/rules/flags.md
    """
    check_named_rule(program_id=program_id, name=name, spec=spec, owner=owner)
    Program.objects.select_for_update().get(pk=program_id)
    rule, created = Rule.objects.get_or_create(program_id=program_id, code=spec.code, defaults={"name": name, "created_at": at})
    newest = rule.versions.order_by("-number").select_related("owner").first()
    before = (
        None if newest is None else {**_as_audited(spec_of(newest), newest.owner), "name": rule.name, "active": rule.is_active}
    )
    after = {**_as_audited(spec, owner), "name": name, "active": True}
    if newest is not None and before == after:
        return newest
    if not created and (rule.name, rule.is_active) != (name, True):
        rule.name, rule.is_active = name, True
        rule.save(update_fields=["name", "is_active"])
    if newest is None or newest.digest != spec.digest or newest.owner != owner:
        newest = RuleVersion.objects.create(
            rule=rule,
            number=newest.number + 1 if newest else 1,
            target=spec.target,
            metric=spec.metric,
            direction=spec.direction,
            reference=spec.reference,
            threshold=spec.threshold,
            minimum_denominator=spec.minimum_denominator,
            lookback_months=spec.lookback_months,
            window_days=spec.window_days,
            persistence=spec.persistence,
            persistence_unit=spec.persistence_unit,
            cooldown=spec.cooldown,
            cooldown_unit=spec.cooldown_unit,
            is_strict=spec.is_strict,
            severity=spec.severity,
            owner=owner,
            backtest=backtest,
            digest=spec.digest,
            made_by=audit.actor_name(actor),
            made_at=at,
        )
    audit.record(program_id=program_id, actor=actor, action="reviews.save_rule", row=rule, at=at, before=before, after=after)
    return newest


def check_named_rule(*, program_id: int, name: str, spec: RuleSpec, owner: User | None) -> None:
    """
    Refuse what `save_rule` would refuse.

    Raises: InvalidInput - invalid_rule, with a sentence for each field at fault.
    Writes: nothing.
    """
    faults: dict[str, str] = {}
    try:
        check_rule(spec)
    except InvalidInput as error:
        faults |= error.fields
    if not name.strip() or len(name) > LONGEST_NAME:
        faults["name"] = f"Write a name of at most {LONGEST_NAME} letters."
    if owner is not None and not works_in(owner, program_id):
        faults["owner"] = f"{owner.username} has no role in this program. Choose somebody who has one."
    if faults:
        raise InvalidInput("invalid_rule", f"The rule {spec.code!r} was not saved: correct what is named.", faults)


def _as_audited(spec: RuleSpec, owner: User | None) -> dict[str, Any]:
    """What a version says, with its owner; persons stand in the log by number."""
    return {**spec.as_json(), "owner": None if owner is None else audit.actor_name(owner)}


@transaction.atomic
def deactivate_rule(*, program_id: int, code: str, actor: User | str, at: datetime) -> Rule:
    """
    Take a rule out of force for the cycles that are not frozen yet; `save_rule` brings it back.

    Raises: NotFound.
    Writes: reviews_rule, plum_auditevent. Nothing where it is inactive already.
    """
    rule = Rule.objects.select_for_update().filter(program_id=program_id, code=code).first()
    if rule is None:
        raise NotFound("rule", code)
    if rule.is_active:
        rule.is_active = False
        rule.save(update_fields=["is_active"])
        before, after = {"active": True}, {"active": False}
        audit.record(
            program_id=program_id, actor=actor, action="reviews.deactivate_rule", row=rule, at=at, before=before, after=after
        )
    return rule


@transaction.atomic
def activate_rule(*, program_id: int, code: str, actor: User | str, at: datetime) -> Rule:
    """
    Put a rule in force again as its newest version says.

    Raises: NotFound; InvalidInput - invalid_rule, where the version is one that is not allowed any more.
    Writes: reviews_rule, plum_auditevent. Nothing where it is active already.
    """
    rule = Rule.objects.select_for_update().filter(program_id=program_id, code=code).first()
    if rule is None:
        raise NotFound("rule", code)
    if not rule.is_active:
        version = rule.versions.select_related("rule").order_by("-number").first()
        if version is not None:
            check_rule(spec_of(version))
        rule.is_active = True
        rule.save(update_fields=["is_active"])
        before, after = {"active": False}, {"active": True}
        audit.record(
            program_id=program_id, actor=actor, action="reviews.activate_rule", row=rule, at=at, before=before, after=after
        )
    return rule


@transaction.atomic
def save_policy(*, program_id: int, policy: PolicySpec, actor: User | str, at: datetime) -> ReviewPolicy:
    """
    Put a new policy version in force for the cycles that are not frozen yet. The same policy again changes nothing.

    Raises: InvalidInput - invalid_policy, with a sentence for each field at fault.
    Writes: reviews_reviewpolicy, plum_auditevent.
    Source: docs/rules/standing.md
    """
    check_policy(policy)
    Program.objects.select_for_update().get(pk=program_id)
    newest = ReviewPolicy.objects.filter(program_id=program_id).order_by("-number").first()
    before = None if newest is None else policy_of(newest).as_json()
    after = policy.as_json()
    if newest is not None and before == after:
        return newest
    number = ReviewPolicy.objects.filter(program_id=program_id).aggregate(newest=Max("number", default=0))["newest"] + 1
    saved = ReviewPolicy.objects.create(
        program_id=program_id, number=number, made_by=audit.actor_name(actor), made_at=at, **after
    )
    audit.record(program_id=program_id, actor=actor, action="reviews.save_policy", row=saved, at=at, before=before, after=after)
    return saved
