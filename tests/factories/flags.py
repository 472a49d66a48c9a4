"""A program that is watched by one rule of its own, so that what becomes of flags can be followed month by month."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any
from unittest.mock import patch

from partners.models import Program
from plum_site.lib.choices import Role
from reviews.models import FlagCase, FlagTransition, ReviewCycle
from reviews.rules import RuleSpec, default_rules, make_cards
from reviews.selectors import list_rules_in_force
from reviews.services import consolidate_cycle, cycles, deactivate_rule, install_default_rules, save_rule
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import IN_JULY, make_reviewable_program

RULE = "activation_floor"
FLOOR = RuleSpec.from_json(
    default_rules("view_first")[0].spec.as_json()
    | {
        "code": RULE,
        "metric": "activation_rate",
        "direction": "below",
        "reference": "fixed",
        "threshold": "0.4",
        "minimum_denominator": 50,
    }
)
FELL = {"views": 300, "unlocks": 90, "activations": 8, "redemptions": 2}
WORSE = {"views": 300, "unlocks": 90, "activations": 1}


def make_watched_program(*partners: str, **settings: Any) -> Program:
    """Partners (P1 and P2 unless named) owned by otis, and one rule: fewer than 40 % of at least 50 unlocks activated."""
    program = make_reviewable_program(*(partners or ("P1", "P2")), **settings)
    watch_alone(program)
    otis = make_member_of_staff(program, Role.PARTNER_OPS, "otis" if program.code == "acme" else f"otis-{program.code}")
    otis.email = "otis@example.org"
    otis.save()
    program.partners.update(owner=otis)
    return program


def watch_alone(program: Program, spec: RuleSpec = FLOOR) -> None:
    """Let one rule be in force, and no other."""
    install_default_rules(program_id=program.pk, actor="system", at=IN_JULY)
    for version in list_rules_in_force(program.pk):
        deactivate_rule(program_id=program.pk, code=version.rule.code, actor="system", at=IN_JULY)
    save_rule(program_id=program.pk, name="Too few activate", spec=spec, actor="system", at=IN_JULY)


def the_case(program: Program, partner: str = "P1", **fields: Any) -> FlagCase:
    """The one flag of a partner."""
    return FlagCase.objects.get(program=program, partner__external_id=partner, **fields)


def consolidate(program: Program, month: date, at: datetime) -> ReviewCycle:
    """Consolidate a month by hand."""
    return consolidate_cycle(program_id=program.pk, month_start_date=month, actor="system", at=at, by_hand=True)


def consolidate_uncertain(program: Program, month: date, at: datetime, *, crossed_by: str) -> ReviewCycle:
    """Consolidate a month in which one partner crosses the rule, and not for certain, and nobody else does."""
    crossing = {"rule": RULE, "metric": "activation_rate", "observed": 0.39, "threshold": 0.4, "why_no_flag": "not_confirmed"}

    def make(given: Any) -> Any:
        return [
            replace(card, flags=[], evidence={**card.evidence, "crossed": [crossing] if card.partner == crossed_by else []})
            for card in make_cards(given)
        ]

    with patch.object(cycles, "make_cards", make):
        return consolidate(program, month, at)


def make_case(program: Program, number: int, month: date) -> FlagCase:
    """A flag of the program's first partner with an id of its own, as if a month had opened it."""
    version = list_rules_in_force(program.pk)[0]
    case = FlagCase.objects.create(
        pk=number,
        program=program,
        partner=program.partners.order_by("pk")[0],
        rule=version.rule,
        seen={
            "month": f"{month:%Y-%m}",
            "metric": version.metric,
            "observed": 0.1,
            "threshold": 0.4,
            "severity": version.severity,
            "rule_number": version.number,
            "direction": version.direction,
            "reference": version.reference,
            "share": float(version.threshold),
            "evidence": {},
        },
        first_month_date=month,
        newest_month_date=month,
        opened_at=IN_JULY,
    )
    FlagTransition.objects.create(case=case, name="open", to_state="open", actor="system", at=IN_JULY)
    return case
