"""The states of a review: every state against every transition."""

import pytest

from plum_site.lib.access import operations
from plum_site.lib.errors import DomainError
from plum_site.lib.workflow import available, find_transition
from reviews.choices import CycleState, FlagState
from reviews.workflow import FLAG_TRANSITIONS, TRANSITIONS

ALLOWED = {
    (CycleState.OPEN, "freeze"): CycleState.READY,
    (CycleState.READY, "freeze_again"): CycleState.READY,
    (CycleState.READY, "close"): CycleState.CLOSED,
}


@pytest.mark.parametrize("state", CycleState)
@pytest.mark.parametrize("name", TRANSITIONS)
def test_every_state_against_every_transition(state: CycleState, name: str) -> None:
    if (state, name) in ALLOWED:
        assert find_transition(TRANSITIONS, name, state).target == ALLOWED[state, name]
        return
    with pytest.raises(DomainError) as refusal:
        find_transition(TRANSITIONS, name, state)
    assert refusal.value.code == "transition_refused"


FLAGS_ALLOWED = {
    (FlagState.OPEN, "acknowledge"): FlagState.ACKNOWLEDGED,
    (FlagState.OPEN, "resolve"): FlagState.RESOLVED,
    (FlagState.OPEN, "dismiss"): FlagState.DISMISSED,
    (FlagState.ACKNOWLEDGED, "resolve"): FlagState.RESOLVED,
    (FlagState.ACKNOWLEDGED, "dismiss"): FlagState.DISMISSED,
    (FlagState.RESOLVED, "reopen"): FlagState.OPEN,
    (FlagState.DISMISSED, "reopen"): FlagState.OPEN,
}


@pytest.mark.parametrize("state", FlagState)
@pytest.mark.parametrize("name", FLAG_TRANSITIONS)
def test_every_state_of_a_flag_against_every_step(state: FlagState, name: str) -> None:
    if (state, name) in FLAGS_ALLOWED:
        assert find_transition(FLAG_TRANSITIONS, name, state).target == FLAGS_ALLOWED[state, name]
        return
    with pytest.raises(DomainError) as refusal:
        find_transition(FLAG_TRANSITIONS, name, state)
    assert refusal.value.code == "transition_refused"


def test_a_closed_review_has_no_way_out() -> None:
    assert available(TRANSITIONS, CycleState.CLOSED) == []


def test_every_transition_needs_a_right_that_exists() -> None:
    assert {transition.operation for transition in TRANSITIONS.values()} <= set(operations())
