"""Rules and the policy: every change is a new version; what a cycle froze stays as it was."""

from datetime import datetime

from django.db import transaction
from django.db.models import Max

from partners.models import Program
from plum_site.lib import audit
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import User
from reviews.models import ReviewPolicy, Rule, RuleVersion
from reviews.rules import PolicySpec, RuleSpec, check_policy, check_rule, default_policy, default_rules
from reviews.selectors import policy_of, spec_of


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
def save_rule(*, program_id: int, name: str, spec: RuleSpec, actor: User | str, at: datetime) -> RuleVersion:
    """
    Make a rule, or its next version; a rule that was inactive is active again. The same text again changes nothing.

    Raises: InvalidInput - invalid_rule, with a sentence for each field at fault.
    Writes: reviews_rule, reviews_ruleversion, plum_auditevent.
    Source: docs/rules/flags.md
    """
    check_rule(spec)
    if not name.strip() or len(name) > 200:
        raise InvalidInput(
            "invalid_rule", f"The rule {spec.code!r} was not saved.", {"name": "Write a name of at most 200 letters."}
        )
    Program.objects.select_for_update().get(pk=program_id)
    rule, created = Rule.objects.get_or_create(program_id=program_id, code=spec.code, defaults={"name": name, "created_at": at})
    newest = rule.versions.order_by("-number").first()
    before = None if newest is None else {**spec_of(newest).as_json(), "name": rule.name, "active": rule.is_active}
    after = {**spec.as_json(), "name": name, "active": True}
    if newest is not None and before == after:
        return newest
    if not created and (rule.name, rule.is_active) != (name, True):
        rule.name, rule.is_active = name, True
        rule.save(update_fields=["name", "is_active"])
    if newest is None or newest.digest != spec.digest:
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
            digest=spec.digest,
            made_by=audit.actor_name(actor),
            made_at=at,
        )
    audit.record(program_id=program_id, actor=actor, action="reviews.save_rule", row=rule, at=at, before=before, after=after)
    return newest


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
