"""What the playbook proposes for segments once a month is over: from the ledger, once, within its limit, not again soon."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from activity.services import MemberRow, Person, apply_people
from offers.models import Segment
from partners.models import Program
from partners.services import change_partner_state
from plum_site.lib.models import Outbox, User
from reviews.choices import ActionKind, ActionState
from reviews.models import CorrectiveAction, Playbook, ReviewCycle
from reviews.rules import PartInput
from reviews.rules.actions import Placing, PlacingSpec
from reviews.selectors.actions import read_playbook
from reviews.selectors.inputs import read_input
from reviews.services.actions import placing, reject_action, save_playbook
from tests.factories.flags import consolidate, watch_alone
from tests.factories.ledger import record
from tests.factories.people import make_member_of_staff
from tests.factories.programs import CREATED_AT
from tests.factories.reviews import APRIL, IN_JULY, JUNE, MAY, make_reviewable_program, reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

PARTNERS = [f"P{number}" for number in range(1, 7)]
REGIONS = ("north", "south", "west")
MONTHS = {APRIL: "2026-04", MAY: "2026-05", JUNE: "2026-06"}
SPEC = PlacingSpec(minimum=30)


def counts_of(month: str, partner: str, region: str) -> dict[str, int]:
    """In June everybody in north redeems a fifth of the usual, P3 does better than the others; in west P2 activates little."""
    redeemed = 34 if partner == "P3" else 20
    little = partner == "P2" and region == "west"
    seen = {"viewed": 40, "redeemed": redeemed // 5 if region == "north" else redeemed} if month == "2026-06" else {}
    return {"unlocked": 60, "activated": 6 if little else 40} | seen


def happenings() -> Iterator[dict[str, Any]]:
    for month in MONTHS.values():
        for partner in PARTNERS:
            for region in REGIONS:
                for kind, count in counts_of(month, partner, region).items():
                    for number in range(count):
                        yield {
                            "event_id": f"{month}-{partner}-{region}-{kind}-{number}",
                            "occurred_at": f"{month}-{10 + number % 10}T10:00:{number % 60:02d}Z",
                            "kind": kind,
                            "member": f"{region}{number % 8}",
                            "offer": f"O-{partner}",
                        }


@pytest.fixture
def program() -> Program:
    made = make_reviewable_program(*PARTNERS, reporting_attributes=["region"])
    watch_alone(made)
    rows = [
        MemberRow(Person(f"{region}{number}"), {"business_unit": "cards", "region": region})
        for region in REGIONS
        for number in range(8)
    ]
    apply_people(program=made, source="file", rows=rows, actor="system", at=CREATED_AT)
    events = list(happenings())
    assert record(made, events, at=IN_JULY).accepted == len(events)
    save_playbook(program_id=made.pk, lines=[], placing=SPEC, actor="system", at=IN_JULY)
    return made


@pytest.fixture
def anna(program: Program) -> User:
    return make_member_of_staff(program, "program_admin", "anna")


def proposed() -> list[tuple[str, str, str]]:
    actions = CorrectiveAction.objects.filter(kind=ActionKind.RERANK).order_by("params__how", "partner__external_id")
    return [
        (action.params["how"], action.partner.external_id, action.segment.code if action.segment else "") for action in actions
    ]


def test_a_month_that_is_over_leads_to_both_once_with_their_figures(program: Program) -> None:
    otis = make_member_of_staff(program, "partner_ops", "otis")
    User.objects.filter(pk=otis.pk).update(email="otis@example.org")
    program.partners.update(owner=otis)
    cycle = reviewed(program)
    assert proposed() == [("lower", "P2", "region-west"), ("top", "P3", "region-north")]
    top = CorrectiveAction.objects.get(partner__external_id="P3")
    assert (top.state, top.proposer, top.cycle, top.params["offers"]) == (ActionState.PROPOSED, None, cycle, ["O-P3"])
    assert top.reason.startswith("region north redeems little: ")
    low = CorrectiveAction.objects.get(partner__external_id="P2")
    assert "18 activations of 180 unlocks" in low.reason
    assert "in each of 3 months on end" in low.reason
    assert Segment.objects.get(code="region-north").rule == [{"attribute": "region", "operator": "is", "values": ["north"]}]
    [mail] = Outbox.objects.filter(channel="mail")
    assert "2 corrective actions" in str(mail.payload), "one mail with all of theirs"

    for hours in (1, 2):
        consolidate(program, JUNE, IN_JULY + timedelta(hours=hours))
    assert len(proposed()) == 2


def parts_of(cycle: ReviewCycle) -> Sequence[PartInput]:
    """What the consolidation of a cycle read of offers and segments."""
    return read_input(cycle.program, cycle.config, cycle.cutoff or 0).parts


def test_what_was_rejected_lately_or_is_under_way_is_not_proposed_for_the_next_month(program: Program, anna: User) -> None:
    cycle = reviewed(program)
    low = CorrectiveAction.objects.get(partner__external_id="P2")
    reject_action(action_id=low.pk, actor=anna, at=IN_JULY, comment="They changed their till.")
    CorrectiveAction.objects.filter(pk__gt=0).update(proposal_key=None)  # as if they had been of another month

    assert placing.propose_placings(cycle=cycle, parts=parts_of(cycle), at=IN_JULY) == []


def test_at_most_so_many_a_month_also_where_it_is_consolidated_again(program: Program) -> None:
    spec = PlacingSpec(minimum=30, most=1)
    save_playbook(program_id=program.pk, lines=[], placing=spec, actor="system", at=IN_JULY)
    cycle = reviewed(program)
    found = Placing("lower", "P5", "region", "west", "It was poor.", 1.0)
    with patch.object(placing, "find_placings", return_value=[found]):
        assert placing.propose_placings(cycle=cycle, parts=parts_of(cycle), at=IN_JULY) == [], "P2 was proposed before"
        save_playbook(program_id=program.pk, lines=[], placing=SPEC, actor="system", at=IN_JULY)
        assert [one.partner.external_id for one in placing.propose_placings(cycle=cycle, parts=parts_of(cycle), at=IN_JULY)] == [
            "P5"
        ]


def test_what_no_rule_had_read_is_read_for_the_playbook_alone(program: Program) -> None:
    cycle = reviewed(program)
    given = placing.read_cells(cycle, SPEC, parts_of(cycle))
    cycle.config = cycle.config | {"rules": []}
    assert len(given) == len(PARTNERS) * len(REGIONS)
    assert [cell.months[:3] for cell in placing.read_cells(cycle, SPEC, [])] == [cell.months[:3] for cell in given]


def test_a_partner_that_supplies_nothing_is_left_alone(program: Program, anna: User) -> None:
    for external_id in ("P3", "P2"):
        partner = program.partners.get(external_id=external_id)
        change_partner_state(partner_id=partner.pk, name="pause", actor=anna, at=IN_JULY, comment="Rebuilding.")
    reviewed(program)

    assert proposed() == []


def test_a_group_that_is_too_small_to_be_shown_leads_to_nothing(program: Program) -> None:
    Program.objects.filter(pk=program.pk).update(minimum_group=9)
    reviewed(program)

    assert proposed() == []


def test_each_is_switched_off_by_itself(program: Program) -> None:
    off = PlacingSpec(minimum=30, surfaces=False)
    save_playbook(program_id=program.pk, lines=[], placing=off, actor="system", at=IN_JULY)
    reviewed(program)

    assert [how for how, _, _ in proposed()] == ["lower"]


def test_a_month_that_ended_long_ago_leads_to_nothing(program: Program) -> None:
    reviewed(program, at=IN_JULY + timedelta(days=60))

    assert proposed() == []


def test_a_playbook_from_before_segments_were_spoken_of_proposes_nothing_for_them(program: Program) -> None:
    Playbook.objects.create(program=program, number=2, lines=[], made_by="system", made_at=IN_JULY)
    reviewed(program)

    assert proposed() == []
    assert read_playbook(program.pk).placing == PlacingSpec(surfaces=False, lowers=False)
    save_playbook(program_id=program.pk, lines=[], actor="system", at=IN_JULY)
    assert Playbook.objects.count() == 2, "the same again changes nothing"
    assert save_playbook(program_id=program.pk, lines=[], placing=SPEC, actor="system", at=IN_JULY).number == 3
