"""Champion and challenger: both arms are what was drawn, and the comparison finds what was planted."""

from datetime import timedelta

import pytest

from activity.models import Member
from activity.services import find_members, seal_ledger
from offers.models import CatalogTrial
from partners.models import Program
from plum_site.lib.draws import is_drawn
from plum_site.lib.models import User
from reviews.choices import ReplacementState, Verdict
from reviews.models import Replacement
from reviews.rules.effects import Effect
from reviews.rules.replacements import design_trial, say_trial
from reviews.selectors.replacements import compare_arms
from reviews.selectors.replacements.trials import CHALLENGER, CHAMPION, split_arms
from reviews.services.replacements.trying import end_replacement_trial, start_replacement_trial
from tests.factories.actions import AT
from tests.factories.ledger import event, record
from tests.factories.replacements import lead, make_pair, make_replaceable_program, open_replacement

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

NAMES = [f"M{number}" for number in range(200)]
DAY = timedelta(days=1)
LATER = AT + 15 * DAY


@pytest.fixture
def program() -> Program:
    return make_replaceable_program(members=len(NAMES))


@pytest.fixture
def pair(program: Program) -> tuple[User, User]:
    return make_pair(program)


@pytest.fixture
def tried(program: Program, pair: tuple[User, User]) -> Replacement:
    approved = lead(open_replacement(program, *pair), *pair, ReplacementState.APPROVED)
    return start_replacement_trial(replacement_id=approved.pk, share_percent=40, actor=pair[1], at=AT)


def trial_of(tried: Replacement) -> CatalogTrial:
    assert tried.trial is not None
    return tried.trial


def happen(program: Program, tried: Replacement, champions: int, challengers: int) -> None:
    """On a day of the trial so many of ten champions redeem the old offer O1, and so many of ten challengers the new N1."""
    sides: dict[str, list[str]] = {"O1": [], "N1": []}
    arms = split_arms(program, trial_of(tried), AT.date())
    for name, member in sorted(find_members(program=program, external_ids=NAMES).items()):
        sides["N1" if member.pk in arms[CHALLENGER] else "O1"].append(name)
    chosen = [(name, offer) for offer, of_ten in (("O1", champions), ("N1", challengers)) for name in pick(sides[offer], of_ten)]
    rows = [
        event(f"r-{name}", "redeemed", member=name, offer=offer, occurred_at="2026-07-15T10:00:00Z") for name, offer in chosen
    ]
    assert record(program, rows, at=LATER).rejected == 0
    seal_ledger(program_id=program.pk, at=LATER)


def pick(names: list[str], of_ten: int) -> list[str]:
    return [name for place, name in enumerate(names) if place % 10 < of_ten]


def test_everybody_is_in_one_arm_and_the_share_is_what_was_asked_for(program: Program, tried: Replacement) -> None:
    arms = split_arms(program, trial_of(tried), AT.date())
    assert set(arms[CHALLENGER] | arms[CHAMPION]) == set(Member.objects.values_list("pk", flat=True))
    assert not arms[CHALLENGER] & arms[CHAMPION]
    assert split_arms(program, CatalogTrial.objects.get(), AT.date()) == arms, "the same whenever it is asked"
    everyone, planned = len(NAMES), 0.4
    assert abs(len(arms[CHALLENGER]) - everyone * planned) <= 4 * (everyone * planned * (1 - planned)) ** 0.5


@pytest.mark.parametrize(
    ("champions", "challengers", "verdict", "words"),
    [(1, 6, Verdict.WORKED, "do better so far"), (6, 1, Verdict.HARMED, "do worse so far"), (3, 3, Verdict.CANNOT_TELL, "yet")],
)
def test_what_is_planted_is_found(
    program: Program, tried: Replacement, champions: int, challengers: int, verdict: str, words: str
) -> None:
    happen(program, tried, champions, challengers)
    compared = compare_arms(tried, LATER)
    assert compared is not None
    assert (compared.days, compared.is_over, compared.sentence) == (14, False, "")
    assert [figure.metric for figure in compared.figures] == ["activations", "redemptions"]
    activations, redemptions = compared.figures
    assert redemptions.effect.verdict == verdict
    assert words in redemptions.sentence
    assert "against those who see the old offers (95 % interval" in redemptions.sentence
    assert (redemptions.champion.on_new, redemptions.challenger.on_old) == (0, 0)
    assert redemptions.champion.on_old == len(pick(["x"] * redemptions.champion.members, champions))
    assert redemptions.challenger.on_new == len(pick(["x"] * redemptions.challenger.members, challengers))
    assert redemptions.champion.members + redemptions.challenger.members == len(NAMES)
    assert redemptions.challenger.per_member == pytest.approx(challengers / 10, abs=0.1)
    assert activations.sentence.startswith("Too little data to tell yet. 0 members of both arms did anything that counts")


def test_a_trial_that_ended_is_told_without_so_far(program: Program, pair: tuple[User, User], tried: Replacement) -> None:
    happen(program, tried, 1, 6)
    ended = end_replacement_trial(replacement_id=tried.pk, actor=pair[1], at=AT + 8 * DAY)
    compared = compare_arms(ended, LATER)
    assert compared is not None
    assert (compared.days, compared.is_over) == (7, True)
    assert "The new offers do better." in compared.figures[1].sentence


def test_on_its_first_day_nothing_can_be_compared(tried: Replacement) -> None:
    compared = compare_arms(tried, AT + DAY)
    assert compared is not None
    assert (compared.days, compared.figures) == (0, [])
    assert "no whole day yet" in compared.sentence


def test_without_a_trial_there_is_nothing_to_compare(program: Program, pair: tuple[User, User]) -> None:
    assert compare_arms(open_replacement(program, *pair), AT) is None


def test_arms_too_small_to_be_shown_are_not(program: Program, tried: Replacement) -> None:
    happen(program, tried, 1, 6)
    program.minimum_group = 150
    program.save()
    compared = compare_arms(Replacement.objects.get(pk=tried.pk), LATER)
    assert compared is not None
    figure = compared.figures[1]
    assert (figure.challenger.on_new, figure.challenger.on_old, figure.challenger.per_member) == (None, None, None)


def test_a_no_difference_is_said_so_far() -> None:
    design = design_trial("redemptions", 14, ["O1"], 50, "s")
    effect = Effect(Verdict.NO_EVIDENCE, 0.01, -0.05, 0.07, "", {"treated_figure": [1, 1, 1]})
    assert say_trial(design, effect, is_over=False) == (
        "No difference is seen so far. Redemptions: +1.0 % against those who see the old offers (95 % interval −5.0 % to +7.0 %)."
    )


def test_many_draws_come_to_the_share_and_a_larger_one_takes_in_a_smaller() -> None:
    """10,000 made-up members: every share is met, arms of two salts have nothing to do with each other."""
    keys = [number.to_bytes(16, "big") for number in range(10_000)]
    for percent in (1, 10, 50):
        share = design_trial("redemptions", 1, [], percent, "a").hold_out_share or 0
        drawn = {key for key in keys if is_drawn(key, "a", 1 - share)}
        assert abs(len(drawn) - percent * 100) <= 4 * (percent * (100 - percent)) ** 0.5 + 1
        assert drawn <= {key for key in keys if is_drawn(key, "a", 1 - share + share / 2)}
    half = design_trial("redemptions", 1, [], 50, "a").hold_out_share or 0
    both = sum(is_drawn(key, "a", half) and is_drawn(key, "b", half) for key in keys)
    assert abs(both - 2500) <= 4 * (10_000 * 0.25 * 0.75) ** 0.5
