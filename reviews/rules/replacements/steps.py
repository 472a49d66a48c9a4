"""Which step a replacement waits for, and by which day each should be done."""

from collections.abc import Mapping
from datetime import date, timedelta

from reviews.choices import ReplacementState as S
from reviews.choices import ReplacementStep as Step

# What is to be done next in each state; states that are missing wait for nothing.
STEP_OF_STATE: Mapping[str, Step] = {
    S.OPENED: Step.COMPARE,
    S.COMPARED: Step.CHOOSE,
    S.CHOSEN: Step.AGREE,
    S.AGREED: Step.MAP,
    S.MAPPED: Step.APPROVE,
    S.APPROVED: Step.CUT_OVER,
    S.TRIALLING: Step.CUT_OVER,
    S.SCHEDULED: Step.CUT_OVER,
    S.CUT_OVER: Step.VERIFY,
    S.VERIFIED: Step.COMPLETE,
}
# By how many days after the opening each step should be done; people change it in each replacement.
USUAL_DAYS: Mapping[Step, int] = {
    Step.COMPARE: 3,
    Step.CHOOSE: 7,
    Step.AGREE: 21,
    Step.MAP: 25,
    Step.APPROVE: 28,
    Step.CUT_OVER: 35,
    Step.VERIFY: 37,
    Step.COMPLETE: 42,
}


def step_of(state: str) -> Step | None:
    """
    What a replacement waits for in a state.

    Shape: one ReplacementStep, or None where it waits for nothing.
    """
    return STEP_OF_STATE.get(state)


def plan_days(opened: date) -> dict[Step, date]:
    """
    By which day each step of a replacement should be done that is opened on a program day.

    Shape: step to day, in the order of the steps.
    """
    return {step: opened + timedelta(days=days) for step, days in USUAL_DAYS.items()}
