"""Scorecards as a function of figures and configuration: expected, peers, trend, evidence, and the digest over them."""

from dataclasses import replace
from typing import Any

import pytest

from reviews.rules import (
    PartnerInput,
    ReviewInput,
    default_policy,
    default_rules,
    digest_cards,
    find_peers,
    make_cards,
    season_ratio,
)
from tests.reviews.figures import figures

SEASONS = {"food": {"2026-06": 0.5, "2026-05": 1.0}}


def review(*partners: PartnerInput, **changes: Any) -> ReviewInput:
    values = {
        "program": "acme",
        "months": ["2026-06", "2026-05", "2026-04"],
        "recorded_stages": ["viewed", "unlocked"],
        "metric_version": "1",
        "policy": default_policy("view_first"),
        "rules": [rule.spec for rule in default_rules("view_first")],
        "partners": partners,
    }
    return ReviewInput(**(values | changes))


def partner(name: str, *months: dict[str, int] | None, category: str = "food") -> PartnerInput:
    rows = [None if counts is None else figures(**counts) for counts in months]
    return PartnerInput(name, category, rows + [None] * (3 - len(rows)))


def test_expected_is_the_previous_month_times_the_season() -> None:
    given = review(partner("P1", {"views": 40}, {"views": 101, "unlocks": 30}), seasons=SEASONS)

    [card] = make_cards(given)

    assert card.expected["season_ratio"] == 0.5
    assert (card.expected["views"], card.expected["unlocks"]) == (50.5, 15.0)


def test_without_an_index_nothing_is_expected() -> None:
    assert make_cards(review(partner("P1", {"views": 40}, {"views": 101})))[0].expected == {}
    assert make_cards(review(partner("P1", {"views": 40}), seasons=SEASONS))[0].expected == {}


def test_a_fall_that_the_season_explains_is_no_flag() -> None:
    fall = partner("P1", {"views": 300}, {"views": 1000})

    assert [flag.rule for flag in make_cards(review(fall))[0].flags] == ["views_fall"]
    explained = make_cards(review(fall, seasons={"food": {"2026-06": 0.4, "2026-05": 1.0}}))[0]
    assert explained.flags == []
    assert explained.evidence["crossed"] == []


@pytest.mark.parametrize("index", [{}, {"2026-06": 1.0}, {"2026-05": 1.0}])
def test_a_season_needs_both_months(index: dict[str, float]) -> None:
    assert season_ratio({"food": index}, "food", "2026-06", "2026-05") is None


def test_crossings_that_are_no_flags_are_kept_as_evidence() -> None:
    [card] = make_cards(review(partner("P1", {"views": 110}, {"views": 212})))

    assert card.flags == []
    [crossed] = card.evidence["crossed"]
    assert (crossed["rule"], crossed["observed"], crossed["why_no_flag"]) == ("views_fall", 110.0, "not_confirmed")


def test_a_cooling_rule_leaves_evidence_and_no_flag() -> None:
    fall = partner("P1", {"views": 10}, {"views": 1000})

    [card] = make_cards(review(fall, cooling=frozenset({("views_fall", "P1")})))

    assert (card.flags, card.evidence["crossed"][0]["why_no_flag"]) == ([], "cooldown")
    assert make_cards(review(fall, cooling=frozenset({("views_fall", "P2")})))[0].flags != []


def test_peers_are_the_median_of_at_least_five_with_volume() -> None:
    five = [partner(f"P{number}", {"views": 100, "unlocks": 10 * number}) for number in range(1, 6)]
    few = partner("few", {"views": 29, "unlocks": 29})

    assert find_peers([*five, few])["food"]["unlock_rate"] == {"median": 0.3, "partners": 5}
    assert find_peers([*five[:4], few])["food"].get("unlock_rate") is None


def test_the_trend_is_oldest_first_and_keeps_empty_months() -> None:
    [card] = make_cards(review(partner("P1", {"views": 4}, None, {"views": 2})))

    assert [(row["month"], row.get("views")) for row in card.trend] == [("2026-04", 2), ("2026-05", None), ("2026-06", 4)]
    assert card.previous is None


def test_late_events_stand_on_the_card() -> None:
    given = review(partner("P1", {"views": 4}), partner("P2", {"views": 4}), late={"P1": {"2026-05": 3, "2026-04": 1}})

    late = {card.partner: card.evidence["late"] for card in make_cards(given)}

    assert late == {"P1": [{"month": "2026-04", "events": 1}, {"month": "2026-05", "events": 3}], "P2": []}


def test_cards_and_digest_do_not_depend_on_the_order_of_partners_and_rules() -> None:
    rows = [partner("b", {"views": 10}, {"views": 1000}), partner("a", {"views": 900, "unlocks": 100}), partner("c", {})]
    given, other = review(*rows), review(*rows[::-1])
    other = replace(other, rules=list(reversed(other.rules)))

    assert make_cards(given) == make_cards(other)
    assert digest_cards(given, make_cards(given)) == digest_cards(other, make_cards(other))


def test_a_partner_without_figures_for_the_month_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="P1"):
        make_cards(review(partner("P1", None)))


def test_a_card_says_which_months_counted_and_how_much() -> None:
    rows = [partner(f"P{number}", {"views": 300, "unlocks": 90}, {"views": 300, "unlocks": 90}) for number in range(5)]
    looks_back = replace(default_policy("view_first"), recency_months=3)

    cards = make_cards(review(*rows, policy=looks_back))

    assert cards[0].evidence["recency"] == [
        {"month": "2026-06", "share": 1.0},
        {"month": "2026-05", "share": 0.75},
        {"month": "2026-04", "share": 0.5},
    ]
    assert "recency" not in make_cards(review(*rows))[0].evidence
