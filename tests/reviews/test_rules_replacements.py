"""Pure rules of replacements: gaps, mapping, order, files, and which step is next."""

from datetime import date

import pytest

from plum_site.lib.errors import InvalidInput
from reviews.choices import ReplacementState, ReplacementStep
from reviews.rules.replacements import (
    LARGEST_FILE,
    MOST_FILES,
    Check,
    Choice,
    Gap,
    Pair,
    check_file,
    check_mapping,
    check_ranks,
    find_gaps,
    gap_from_key,
    plan_days,
    say_checks,
    step_of,
)
from reviews.workflow import (
    BEFORE_CUTOVER,
    ENDED_REPLACEMENTS,
    REPLACEMENT_SYSTEM_TRANSITIONS,
    REPLACEMENT_TRANSITIONS,
)

OLD, OTHER = Choice("food", is_old=True), Choice("shoes")


@pytest.mark.parametrize(
    ("choices", "lost"),
    [
        ([OLD, OTHER], ["food"]),
        ([OLD, Choice("food")], []),
        ([Choice("food", is_old=True, successor="food"), OTHER], []),
        ([Choice("food", is_old=True, successor="shoes")], ["food"]),
        ([OTHER], []),
        ([], []),
    ],
)
def test_a_gap_is_a_category_without_any_offer_afterwards(choices: list[Choice], lost: list[str]) -> None:
    assert [gap.category for gap in find_gaps({"north": choices})] == lost


def test_a_gap_comes_back_from_its_key() -> None:
    for gap in (Gap("", "food"), Gap("region=north", ""), Gap("vip", "a category: with signs")):
        assert gap_from_key(gap.key) == gap


def test_a_mapping_says_everything_once() -> None:
    check_mapping([Pair("O1", "N1"), Pair("O2", "N1"), Pair(None, "N2")], ["O1", "O2"], ["N1", "N2"])
    with pytest.raises(InvalidInput) as refused:
        check_mapping([Pair("O1", "X"), Pair("O1", None), Pair(None, None), Pair("Z", None)], ["O1", "O2"], ["N1"])
    assert set(refused.value.fields) == {"O1", "X", "offers", "Z", "O2"}


@pytest.mark.parametrize(
    ("before", "after", "faults"),
    [
        (["O1", "A", "O2"], ["N1", "A", "N2"], 0),
        (["O1", "A", "O2"], ["A", "N1", "N2"], 1),
        (["O1", "A", "O2"], ["N1", "A"], 1),
        (["O1", "A", "O2"], ["N1", "O1", "A", "N2"], 1),
        (["O1", "A", "O2"], ["NEW", "N1", "A", "N2"], 0),
        (["N2", "O1", "A", "O2"], ["N2", "N1", "A"], 0),
    ],
)
def test_ranks_are_continuous_where_each_new_offer_stands_for_its_old_one(
    before: list[str], after: list[str], faults: int
) -> None:
    assert len(check_ranks("All", before, after, {"O1": "N1", "O2": "N2"})) == faults


def test_what_is_pinned_stays_where_it_is_whoever_goes() -> None:
    assert check_ranks("All", ["O1", "A", "P", "B"], ["A", "B", "P"], {"O1": None}, pinned=["P"]) == []
    assert check_ranks("All", ["O1", "A", "P", "B"], ["A", "B", "P"], {"O1": None}) != []


@pytest.mark.parametrize(
    ("name", "size", "known"),
    [("a.exe", 1, 0), ("", 1, 0), ("a.pdf", 0, 0), ("a.pdf", LARGEST_FILE + 1, 0), ("a.pdf", 1, MOST_FILES)],
)
def test_files_that_are_not_kept(name: str, size: int, known: int) -> None:
    with pytest.raises(InvalidInput):
        check_file(name, size, known)


def test_a_file_keeps_its_name_without_its_folders() -> None:
    assert check_file("../../etc/Signed terms.PDF", 10, 0) == "Signed terms.PDF"


def test_each_step_has_a_day_and_follows_from_the_state() -> None:
    days = plan_days(date(2026, 7, 1))
    assert list(days) == list(ReplacementStep)
    assert sorted(days.values()) == list(days.values())
    assert step_of(ReplacementState.MAPPED) == ReplacementStep.APPROVE
    assert [state for state in ReplacementState if step_of(state) is None] == ["completed", "rolled_back", "cancelled"]


def test_the_table_leads_from_the_opening_to_every_state() -> None:
    reached, tables = {""}, [*REPLACEMENT_TRANSITIONS.values(), *REPLACEMENT_SYSTEM_TRANSITIONS.values()]
    for _ in ReplacementState:
        reached |= {step.target for step in tables if step.sources & reached}
    assert reached == {"", *ReplacementState.values}
    ends = {state for state in ReplacementState.values if not any(state in step.sources for step in tables)}
    assert ends == {ReplacementState.CANCELLED}
    assert ReplacementState.COMPLETED in ENDED_REPLACEMENTS
    for state in BEFORE_CUTOVER:
        assert state in REPLACEMENT_TRANSITIONS["cancel"].sources, "what members do not see can be called off"


def test_what_does_not_hold_is_said_in_one_text() -> None:
    checks = [Check("a", "All is well."), Check("b", "Offers are live.", 2, ("N1 is paused", "N2 is draft"))]
    assert say_checks(checks) == "Offers are live. N1 is paused; N2 is draft."
    assert (checks[0].holds, checks[1].as_json()["faults"]) == (True, ["N1 is paused", "N2 is draft"])
