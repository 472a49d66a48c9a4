"""The one way to change a state, and both catalog lifecycles: every state with every transition."""

import re
from collections.abc import Mapping

import pytest

from offers.choices import DraftState, OfferState
from offers.workflow import DRAFT_TRANSITIONS as DRAFT
from offers.workflow import TRANSITIONS as OFFER
from partners.choices import SUPPLYING, PartnerState
from partners.workflow import SYSTEM_TRANSITIONS, WITHHELD
from partners.workflow import TRANSITIONS as PARTNER
from plum_site.lib.access import operations
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.workflow import Transition, available, check_comment, find_transition, make_table

OPEN_CLOSE = make_table(
    Transition("close", frozenset({"open"}), "closed", "catalog.edit", "Close", needs_comment=True),
    Transition("reopen", frozenset({"closed"}), "open", "catalog.edit", "Reopen"),
)

# state: the transitions that start from it and where they lead; nothing else is possible.
PARTNER_WAYS: Mapping[str, Mapping[str, str]] = {
    "prospect": {"onboard": "onboarding", "reject": "rejected"},
    "onboarding": {"reject": "rejected", "activate": "active"},
    "active": {"pause": "paused", "retire": "retired"},
    "on_notice": {"restore": "active", "pause": "paused", "retire": "retired"},
    "improvement_plan": {"restore": "active", "pause": "paused", "retire": "retired"},
    "replacing": {"retire": "retired"},
    "retired": {"reinstate": "active"},
    "paused": {"resume": "active", "retire": "retired"},
    "rejected": {"reconsider": "prospect"},
}
# What only rules do with a partner.
SYSTEM_WAYS: Mapping[str, Mapping[str, str]] = {
    "prospect": {},
    "onboarding": {},
    "active": {"put_on_notice": "on_notice", "start_replacement": "replacing"},
    "on_notice": {"start_improvement_plan": "improvement_plan", "start_replacement": "replacing"},
    "improvement_plan": {"start_replacement": "replacing"},
    "replacing": {"stop_replacement": "active"},
    "retired": {},
    "paused": {"start_replacement": "replacing"},
    "rejected": {},
}
OFFER_WAYS: Mapping[str, Mapping[str, str]] = {
    "draft": {"submit": "in_review", "retire": "retired"},
    "in_review": {"send_back": "draft", "publish": "published", "retire": "retired"},
    "published": {"pause": "paused", "retire": "retired"},
    "paused": {"resume": "published", "retire": "retired"},
    "retired": {"reinstate": "paused"},
}
DRAFT_WAYS: Mapping[str, Mapping[str, str]] = {
    "draft": {"submit": "in_review", "discard": "discarded"},
    "in_review": {"send_back": "draft", "publish": "published", "discard": "discarded"},
    "published": {},
    "discarded": {},
}
TABLES = [
    pytest.param(PARTNER, PARTNER_WAYS, PartnerState.values, id="partner"),
    pytest.param(SYSTEM_TRANSITIONS, SYSTEM_WAYS, PartnerState.values, id="partner by rule"),
    pytest.param(OFFER, OFFER_WAYS, OfferState.values, id="offer"),
    pytest.param(DRAFT, DRAFT_WAYS, DraftState.values, id="draft"),
]


@pytest.mark.parametrize(("table", "ways", "states"), TABLES)
def test_every_state_with_every_transition(table, ways, states) -> None:
    assert set(ways) == set(states)
    for state in states:
        assert {transition.name: transition.target for transition in available(table, state)} == ways[state]
        for name in table:
            if name in ways[state]:
                assert find_transition(table, name, state).target == ways[state][name]
            else:
                with pytest.raises(DomainError) as refusal:
                    find_transition(table, name, state)
                assert refusal.value.code == "transition_refused"


@pytest.mark.parametrize(("table", "ways", "states"), TABLES)
def test_every_transition_names_an_operation_and_a_label(table, ways, states) -> None:
    for transition in table.values():
        assert transition.operation in operations()
        assert re.fullmatch(r"[A-Z][a-z]+( [a-z]+)*", transition.label)


@pytest.mark.parametrize(("table", "ways", "states"), TABLES)
def test_what_takes_something_away_needs_a_comment(table, ways, states) -> None:
    for name in {"pause", "retire", "reinstate", "reject", "put_on_notice", "send_back"} & set(table):
        assert table[name].needs_comment


def test_every_step_that_is_nobodys_says_why_and_is_in_one_table() -> None:
    assert set(WITHHELD) == set(SYSTEM_TRANSITIONS)
    assert not set(SYSTEM_TRANSITIONS) & set(PARTNER)


def test_supplying_is_between_active_and_retired() -> None:
    assert {"active", "on_notice", "improvement_plan", "replacing"} == SUPPLYING


def test_a_refusal_says_what_is_possible() -> None:
    with pytest.raises(DomainError, match=r"'reopen' is not possible from state open\. .* Possible now: close\."):
        find_transition(OPEN_CLOSE, "reopen", "open")


def test_an_unknown_transition_and_an_end_state() -> None:
    with pytest.raises(DomainError, match="Possible now: nothing"):
        find_transition(OPEN_CLOSE, "explode", "gone")


def test_a_comment_where_one_is_needed() -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_comment(OPEN_CLOSE["close"], "  ")
    assert (refusal.value.code, set(refusal.value.fields)) == ("comment_required", {"comment"})
    check_comment(OPEN_CLOSE["close"], "done")
    check_comment(OPEN_CLOSE["reopen"], "")


def test_a_name_stands_once_in_a_table() -> None:
    with pytest.raises(ValueError, match="same name"):
        make_table(OPEN_CLOSE["close"], OPEN_CLOSE["close"])
