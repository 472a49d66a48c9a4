"""The ladder's rule: which closed reviews bring which step, and which bring none."""

from collections.abc import Sequence

import pytest

from plum_site.lib.errors import InvalidInput
from reviews.rules.ladder import LadderRule, MonthSeen, Step, Tried, check_ladder, climb, judge, say_judgement, say_ladder
from tests.support.documents import read_table

PLAIN = LadderRule(notice=Step(2), plan=Step(2), replacement=Step(2))
FAILED = (Tried(7, "rerank", "no_evidence"),)
STANDINGS = {"u": "underperforming", "w": "watch", "t": "on_track", "e": "excellent", "i": "insufficient_data", "-": ""}


def seen(text: str, **newest: object) -> list[MonthSeen]:
    """One month for each letter of STANDINGS; the values given are the newest one's."""
    months = [MonthSeen(f"2026-{number:02d}", STANDINGS[letter]) for number, letter in enumerate(text, 1)]
    return [*months[:-1], MonthSeen(months[-1].month, months[-1].standing, **newest)]  # type: ignore[arg-type]


def step_of(rule: LadderRule, state: str, months: Sequence[MonthSeen]) -> str | None:
    found = judge(rule, state, months)
    return str(found.name) if found else None


@pytest.mark.parametrize("row", read_table("docs/rules/ladder.md", "Worked table"), ids=lambda row: row["reviews"])
def test_the_worked_table_of_the_document(row: dict[str, str]) -> None:
    rule = LadderRule(notice=Step(2), plan=Step(2), replacement=Step(2), counts_watch=row["watch counts"] == "yes")
    letters = "".join(next(key for key, name in STANDINGS.items() if name == word) for word in row["reviews"].split(", "))

    assert (step_of(rule, row["rung"], seen(letters)) or "none") == row["step"]


def test_a_step_asks_for_all_of_it() -> None:
    rule = LadderRule(notice=Step(2, flag_months=3, tried=1))

    assert step_of(rule, "active", seen("uu")) is None
    assert step_of(rule, "active", seen("uu", flag_months=3)) is None
    assert step_of(rule, "active", seen("uu", flag_months=2, tried=FAILED)) is None
    found = judge(rule, "active", seen("uu", flag_months=3, flag="Views fall", tried=FAILED))
    assert found is not None
    assert (found.name, found.flag_months, found.tried) == ("put_on_notice", 3, FAILED)
    assert say_judgement(found.as_json()) == (
        "2 closed reviews in a row: 2026-01 underperforming, 2026-02 underperforming; the flag Views fall has stood for 3 "
        "months; tried without success: action 7 (no evidence)."
    )


def test_what_was_tried_before_the_row_began_is_not_counted() -> None:
    rule = LadderRule(notice=Step(2, tried=1))
    early = MonthSeen("2026-01", "on_track", tried=FAILED)

    assert step_of(rule, "active", [early, *seen("-uu")[1:]]) is None


@pytest.mark.parametrize("cause", ["market_wide", "position", "too_little_data"])
def test_what_is_nobodys_fault_is_not_held_against_anybody(cause: str) -> None:
    assert step_of(PLAIN, "active", seen("uu", cause=cause)) is None
    assert step_of(PLAIN, "active", seen("uu", cause="relevance")) == "put_on_notice"


def test_a_month_from_which_a_person_exempted_it_neither_counts_nor_ends_the_row() -> None:
    exempt = MonthSeen("2026-02", "underperforming", is_exempt=True)

    assert step_of(PLAIN, "active", [seen("u")[0], exempt]) is None
    assert step_of(PLAIN, "active", [seen("u")[0], exempt, MonthSeen("2026-03", "underperforming")]) == "put_on_notice"


def test_off_moves_nobody_and_says_so() -> None:
    off = LadderRule(is_on=False)

    assert step_of(off, "active", seen("uuuuuu")) is None
    assert step_of(off, "on_notice", seen("ee")) is None
    assert say_ladder(off) == ["The ladder is off: nobody moves by rule."]


def test_each_rung_counts_anew() -> None:
    assert climb(PLAIN, seen("uu")) == ("on_notice", False)
    assert climb(PLAIN, seen("uuu")) == ("on_notice", False)
    assert climb(PLAIN, seen("uuuu")) == ("improvement_plan", False)
    assert climb(PLAIN, seen("uuuuuu")) == ("improvement_plan", True)
    assert climb(PLAIN, seen("uuuutt")) == ("active", False)
    assert climb(PLAIN, seen("ututut")) == ("active", False)
    assert climb(PLAIN, []) == ("active", False)


def test_nobody_climbs_two_rungs_by_one_review_and_none_by_a_good_one() -> None:
    for text in ("uuuuuuuu", "uwuwuw", "uuttuutt", "u-u-u-u-"):
        states = [climb(PLAIN, seen(text[:end]))[0] for end in range(1, len(text) + 1)]
        rungs = ["active", "on_notice", "improvement_plan"]
        places = [rungs.index(state) for state in states]
        for letter, before, after in zip(text[1:], places, places[1:], strict=False):
            assert after - before <= (1 if letter == "u" else 0)


def test_a_stored_rule_is_read_as_it_was_and_an_older_one_still_reads() -> None:
    rule = LadderRule(notice=Step(5, 6, 7), counts_watch=True, recovery_months=3)

    assert LadderRule.from_json(rule.as_json()) == rule
    assert LadderRule.from_json({"notice": {"months": 4}}) == LadderRule(notice=Step(4))


def test_the_impossible_is_refused_by_field() -> None:
    wrong = LadderRule(notice=Step(0), plan=Step(2, flag_months=-1), replacement=Step(2, tried=99), recovery_months=25)
    with pytest.raises(InvalidInput, match="version in force stays") as error:
        check_ladder(wrong)
    assert list(error.value.fields) == ["notice.months", "plan.flag_months", "replacement.tried", "recovery_months"]
    check_ladder(LadderRule())


def test_the_rule_of_a_new_program_is_the_documents() -> None:
    rows = {row["step"]: row for row in read_table("docs/rules/ladder.md", "The rule of a new program")}
    rule = LadderRule()
    for name in ("notice", "plan", "replacement"):
        step: Step = getattr(rule, name)
        assert [rows[name][part] for part in ("months", "flag months", "tried")] == [
            str(value) for value in (step.months, step.flag_months, step.tried)
        ]
    assert (rule.recovery_months, rule.counts_watch) == (2, False)
    assert len(say_ladder(rule)) == 4
