"""Numbers by partner and attribute, counted in one pass, hide exactly what the metric layer hides."""

from datetime import UTC, date, datetime
from random import Random

import pytest

from activity.selectors import PARTS, count_by, count_by_attributes, summarise
from activity.services import MemberRow, Person, apply_people, seal_ledger
from partners.models import Program
from tests.factories.ledger import event, record
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import CREATED_AT, make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

MAY, JULY = date(2026, 5, 1), date(2026, 7, 1)
AT = datetime(2026, 7, 2, tzinfo=UTC)
ATTRIBUTES = ["region", "grade"]
MEMBERS = 70


@pytest.fixture
def program() -> Program:
    """Three partners, 70 members in groups of very different sizes, 600 events of two months, part of them sealed."""
    made = make_program(
        recorded_stages=["viewed"], minimum_group=5, member_attributes=ATTRIBUTES, reporting_attributes=["region"]
    )
    random = Random(11)
    rows = [
        MemberRow(Person(f"M{number}"), {"region": random.choice("nnnnneews"), "grade": random.choice("aaaabbc")})
        for number in range(MEMBERS)
    ]
    apply_people(program=made, source="file", rows=rows, actor="system", at=CREATED_AT)
    for number in range(3):
        make_partner(made, f"P{number}")
        make_offer(made, f"O{number}", partner_external_id=f"P{number}")
    events = [
        event(
            number,
            member=f"M{random.randrange(MEMBERS)}",
            offer=random.choice(["O0", "O0", "O0", "O0", "O0", "O0", "O1", "O2"]),
            occurred_at=f"2026-{random.choice(['05', '06'])}-{random.randrange(10, 29)}T10:00:00Z",
        )
        for number in range(600)
    ]
    record(made, events[:450], at=AT)
    seal_ledger(program_id=made.pk, at=AT)
    record(made, events[450:], at=AT)
    return made


@pytest.mark.parametrize("minimum_group", [1, 2, 5, 12])
def test_what_is_hidden_and_counted_is_what_the_metric_layer_says(program: Program, minimum_group: int) -> None:
    Program.objects.update(minimum_group=minimum_group)
    program.refresh_from_db()

    found = count_by_attributes(program=program, starts_date=MAY, ends_date=JULY, attributes=ATTRIBUTES)

    assert list(found) == ATTRIBUTES
    for attribute, groups in found.items():
        by = ["month", "partner", attribute]
        shown = summarise(program=program, starts_date=MAY, ends_date=JULY, by=by, leave_out=PARTS).rows
        plain = count_by(program=program, starts_date=MAY, ends_date=JULY, by=by)
        hidden = {tuple(row[name] for name in by) for row in shown if row["suppressed"]}
        assert groups == {key: None if key in hidden else counts for key, counts in plain.items()}
        assert bool(hidden) == (minimum_group > 2), "the data must try both"


def test_no_attribute_asks_for_nothing(program: Program, django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert count_by_attributes(program=program, starts_date=MAY, ends_date=JULY, attributes=[]) == {}
