"""Measured actions for tests of what is made of many: their rows as the services leave them, without months of events."""

from datetime import UTC, datetime
from typing import Any

from offers.models import Segment
from partners.models import Partner
from plum_site.lib.models import User
from reviews.choices import ActionKind, ActionState
from reviews.models import CorrectiveAction
from reviews.rules.effects import MATCHED, Effect, EffectDesign

MEASURED_AT = datetime(2026, 7, 10, 9, tzinfo=UTC)
WORKED = Effect("worked", 0.2, 0.1, 0.31, "It worked.")
HARMED = Effect("harmed", -0.2, -0.3, -0.1, "It did harm.")
UNTOLD = Effect("cannot_tell", None, None, None, "Cannot be told: nothing comparable is left alone.")


def make_measured(
    partner: Partner,
    person: User,
    effect: Effect = WORKED,
    kind: str = ActionKind.REFRESH_LISTING,
    metric: str = "views",
    segment: Segment | None = None,
    at: datetime = MEASURED_AT,
    **fields: Any,
) -> CorrectiveAction:
    """One action whose effect was measured at an instant."""
    params = {"offers": ["O1"], "how": "hide"} if kind == ActionKind.RERANK else {"offers": ["O1"], "title": "Better words"}
    return CorrectiveAction.objects.create(
        program=partner.program,
        partner=partner,
        segment=segment,
        kind=kind,
        params=params,
        state=ActionState.MEASURED,
        needs_two=False,
        proposer=person,
        proposed_at=at,
        approver=person,
        approved_at=at,
        executed_at=at,
        before={},
        after={},
        design=EffectDesign(MATCHED, metric).as_json(),
        effect=effect.as_json(),
        verdict=effect.verdict,
        measured_at=at,
        **fields,
    )
