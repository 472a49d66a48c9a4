"""Standings: the worked tables of docs/rules/standing.md, policies that are refused, and partners with little or nothing."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plum_site.lib.errors import InvalidInput
from reviews.choices import Standing
from reviews.rules import (
    Candidate,
    PolicySpec,
    check_policy,
    default_policy,
    find_band,
    fit_prior,
    points_of,
    recency_shares,
    score_partners,
    shrink,
)
from reviews.rules.standing import sample_over
from tests.reviews.figures import figures, read_table

POLICY = default_policy("view_first")
SHRINKING = read_table("standing.md", "Worked table: shrinking")
RECENCY = read_table("standing.md", "Worked table: recency")


def candidates(*rows: tuple[str, str, dict[str, int]], stages: list[str] | None = None) -> list[Candidate]:
    return [Candidate(partner, category, figures(stages, **counts)) for partner, category, counts in rows]


def standings(rows: list[Candidate], policy: PolicySpec = POLICY) -> dict[str, str]:
    return {result.partner: str(result.standing) for result in score_partners(rows, policy)}


def test_worked_table_of_shrinking() -> None:
    samples = [(int(row["unlocks"]), int(row["views"])) for row in SHRINKING]
    prior = fit_prior(samples)

    assert prior is not None
    assert (prior.mean, prior.strength) == (0.337912088, 21.32368343)
    assert [shrink(*sample, prior) for sample in samples] == [float(row["shrunken"]) for row in SHRINKING]
    assert [points_of(float(row["shrunken"]), 0.301550717, False) for row in SHRINKING] == [
        float(row["points"]) for row in SHRINKING
    ]


def test_the_scores_are_those_of_the_worked_table() -> None:
    rows = candidates(
        *((row["partner"], "food", {"views": int(row["views"]), "unlocks": int(row["unlocks"])}) for row in SHRINKING)
    )
    policy = PolicySpec({"unlock_rate": 100}, POLICY.bands, 1)

    scored = {result.partner: result for result in score_partners(rows, policy)}

    assert scored["A"].parts[0] == {
        "metric": "unlock_rate", "weight": 100, "shrunken": 0.398703699, "typical": 0.301550717, "points": 92.55245422,
    }  # fmt: skip
    assert {partner: str(result.score) for partner, result in scored.items()} == {
        "A": "92.55", "B": "70.00", "C": "39.02", "D": "71.19", "E": "68.56",
    }  # fmt: skip
    assert {partner: result.rank for partner, result in scored.items()} == {"A": 1, "D": 2, "B": 3, "E": 4, "C": 5}


@pytest.mark.parametrize(("rate", "typical", "points"), [(0.02, 0.02, 70), (0.12, 0.02, 45), (0.33, 0.04, 0), (0.0, 0.02, 75)])
def test_a_loss_costs_points_by_its_distance(rate: float, typical: float, points: float) -> None:
    assert points_of(rate, typical, True) == points


def test_points_stay_between_0_and_100() -> None:
    assert points_of(0.9, 0.1, False) == 100
    assert points_of(1.0, 0.0, True) == 0
    assert points_of(0.5, 0.0, False) is None


@pytest.mark.parametrize("row", read_table("standing.md", "Worked table: bands"), ids=lambda row: row["score"])
def test_worked_table_of_bands(row: dict[str, str]) -> None:
    assert find_band(Decimal(row["score"]), POLICY.bands) == row["standing"]


@given(st.decimals(0, 100, places=2))
def test_every_score_has_a_standing(score: Decimal) -> None:
    assert find_band(score, POLICY.bands) in Standing.values


@pytest.mark.parametrize("order", ["view_first", "unlock_first"])
def test_default_policy_is_sound(order: str) -> None:
    check_policy(default_policy(order))

    assert ("view_rate" in default_policy(order).weights) is (order == "unlock_first")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"weights": {"unlock_rate": 60, "redemption_rate": 39}}, "weights"),
        ({"weights": {"unlock_rate": 60, "redemption_rate": 41}}, "weights"),
        ({"weights": {"unlock_rate": 100, "redemption_rate": 0}}, "weights"),
        ({"weights": {"unlock_rate": 150, "redemption_rate": -50}}, "weights"),
        ({"weights": {"unlock_rate": 99.5, "redemption_rate": 0.5}}, "weights"),
        ({"weights": {"net_spend": 100}}, "weights"),
        ({"weights": {}}, "weights"),
        ({"bands": []}, "bands"),
        ({"bands": [("excellent", 80), ("watch", 1)]}, "bands"),
        ({"bands": [("excellent", 101), ("watch", 0)]}, "bands"),
        ({"bands": [("excellent", 50), ("on_track", 50), ("watch", 0)]}, "bands"),
        ({"bands": [("watch", 50), ("excellent", 0)]}, "bands"),
        ({"bands": [("watch", 50), ("watch", 0)]}, "bands"),
        ({"bands": [("no_activity", 50), ("watch", 0)]}, "bands"),
        ({"minimum_events": 0}, "minimum_events"),
    ],
)
def test_policies_with_gaps_are_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_policy(replace(POLICY, **changes))

    assert (refusal.value.code, list(refusal.value.fields)) == ("invalid_policy", [field])


def test_no_data_is_its_own_standing() -> None:
    rows = candidates(
        ("none", "food", {}),
        ("failed only", "food", {"failures": 3}),
        ("few", "food", {"views": 50, "unlocks": 49}),
        ("enough", "food", {"views": 500, "unlocks": 150, "activations": 80, "redemptions": 40}),
        ("shown only", "food", {"impressions": 5}),
    )

    assert standings(rows) == {
        "none": "no_activity",
        "failed only": "insufficient_data",
        "few": "insufficient_data",
        "enough": "on_track",
        "shown only": "insufficient_data",
    }


def test_only_recorded_stages_are_scored() -> None:
    """Unlocks and redemptions only: redemptions per unlock carries the whole score."""
    stages = ["unlocked", "redeemed"]
    rows = candidates(
        *((f"P{number}", "food", {"unlocks": 1000, "redemptions": 20}) for number in range(6)),
        ("weak", "food", {"unlocks": 1000, "redemptions": 2}),
        stages=stages,
    )

    scored = {result.partner: result for result in score_partners(rows, POLICY)}

    assert [part["metric"] for part in scored["weak"].parts] == ["redemptions_per_unlock"]
    assert scored["weak"].standing == Standing.UNDERPERFORMING
    assert scored["weak"].rank == 7
    assert {str(scored[f"P{number}"].standing) for number in range(6)} == {"on_track"}


def test_redemptions_without_unlocks_are_no_rate() -> None:
    rows = candidates(("mailed", "food", {"redemptions": 150}), stages=["unlocked", "redeemed"])

    assert standings(rows) == {"mailed": "insufficient_data"}


def test_nobody_is_judged_by_a_rate_that_is_zero_for_all() -> None:
    """Months before anything was redeemed: there is nothing to compare with."""
    rows = candidates(("A", "food", {"unlocks": 900}), ("B", "food", {"unlocks": 300}), stages=["unlocked", "redeemed"])

    assert standings(rows) == {"A": "insufficient_data", "B": "insufficient_data"}


def test_two_hundred_unlocks_without_redemption_are_chance() -> None:
    rows = candidates(
        *((f"P{number}", "food", {"unlocks": 2000, "redemptions": 20}) for number in range(6)),
        ("unlucky", "food", {"unlocks": 200}),
        stages=["unlocked", "redeemed"],
    )

    assert standings(rows)["unlucky"] == "insufficient_data"


def test_small_categories_are_compared_with_the_whole_program() -> None:
    everybody = [(f"P{number}", "food", {"views": 1000, "unlocks": 300}) for number in range(6)]
    alone = ("alone", "travel", {"views": 1000, "unlocks": 100})
    policy = PolicySpec({"unlock_rate": 100}, POLICY.bands, 1)

    scored = {result.partner: result for result in score_partners(candidates(*everybody, alone), policy)}

    assert scored["alone"].parts[0]["typical"] > 0.25
    assert scored["alone"].standing == Standing.UNDERPERFORMING


def test_ties_are_ranked_by_external_id() -> None:
    rows = candidates(*((name, "food", {"views": 500, "unlocks": 100}) for name in ("b", "c", "a")))

    assert [(result.partner, result.rank) for result in score_partners(rows, POLICY)] == [("a", 1), ("b", 2), ("c", 3)]


@given(st.permutations(range(8)), st.lists(st.tuples(st.integers(0, 400), st.integers(1, 400)), min_size=8, max_size=8))
def test_scores_do_not_depend_on_the_order(order: list[int], samples: list[tuple[int, int]]) -> None:
    rows = candidates(*((f"P{index}", "food", {"unlocks": part, "views": whole}) for index, (part, whole) in enumerate(samples)))
    policy = replace(POLICY, minimum_events=1)

    assert score_partners([rows[index] for index in order], policy) == score_partners(rows, policy)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), max_size=12))
def test_a_shrunken_rate_lies_between_its_own_and_the_mean(samples: list[tuple[int, int]]) -> None:
    prior = fit_prior(samples)
    assert (prior is None) is (sum(whole for _, whole in samples) == 0)
    for part, whole in samples:
        if prior is not None and whole:
            own = min(part, whole) / whole
            assert min(own, prior.mean) - 1e-9 <= shrink(part, whole, prior) <= max(own, prior.mean) + 1e-9


def test_a_policy_survives_its_frozen_form() -> None:
    assert PolicySpec.from_json(POLICY.as_json()).as_json() == POLICY.as_json()


# --- recency ---


def month_of(text: str) -> dict[str, Any] | None:
    """ "40 of 400" as the figures of a month with so many unlocks of so many views; "–" for a month without any event."""
    if text == "–":
        return None
    unlocks, views = (int(number) for number in text.split(" of "))
    return figures(views=views, unlocks=unlocks)


def rated(name: str, *months: str, category: str = "food") -> Candidate:
    """A partner with so many unlocks of so many views in each month, newest first."""
    now, *past = (month_of(text) for text in months)
    assert now is not None
    return Candidate(name, category, now, past)


def looking_back(months: int) -> PolicySpec:
    return PolicySpec({"unlock_rate": 100}, POLICY.bands, 1, months)


@pytest.mark.parametrize("row", RECENCY, ids=lambda row: f"{row['months before']}: {row['June']}, {row['May']}")
def test_worked_table_of_recency(row: dict[str, str]) -> None:
    candidate = rated("P", row["June"], row["May"], row["April"])

    assert sample_over("unlock_rate", candidate, int(row["months before"])) == (float(row["unlocks"]), float(row["views"]))


def test_months_before_count_evenly_less_and_the_month_itself_fully() -> None:
    assert recency_shares(0) == [1.0]
    assert recency_shares(3) == [1.0, 0.75, 0.5, 0.25]
    assert len(recency_shares(12)) == 13


def test_months_beyond_those_that_count_say_nothing() -> None:
    short, long = rated("P", "40 of 400", "120 of 400"), rated("P", "40 of 400", "120 of 400", "999 of 1000")

    assert sample_over("unlock_rate", short, 1) == sample_over("unlock_rate", long, 1)


def test_one_odd_month_moves_a_standing_less_and_a_recovery_shows_later() -> None:
    usual = [rated(f"P{number}", *["120 of 400"] * 4) for number in range(6)]
    fell = rated("fell", "60 of 400", *["120 of 400"] * 3)
    recovered = rated("recovered", "120 of 400", *["60 of 400"] * 3)

    def score(candidate: Candidate, months: int) -> Decimal:
        [found] = [one for one in score_partners([*usual, candidate], looking_back(months)) if one.partner == candidate.partner]
        assert found.score is not None
        return found.score

    assert score(fell, 0) < score(fell, 1) < score(fell, 3) < score(rated("steady", *["120 of 400"] * 4), 3)
    assert score(recovered, 3) < score(recovered, 1) < score(recovered, 0)


def test_nobody_lives_on_what_was() -> None:
    gone, hardly = rated("gone", "0 of 0", "120 of 400"), rated("hardly", "1 of 5", "120 of 400")
    policy = PolicySpec({"unlock_rate": 100}, POLICY.bands, 100, 6)

    assert standings([gone, hardly], policy) == {"gone": "no_activity", "hardly": "insufficient_data"}


@given(st.lists(st.tuples(*[st.integers(0, 50)] * 4), min_size=1, max_size=9))
def test_without_recency_the_months_before_change_nothing(rows: list[tuple[int, int, int, int]]) -> None:
    with_past = [
        rated(f"P{number}", f"{hits} of {hits + more}", f"{past} of {past + older}")
        for number, (hits, more, past, older) in enumerate(rows)
    ]

    assert score_partners(with_past, looking_back(0)) == score_partners(
        [replace(one, past=()) for one in with_past], looking_back(0)
    )


@pytest.mark.parametrize("months", [-1, 13])
def test_a_policy_that_looks_back_too_far_is_refused(months: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_policy(replace(POLICY, recency_months=months))

    assert caught.value.fields == {
        "recency_months": "Write 0 for the month alone, or how many months before it count too: 12 at most."
    }


def test_a_policy_that_was_frozen_before_counts_the_month_alone() -> None:
    older = {name: value for name, value in POLICY.as_json().items() if name != "recency_months"}

    assert PolicySpec.from_json(older) == PolicySpec.from_json(POLICY.as_json())
    assert PolicySpec.from_json(replace(POLICY, recency_months=4).as_json()).recency_months == 4
