"""The canonical form of a review: the worked table of docs/rules/digest.md, and what must not make a difference."""

from decimal import Decimal
from typing import Any

import pytest

from reviews.rules import Verdict, canonical_json, default_rules, hash_json, number_text, review_content, review_digest
from tests.reviews.figures import figures, read_table

RULE = default_rules("view_first")[0].spec
PLAIN = figures(unlocks=1)
CASES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "unlocks 2 instead of 1": {"figures": figures(unlocks=2)},
    "net spend EUR 12.50 instead of none": {"figures": PLAIN | {"net_spend": {"EUR": "12.50"}}},
    "a flag of views_fall, observed 66": {"flags": [("views_fall", 66.0)]},
    "the standing is watch instead of on_track": {"standing": "watch"},
    "the same figures in another order": {"figures": dict(reversed(PLAIN.items()))},
}


def digest(*, rules: list[str] | None = None, month: str = "2026-06", version: str = "1", **changes: Any) -> str:
    values = {"partner": "P1", "figures": PLAIN, "standing": "on_track", "flags": [], "cause": None} | changes
    content = review_content(
        program="acme",
        month=month,
        recorded_stages=["viewed", "unlocked"],
        rule_digests=rules or [RULE.digest],
        metric_version=version,
        verdicts=[Verdict(**values)],
    )
    return review_digest(content)


@pytest.mark.parametrize("row", read_table("digest.md", "Worked table"), ids=lambda row: row["what changes"])
def test_worked_table(row: dict[str, str]) -> None:
    assert digest(**CASES[row["what changes"]]).startswith(row["digest begins with"])


@pytest.mark.parametrize(
    "changes",
    [
        {"month": "2026-07"},
        {"version": "2"},
        {"rules": [RULE.digest, RULE.digest]},
        {"partner": "P2"},
        {"cause": "awareness"},
        {"figures": PLAIN | {"members_any": 1}},
        {"figures": PLAIN | {"reward_cost": {"EUR": "0.01"}}},
    ],
)
def test_everything_that_a_review_says_is_in_its_digest(changes: dict[str, Any]) -> None:
    assert digest(**changes) != digest()


def test_rates_and_scores_are_not_hashed_twice() -> None:
    """A rate follows from the counts; only those are in the digest."""
    assert digest(figures=PLAIN | {"unlock_rate": 0.5}) == digest()


def test_the_order_of_rules_and_flags_makes_no_difference() -> None:
    other = default_rules("view_first")[1].spec.digest
    flags = [("b", 1.0), ("a", 2.0)]

    assert digest(rules=[RULE.digest, other]) == digest(rules=[other, RULE.digest])
    assert digest(flags=flags) == digest(flags=flags[::-1])


@pytest.mark.parametrize("value", [1.5, [1.5], {"a": {"b": (0.1,)}}])
def test_a_float_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(TypeError, match="number_text"):
        canonical_json(value)


def test_canonical_json() -> None:
    assert canonical_json({"b": [1, None, True], "a": "é"}) == '{"a":"\\u00e9","b":[1,null,true]}'
    assert hash_json({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize(("value", "text"), [(0.1, "0.100000000"), (66.0, "66.000000000"), (Decimal("0.6"), "0.600000000")])
def test_numbers_are_written_in_one_way(value: float | Decimal, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(("amount", "minor"), [("12.50", 1250), ("-0.05", -5), ("700", 700), ("1.005", 1005), ("0.00", 0)])
def test_amounts_are_hashed_as_minor_units(amount: str, minor: int) -> None:
    content = review_content(
        program="acme",
        month="2026-06",
        recorded_stages=[],
        rule_digests=[],
        metric_version="1",
        verdicts=[Verdict("P1", PLAIN | {"spend": {"EUR": amount}}, "watch", [], None)],
    )

    assert content["partners"]["P1"]["minor_units"]["spend"] == {"EUR": minor}
