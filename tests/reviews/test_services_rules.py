"""Rules and policies change by new versions, and a frozen review keeps the ones that it was made with."""

from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from partners.models import Program
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import AuditEvent, User
from reviews.models import Flag, ReviewPolicy, Rule, RuleVersion
from reviews.rules import default_policy, default_rules
from reviews.selectors import list_rules_in_force, policy_of, spec_of
from reviews.services import activate_rule, deactivate_rule, install_default_rules, replay, save_policy, save_rule
from tests.factories.people import make_member_of_staff, make_person
from tests.factories.reviews import APRIL, GOOD, IN_JULY, JUNE, MAY, make_reviewable_program, record_month, reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

DEFAULTS = default_rules("view_first")
SPEC = next(rule.spec for rule in DEFAULTS if rule.spec.code == "unlock_rate_fall")


@pytest.fixture
def program() -> Program:
    program = make_reviewable_program("P1")
    install_default_rules(program_id=program.pk, actor="system", at=IN_JULY)
    return program


def save(program: Program, name: str = "Unlock rate fell", **changes: object) -> RuleVersion:
    return save_rule(program_id=program.pk, name=name, spec=replace(SPEC, **changes), actor="system", at=IN_JULY)  # type: ignore[arg-type]


def test_defaults_are_installed_once(program: Program) -> None:
    assert install_default_rules(program_id=program.pk, actor="system", at=IN_JULY) is False

    assert {spec_of(version) for version in list_rules_in_force(program.pk)} == {rule.spec for rule in DEFAULTS}
    policy = ReviewPolicy.objects.get(program=program)
    assert policy_of(policy).as_json() == default_policy("view_first").as_json()
    assert AuditEvent.objects.filter(action="reviews.save_rule").count() == len(DEFAULTS)
    assert AuditEvent.objects.filter(action="reviews.save_policy").count() == 1


def test_defaults_do_not_come_back_after_people_took_them_away(program: Program) -> None:
    for version in list_rules_in_force(program.pk):
        deactivate_rule(program_id=program.pk, code=version.rule.code, actor="system", at=IN_JULY)

    install_default_rules(program_id=program.pk, actor="system", at=IN_JULY)

    assert list_rules_in_force(program.pk) == []


def test_a_change_is_a_new_version_and_the_same_again_is_none(program: Program) -> None:
    assert save(program).number == 1
    assert save(program, threshold=Decimal("0.5")).number == 2
    assert save(program, threshold=Decimal("0.5")).number == 2

    assert [version.number for version in RuleVersion.objects.filter(rule__code=SPEC.code).order_by("number")] == [1, 2]
    [current] = [version for version in list_rules_in_force(program.pk) if version.rule.code == SPEC.code]
    assert (current.number, current.threshold, current.digest) == (
        2,
        Decimal("0.5"),
        replace(SPEC, threshold=Decimal("0.5")).digest,
    )


def test_a_new_name_alone_is_no_new_version(program: Program) -> None:
    assert save(program, "They fell").number == 1

    assert Rule.objects.get(code=SPEC.code).name == "They fell"
    assert AuditEvent.objects.filter(action="reviews.save_rule").count() == len(DEFAULTS) + 1


def test_a_rule_is_taken_out_of_force_and_brought_back(program: Program) -> None:
    for _ in range(2):
        deactivate_rule(program_id=program.pk, code=SPEC.code, actor="system", at=IN_JULY)
    assert SPEC.code not in {version.rule.code for version in list_rules_in_force(program.pk)}
    assert AuditEvent.objects.filter(action="reviews.deactivate_rule").count() == 1

    assert save(program).number == 1
    assert SPEC.code in {version.rule.code for version in list_rules_in_force(program.pk)}


def test_unknown_rules_and_bad_ones_are_refused(program: Program) -> None:
    with pytest.raises(NotFound):
        deactivate_rule(program_id=program.pk, code="none", actor="system", at=IN_JULY)
    with pytest.raises(InvalidInput):
        save(program, metric="happiness")
    with pytest.raises(InvalidInput) as refusal:
        save(program, " ")

    assert list(refusal.value.fields) == ["name"]
    assert RuleVersion.objects.count() == len(DEFAULTS)


def test_policies_are_versions_too(program: Program) -> None:
    policy = default_policy("view_first")
    other = replace(policy, minimum_events=50)

    numbers = [
        save_policy(program_id=program.pk, policy=entry, actor="system", at=IN_JULY).number for entry in (policy, other, other)
    ]

    assert numbers == [1, 2, 2]
    with pytest.raises(InvalidInput):
        save_policy(program_id=program.pk, policy=replace(policy, weights={}), actor="system", at=IN_JULY)


@pytest.mark.parametrize("model", [RuleVersion, ReviewPolicy])
def test_versions_are_never_edited(program: Program, model: type[RuleVersion] | type[ReviewPolicy]) -> None:
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        model.objects.update(number=9)  # type: ignore[attr-defined]


def test_a_frozen_review_keeps_its_rules(program: Program) -> None:
    record_month(program, "2026-05", {"P1": GOOD})
    record_month(program, "2026-06", {"P1": {"views": 300, "unlocks": 9}})
    cycle = reviewed(program)
    save(program, threshold=Decimal("0.01"))
    for code in ("activation_rate_fall", "unlock_rate_fall_of_offer", "unlock_rate_fall_in_segment"):
        deactivate_rule(program_id=program.pk, code=code, actor="system", at=IN_JULY)

    assert replay(cycle_id=cycle.pk).is_equal
    assert Flag.objects.get().rule_version.number == 1
    reviewed(program)
    assert not Flag.objects.exists(), "consolidated anew by hand, it takes the new version"


def test_cooldown_looks_at_the_flags_of_frozen_months(program: Program) -> None:
    rule = next(rule for rule in DEFAULTS if rule.spec.code == "reversal_rate_high")
    save_rule(program_id=program.pk, name=rule.name, spec=replace(rule.spec, cooldown=1), actor="system", at=IN_JULY)
    bad = {"P1": {"redemptions": 40, "reversals": 20}}
    for month in ("2026-04", "2026-05", "2026-06"):
        record_month(program, month, bad)

    flagged = {}
    for month in (APRIL, MAY, JUNE):
        cycle = reviewed(program, month)
        flagged[month] = Flag.objects.filter(scorecard__cycle=cycle).count()
        assert replay(cycle_id=cycle.pk).is_equal

    assert flagged == {APRIL: 1, MAY: 0, JUNE: 1}


def test_a_rule_comes_back_as_it_was(program: Program) -> None:
    deactivate_rule(program_id=program.pk, code=SPEC.code, actor="system", at=IN_JULY)

    for _ in range(2):
        assert activate_rule(program_id=program.pk, code=SPEC.code, actor="system", at=IN_JULY).is_active

    assert RuleVersion.objects.filter(rule__code=SPEC.code).count() == 1
    assert AuditEvent.objects.filter(action="reviews.activate_rule").count() == 1
    with pytest.raises(NotFound):
        activate_rule(program_id=program.pk, code="none", actor="system", at=IN_JULY)


def test_who_is_told_and_what_was_shown_are_kept_with_the_version(program: Program) -> None:
    person = make_member_of_staff(program, "partner_ops")
    shown = {"totals": {"flags": 3}}

    def own(owner: User | None) -> RuleVersion:
        return save_rule(program_id=program.pk, name="Fell", spec=SPEC, actor="system", at=IN_JULY, owner=owner, backtest=shown)

    versions = [own(person), own(person), own(None)]

    assert [(one.number, one.owner) for one in versions] == [(2, person), (2, person), (3, None)]
    assert versions[0].backtest == shown
    assert versions[0].digest == versions[2].digest, "whoever is told, it flags the same"
    audited = AuditEvent.objects.filter(action="reviews.save_rule", comment="").order_by("-id")[1]
    assert audited.after["owner"] == f"user:{person.pk}"


def test_only_people_of_the_program_are_told(program: Program) -> None:
    stranger = make_person("stranger")
    for person in (stranger, make_member_of_staff(program, "analyst", "gone")):
        User.objects.filter(username="gone").update(is_active=False)
        person.refresh_from_db()
        with pytest.raises(InvalidInput) as refusal:
            save_rule(program_id=program.pk, name="Fell", spec=SPEC, actor="system", at=IN_JULY, owner=person)
        assert list(refusal.value.fields) == ["owner"]

    assert not RuleVersion.objects.filter(owner__isnull=False).exists()


def test_all_that_is_wrong_is_said_at_once(program: Program) -> None:
    with pytest.raises(InvalidInput) as refusal:
        save(program, "x" * 201, metric="unlock rat", threshold=Decimal(-1), window_days=3, lookback_months=13, code="a b")

    assert set(refusal.value.fields) == {"name", "metric", "threshold", "window_days", "lookback_months", "code"}
    assert "Did you mean unlock_rate?" in refusal.value.fields["metric"]


def test_a_cooldown_in_days_is_not_one_in_months(program: Program) -> None:
    rule = next(rule for rule in default_rules("view_first") if rule.spec.code == "reversal_rate_high")
    spec = replace(rule.spec, cooldown=30, cooldown_unit="days")
    save_rule(program_id=program.pk, name=rule.name, spec=spec, actor="system", at=IN_JULY)
    for month in ("2026-04", "2026-05", "2026-06"):
        record_month(program, month, {"P1": {"redemptions": 40, "reversals": 20}})

    flagged = [Flag.objects.filter(scorecard__cycle=reviewed(program, month)).count() for month in (APRIL, MAY, JUNE)]

    assert flagged == [1, 0, 1]
