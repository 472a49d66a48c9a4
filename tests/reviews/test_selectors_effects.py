"""Designs and effects from the ledger of a program: a push with members held out, and offers against others."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from activity.models import Member
from activity.selectors import head_of
from activity.services import MemberRow, Person, apply_people, find_member, seal_ledger
from offers.services import change_offer_state
from partners.models import Program
from plum_site.lib.errors import InvalidInput
from reviews.rules.effects import HELD_OUT, TREATED, EffectDesign, arm_of
from reviews.selectors.effects import design_push, design_units, list_alike, read_effect, split_members
from tests.factories.ledger import event, record
from tests.factories.offers import make_offer, make_segment
from tests.factories.partners import make_partner
from tests.factories.programs import CREATED_AT, make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

STARTS = date(2026, 6, 1)
WINDOW = 7
AT = datetime(2026, 7, 2, tzinfo=UTC)
FIFTH = Decimal("0.2")
REGIONS = ("north", "south", "east", "west")


def make_market(members: int = 100) -> Program:
    """Members of four regions, and partners P0 to P4 with one offer each; P4 is of another category."""
    program = make_program(recorded_stages=["viewed", "redeemed"], minimum_group=5)
    rows = [MemberRow(Person(f"M{number}"), {"region": REGIONS[number % 4]}) for number in range(members)]
    apply_people(program=program, source="file", rows=rows, actor="system", at=CREATED_AT)
    for number in range(5):
        make_partner(program, f"P{number}", category="travel" if number == 4 else "food")
        make_offer(program, f"O{number}", partner_external_id=f"P{number}")
    program.refresh_from_db()
    return program


def redeem(program: Program, rows: Iterable[tuple[int, str, date]], tag: str) -> None:
    """One redemption each: number of the member, offer, day."""
    record(
        program,
        [
            event(f"{tag}{place}", "redeemed", member=f"M{member}", offer=offer, occurred_at=f"{day}T10:00:00Z")
            for place, (member, offer, day) in enumerate(rows)
        ],
        at=AT,
    )


def fill_baseline(
    program: Program, offers: Iterable[str] = ("O0", "O1", "O2", "O3", "O4"), a_week: int = 40, tag: str = "past"
) -> None:
    """Six weeks in which every offer is redeemed about as often each week, in every region."""
    random = Random(1)
    rows = [
        (number, offer, STARTS - timedelta(days=WINDOW * week + number % WINDOW + 1))
        for offer in offers
        for week in range(6)
        for number in range(a_week + random.randrange(3))
    ]
    redeem(program, rows, tag)


def fill_window(program: Program, numbers: dict[str, int], members: int = 100) -> None:
    redeem(
        program,
        [
            (number % members, offer, STARTS + timedelta(days=number % WINDOW))
            for offer, count in numbers.items()
            for number in range(count)
        ],
        "window",
    )


def units_design(program: Program, **changes: Any) -> EffectDesign:
    asked: dict[str, Any] = {
        "kind": "rerank",
        "metric": "redemptions",
        "partner": program.partners.get(external_id="P0"),
        "offers": ["O0"],
        "segment": None,
        "starts_date": STARTS,
        "window_days": WINDOW,
        "minimum_effect": FIFTH,
    }
    return design_units(program=program, **(asked | changes))


class TestPush:
    def push(self, program: Program, **changes: Any) -> EffectDesign:
        asked: dict[str, Any] = {
            "metric": "members_redeemed", "members": list(Member.objects.values_list("id", flat=True)), "offers": ["O0"],
            "starts_date": STARTS, "salt": "push-1", "window_days": WINDOW, "minimum_effect": FIFTH,
        }  # fmt: skip
        return design_push(program=program, **(asked | changes))

    def test_from_the_audience_to_the_verdict(self) -> None:
        """Two in three of those written to redeem, one in three of those held out."""
        program = make_market(400)
        redeem(program, [(number, "O0", STARTS - timedelta(days=1 + number % WINDOW)) for number in range(0, 400, 2)], "past")
        design = self.push(program, hold_out_share=Decimal("0.4"))
        numbers = {find_member(program=program, external_id=f"M{number}").pk: number for number in range(400)}
        members = list(numbers)
        arms = {arm: sorted(ids) for arm, ids in split_members(program, design, members).items()}
        moved = arms[TREATED][: len(arms[TREATED]) * 2 // 3] + arms[HELD_OUT][: len(arms[HELD_OUT]) // 3]
        redeem(program, [(numbers[pk], "O0", STARTS + timedelta(days=2)) for pk in moved], "after")

        effect = read_effect(program=program, design=design, starts_date=STARTS, members=members)

        assert (design.method, design.hold_out_share, dict(design.where)) == ("hold_out", Decimal("0.4"), {"offer": ("O0",)})
        assert design.sentence.startswith("40 % of the audience")
        assert effect.verdict == "worked"
        assert {arm: effect.numbers[arm]["members"] for arm in arms} == {arm: len(ids) for arm, ids in arms.items()}
        assert effect.numbers["treated"]["responders"] + effect.numbers["held_out"]["responders"] == len(moved)
        again = EffectDesign.from_json(design.as_json())
        assert read_effect(program=program, design=again, starts_date=STARTS, members=members[::-1]) == effect

    def test_arms_are_split_by_the_keys_of_the_members(self) -> None:
        program = make_market(100)
        design = self.push(program, hold_out_share=Decimal("0.5"))
        members = list(Member.objects.values_list("id", flat=True))

        arms = split_members(program, design, [*members, 10**9])

        assert set(arms[TREATED] | arms[HELD_OUT]) == set(members)
        for member in Member.objects.all():
            assert member.pk in arms[arm_of(bytes(member.key), "push-1", Decimal("0.5"))]

    def test_too_few_members_are_not_split(self) -> None:
        program = make_market(100)
        some = list(Member.objects.values_list("id", flat=True))[:39]

        design = self.push(program, members=some)

        assert (design.method, design.visible_effect) == ("none", None)
        assert set(split_members(program, design, some)[TREATED]) == set(some), "nobody is held out for nothing"
        assert read_effect(program=program, design=design, starts_date=STARTS, members=some).sentence == design.sentence

    def test_a_metric_that_members_do_not_have_is_refused(self) -> None:
        with pytest.raises(InvalidInput) as refusal:
            self.push(make_market(50), metric="net_spend")

        assert list(refusal.value.fields) == ["metric"]


class TestUnits:
    @pytest.fixture
    def program(self) -> Program:
        program = make_market()
        fill_baseline(program)
        return program

    def test_an_offer_is_held_against_others_of_its_category(self, program: Program) -> None:
        design = units_design(program)

        assert (design.method, design.unit, design.treated, design.controls) == ("matched", "offer", ("O0",), ("O1", "O2", "O3"))
        assert design.where == ()

    @pytest.mark.parametrize(("number", "verdict"), [(90, "worked"), (41, "no_evidence"), (10, "harmed")])
    def test_the_verdict_follows_the_window(self, program: Program, number: int, verdict: str) -> None:
        design = units_design(program, minimum_effect=Decimal("0.7"))
        fill_window(program, {"O0": number, "O1": 40, "O2": 41, "O3": 42, "O4": 300})
        seal_ledger(program_id=program.pk, at=AT)
        head = head_of(program.pk)
        assert head

        effect = read_effect(program=program, design=design, starts_date=STARTS, cutoff=head.number)

        assert effect.verdict == verdict
        assert effect.numbers["treated"][0]["periods"][-1] == [number, None]
        record(program, [event("late", "redeemed", member="M1", offer="O0", occurred_at="2026-06-02T10:00:00Z")], at=AT)
        assert read_effect(program=program, design=design, starts_date=STARTS, cutoff=head.number) == effect
        assert read_effect(program=program, design=design, starts_date=STARTS) != effect

    def test_nothing_in_the_window_is_counted_as_nothing(self, program: Program) -> None:
        design = units_design(program)
        fill_window(program, {"O1": 40, "O2": 41, "O3": 42})

        effect = read_effect(program=program, design=design, starts_date=STARTS)

        assert effect.numbers["treated"][0]["periods"][-1] == [0, None]
        assert effect.estimate is not None
        assert effect.estimate < -0.9

    def test_a_control_that_ended_meanwhile_is_left_out(self, program: Program) -> None:
        design = units_design(program)
        offer = program.offers.get(external_id="O2")
        change_offer_state(
            offer_id=offer.pk, name="pause", actor="system", at=datetime(2026, 6, 3, tzinfo=UTC), comment="it stops"
        )
        fill_window(program, {"O0": 40, "O1": 40, "O2": 3, "O3": 42})

        effect = read_effect(program=program, design=design, starts_date=STARTS)

        assert effect.numbers["left_out"] == ["O2"]
        assert [unit["key"] for unit in effect.numbers["controls"]] == ["O1", "O3"]

    def test_what_is_touched_too_is_no_control(self, program: Program) -> None:
        assert units_design(program, touched=["O3"]).controls == ("O1", "O2")
        assert units_design(program, touched=["O2", "O3"]).method == "none"

    def test_offers_that_began_or_end_within_the_time_are_not_alike(self, program: Program) -> None:
        for name, days in (("late", {"starts_date": date(2026, 5, 1)}), ("ending", {"ends_date": date(2026, 6, 5)})):
            make_offer(program, name, partner_external_id="P1", **days)
        program.refresh_from_db()

        assert list_alike(program, ["O0"], date(2026, 4, 20), date(2026, 6, 7)) == ["O1", "O2", "O3"]

    def test_a_segment_of_one_attribute_is_held_against_the_rest(self) -> None:
        program = make_market(200)
        fill_baseline(program, ["O0"], a_week=160)
        segment = make_segment(program, "northern", "region", ("north",))

        design = units_design(program, segment=segment, minimum_effect=Decimal(1))
        fill_window(program, {"O0": 160})
        effect = read_effect(program=program, design=design, starts_date=STARTS)

        assert (design.unit, design.treated) == ("member.region", ("north",))
        assert set(design.controls) == {"south", "east", "west"}
        assert dict(design.where) == {"offer": ("O0",)}
        assert design.sentence.startswith("Compared by region with east, south and west, which moved alike")
        assert effect.verdict == "no_evidence"
        assert "treated" not in effect.numbers, "groups of members may be too small to be shown"

    def test_a_segment_without_the_like_is_held_against_other_offers_in_it(self, program: Program) -> None:
        segment = make_segment(program, "all", "region", REGIONS)

        design = units_design(program, segment=segment)

        assert (design.unit, design.treated, design.controls) == ("offer", ("O0",), ("O1", "O2", "O3"))
        assert dict(design.where) == {"segment": ("all",)}

    def test_a_partner_that_is_written_to_is_held_against_its_category(self, program: Program) -> None:
        design = units_design(program, kind="contact_partner", offers=[], minimum_effect=Decimal("0.7"))
        fill_window(program, {"O0": 90, "O1": 40, "O2": 41, "O3": 42})

        assert (design.unit, design.treated, design.controls) == ("partner", ("P0",), ("P1", "P2", "P3"))
        assert read_effect(program=program, design=design, starts_date=STARTS).verdict == "worked"

    def test_a_replacement_is_held_against_other_categories(self, program: Program) -> None:
        design = units_design(program, kind="replace_partner")

        assert "of 1 that are left alone, 1 moved alike" in design.sentence
        make_partner(program, "P5", category="home")
        make_offer(program, "O5", partner_external_id="P5")
        fill_baseline(program, ["O5"], tag="home")
        with_two = units_design(program, kind="replace_partner")
        assert (with_two.unit, with_two.treated, with_two.controls) == ("category", ("food",), ("home", "travel"))

    def test_no_candidate_at_all(self, program: Program) -> None:
        design = units_design(program, offers=["O4"])

        assert design.sentence == "Cannot be told: nothing comparable is left alone."
        assert read_effect(program=program, design=design, starts_date=STARTS).sentence == design.sentence

    def test_a_rate_is_read_with_its_divisor(self, program: Program) -> None:
        views = [
            event(
                f"v{offer}{week}{number}",
                member=f"M{number}",
                offer=offer,
                occurred_at=f"{STARTS - timedelta(days=7 * week + 3)}T10:00:00Z",
            )
            for offer in ("O0", "O1", "O2", "O3")
            for week in range(6)
            for number in range(100)
        ]
        record(program, views, at=AT)

        design = units_design(program, metric="redemptions_per_view")

        assert design.controls == ("O1", "O2", "O3")
        assert design.visible_effect is not None
