"""Outcomes of arms and of units are what one gets by counting the events one by one."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from pyroaring import BitMap

from activity.choices import Kind, Status
from activity.models import Event, Member
from activity.rules import ArmCounts, stratum_of
from activity.selectors import count_arms, count_periods, head_of, iterate_member_keys, list_in_segment
from activity.selectors.groups import count_in_segment
from activity.services import MemberRow, Person, apply_people, seal_ledger
from partners.models import Program
from plum_site.lib.errors import DomainError
from tests.factories.ledger import event, record
from tests.factories.offers import make_offer, make_segment
from tests.factories.partners import make_partner
from tests.factories.programs import CREATED_AT, make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

STARTS, WINDOW = date(2026, 6, 1), 14
AT = datetime(2026, 7, 2, tzinfo=UTC)
MEMBERS = 60


@pytest.fixture
def program() -> Program:
    """Sixty members who redeem two offers over May and June, most of it sealed."""
    made = make_program(recorded_stages=["viewed", "redeemed"])
    random = Random(3)
    rows = [MemberRow(Person(f"M{number}"), {"region": random.choice(["north", "south", ""])}) for number in range(MEMBERS)]
    apply_people(program=made, source="file", rows=rows, actor="system", at=CREATED_AT)
    for number in range(2):
        make_partner(made, f"P{number}")
        make_offer(made, f"O{number}", partner_external_id=f"P{number}")
    events = [
        event(
            number,
            random.choice(["redeemed", "redeemed", "viewed"]),
            member=f"M{int(random.random() ** 2 * MEMBERS)}",
            offer=random.choice(["O0", "O1"]),
            status="confirmed",
            occurred_at=f"{date(2026, 5, 10) + timedelta(days=random.randrange(45))}T{random.randrange(24):02d}:30:00Z",
        )
        for number in range(700)
    ]
    events += [event(f"failed{number}", "redeemed", status="failed", reason_code="x", offer="O0") for number in range(5)]
    record(made, events[:500], at=AT)
    seal_ledger(program_id=made.pk, at=AT)
    record(made, events[500:], at=AT)
    return made


def by_hand(ids: set[int], offers: list[str], kind: Kind, cutoff_id: int | None = None) -> list[ArmCounts]:
    """The same, event by event."""
    rows = Event.objects.filter(kind=kind, status=Status.CONFIRMED, offer__external_id__in=offers)
    if cutoff_id is not None:
        rows = rows.filter(id__lt=cutoff_id)
    before, after = Counter[int](), Counter[int]()
    for member_id, day in rows.values_list("member_id", "local_date"):
        if STARTS - timedelta(days=WINDOW) <= day < STARTS:
            before[member_id] += 1
        elif STARTS <= day < STARTS + timedelta(days=WINDOW):
            after[member_id] += 1
    strata = [ArmCounts() for _ in range(4)]
    for member_id in ids:
        number = after[member_id]
        strata[stratum_of(before[member_id])] += ArmCounts(1, int(number > 0), number, number**2)
    return strata


@pytest.mark.parametrize("kind", [Kind.REDEEMED, Kind.VIEWED])
@pytest.mark.parametrize("offers", [["O0"], ["O0", "O1"]])
def test_arms_are_counted_as_by_hand(program: Program, kind: Kind, offers: list[str]) -> None:
    ids = list(Member.objects.values_list("id", flat=True))
    arms = {"treated": BitMap(ids[::3]), "held_out": BitMap(ids[1::3])}

    counted = count_arms(program=program, arms=arms, kind=kind, starts_date=STARTS, window_days=WINDOW, where={"offer": offers})

    assert counted == {arm: by_hand(set(members), offers, kind) for arm, members in arms.items()}
    assert sum(counted["treated"], ArmCounts()).members == len(arms["treated"])
    assert sum(counted["treated"], ArmCounts()).events > 0


def test_arms_are_counted_up_to_a_cutoff(program: Program) -> None:
    everyone = BitMap(Member.objects.values_list("id", flat=True))
    asked = {"program": program, "arms": {"all": everyone}, "kind": Kind.REDEEMED, "starts_date": STARTS, "window_days": WINDOW}
    unsealed = Event.objects.order_by("-id").values_list("id", flat=True)[204]  # the first of the second batch
    head = head_of(program.pk)
    assert head

    then, now = count_arms(**asked, cutoff=head.number), count_arms(**asked)

    assert then["all"] == by_hand(set(everyone), ["O0", "O1"], Kind.REDEEMED, unsealed)
    assert then != now


def test_members_without_any_event_count_and_those_of_no_arm_do_not(program: Program) -> None:
    nobody = BitMap([2**31])

    counted = count_arms(program=program, arms={"a": nobody}, kind=Kind.REDEEMED, starts_date=STARTS, window_days=WINDOW)

    assert counted == {"a": [ArmCounts(1), ArmCounts(), ArmCounts(), ArmCounts()]}


@pytest.mark.parametrize("unit", ["offer", "member.region", "partner"])
def test_periods_are_counted_as_by_hand(program: Program, unit: str) -> None:
    starts = [STARTS - timedelta(days=WINDOW), STARTS, date(2027, 1, 1)]

    counted = count_periods(program=program, unit=unit, periods=[[(first, first + timedelta(days=WINDOW))] for first in starts])

    path = {"offer": "offer__external_id", "partner": "offer__partner__external_id", "member.region": "attribute_set__values"}[
        unit
    ]
    by_hand: dict[str, list[int]] = {}
    rows = Event.objects.filter(kind=Kind.REDEEMED, status=Status.CONFIRMED)
    for value, day in rows.values_list(path, "local_date"):
        key = value["region"] if unit == "member.region" else value
        for place, first in enumerate(starts):
            by_hand.setdefault(key, [0, 0, 0])[place] += first <= day < first + timedelta(days=WINDOW)
    assert {key: [row.get("redemptions", 0) for row in periods] for key, periods in counted.items()} == by_hand
    assert list(counted) == sorted(counted)
    assert all(periods[2] == {} for periods in counted.values())


def test_units_are_filtered_as_figures_are(program: Program) -> None:
    counted = count_periods(
        program=program, unit="offer", periods=[[(STARTS, STARTS + timedelta(days=7))]], where={"offer": ["O1"]}
    )

    assert list(counted) == ["O1"]
    with pytest.raises(DomainError):
        count_periods(program=program, unit="shoe_size", periods=[[(STARTS, STARTS + timedelta(days=7))]])


def test_keys_are_those_of_the_members_of_the_program(program: Program) -> None:
    other = make_program("other")
    apply_people(program=other, source="file", rows=[MemberRow(Person("X"), {})], actor="system", at=CREATED_AT)

    mine = list(Member.objects.filter(program=program).order_by("id").values_list("id", flat=True))
    theirs = Member.objects.get(program=other).pk

    keys = dict(iterate_member_keys(program.pk, BitMap([*mine[5:], theirs, 2**31])))

    assert list(keys) == mine[5:]
    assert len(set(keys.values())) == MEMBERS - 5
    assert all(bytes(Member.objects.get(pk=pk).key) == key for pk, key in list(keys.items())[:5])
    assert list(iterate_member_keys(program.pk, BitMap())) == []


def test_members_of_a_segment_are_as_many_as_are_counted(program: Program) -> None:
    segment = make_segment(program, "north", "region", ("north",))
    Member.objects.filter(pk=Member.objects.order_by("id").values("pk")[:1]).update(state="inactive", deactivated_at=CREATED_AT)

    inside, everyone = list_in_segment(segment, program, STARTS), list_in_segment(None, program, STARTS)

    assert (len(inside), len(everyone)) == count_in_segment(segment, program, STARTS)
    assert set(inside) < set(everyone)
    assert len(everyone) == MEMBERS - 1
