"""How an action's effect is told: by a design that is frozen before it begins, once the design's window is over."""

from datetime import datetime, timedelta

from django.db import transaction

from activity.selectors import head_of
from offers.choices import PresentState
from offers.selectors import list_offers
from plum_site.lib.periods import local_date
from reviews.choices import ActionState
from reviews.models import CorrectiveAction, Scorecard
from reviews.rules.effects import NONE, EffectDesign, Facts, propose_design, usual_metric
from reviews.rules.effects.design import USUAL_MINIMUM, USUAL_WINDOW
from reviews.selectors.actions import list_ended_windows, window_of
from reviews.selectors.effects import BASELINE_PERIODS, design_units, read_effect
from reviews.selectors.meanwhile import list_feeding_silences, list_other_work
from reviews.services.actions.kinds import HANDLINGS
from reviews.services.actions.log import lock_action, take_by_itself


def make_design(action: CorrectiveAction, at: datetime) -> EffectDesign | None:
    """
    The design by which the effect of an action that begins at `at` will be told: metric, window, minimum effect, and what it
    is compared with. The window begins on the next day of the program.

    Shape: one EffectDesign; its method is NONE where nothing comparable is left alone.
    Source: docs/rules/effects.md
    """
    own = HANDLINGS[action.kind].design
    if own is not None:
        return own(action, _metric_of(action), at)
    return design_against_others(action, at)


def design_against_others(action: CorrectiveAction, at: datetime) -> EffectDesign:
    """
    The usual design: what an action is about, against what is left alone.

    Shape: one EffectDesign; its method is NONE where nothing comparable is left alone.
    Source: docs/rules/effects.md
    """
    metric = _metric_of(action)
    today = local_date(at, action.program.time_zone)
    live = list_offers(action.program_id).filter(partner=action.partner_id).in_present_state(PresentState.LIVE, today)
    mine = [offer.external_id for offer in live]
    offers = action.params.get("offers") or mine
    if not offers:
        return propose_design(action.kind, Facts(metric))
    head = head_of(action.program_id)
    cutoff = head.number if head else 0
    first, end = today - timedelta(days=BASELINE_PERIODS * USUAL_WINDOW), today + timedelta(days=USUAL_WINDOW)
    return design_units(
        program=action.program,
        kind=action.kind,
        metric=metric,
        partner=action.partner,
        offers=offers,
        segment=action.segment,
        starts_date=today,
        window_days=USUAL_WINDOW,
        minimum_effect=USUAL_MINIMUM,
        touched=mine,
        others=list_other_work(action.program, today, end, but=action.pk),
        silences=list_feeding_silences(action.program, first, today, cutoff, at),
    )


def _metric_of(action: CorrectiveAction) -> str:
    return usual_metric(action.kind, find_cause(action), action.program.recorded_stages)


def find_cause(action: CorrectiveAction) -> str:
    """
    The cause that was diagnosed where an action was proposed.

    Shape: a Cause, or "" where there is no diagnosis.
    """
    card = Scorecard.objects.filter(cycle=action.cycle_id, partner=action.partner_id).first() if action.cycle_id else None
    return str((card.diagnosis or {}).get("cause", "")) if card is not None else ""


def begin_measuring(action: CorrectiveAction, at: datetime) -> None:
    """
    Let the window of an executed action begin; what nothing can be compared with is told at once that it cannot be told.

    Raises: nothing.
    Writes: reviews_correctiveaction, reviews_actiontransition, plum_auditevent, in the caller's transaction.
    """
    take_by_itself(action, "watch", at)
    if EffectDesign.from_json(action.design or {}).method == NONE:
        _measure(action, at)


def measure_due_actions(*, program_id: int, at: datetime) -> int:
    """
    Measure the actions of a program whose window is over; how many. Each is measured once.

    Raises: nothing.
    Writes: reviews_correctiveaction, reviews_actiontransition, plum_auditevent; a transaction for each.
    Source: docs/rules/effects.md
    """
    count = 0
    for action_id in list_ended_windows(program_id, at):
        with transaction.atomic():
            action = lock_action(action_id)
            if action.state == ActionState.MEASURING:
                _measure(action, at)
                count += 1
    return count


def _measure(action: CorrectiveAction, at: datetime) -> None:
    """Read the effect from what is sealed now, and say the verdict."""
    design = EffectDesign.from_json(action.design or {})
    head = head_of(action.program_id)
    cutoff = head.number if head else 0
    members = HANDLINGS[action.kind].members(action)
    window = window_of(action)
    first = window.starts_date - timedelta(days=design.baseline_periods * design.window_days)
    effect = read_effect(
        program=action.program,
        design=design,
        starts_date=window.starts_date,
        members=members,
        others=list_other_work(action.program, window.starts_date, window.ends_date, but=action.pk),
        silences=list_feeding_silences(action.program, first, window.ends_date, cutoff, at),
        cutoff=cutoff,
    )
    stored = {**effect.as_json(), "cutoff": cutoff}
    take_by_itself(action, "measure", at, effect.sentence, effect=stored, verdict=effect.verdict, measured_at=at)
