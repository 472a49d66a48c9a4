"""Hundreds of partners over twelve months: everybody has an outcome, and one who is taken away is named."""

import json
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from offers.models import Offer
from partners.models import Program
from plum_site.lib.periods import month_text, months_between
from reviews.choices import CycleState
from reviews.models import Scorecard
from tests.factories.ledger import record
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import make_program
from tests.factories.reviews import STAGES, reviewed
from tests.support.tampering import let_through

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

PARTNERS = 500
MONTHS = months_between(date(2026, 1, 1), date(2026, 12, 1))
BEGAN_AT, AT = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 10, 9, tzinfo=UTC)
LOST = "P0017"


@pytest.fixture
def program() -> Program:
    """Every partner has an offer live all year; each month some tens of them have an event."""
    program = make_program(recorded_stages=STAGES, at=BEGAN_AT)
    for number in range(PARTNERS):
        make_partner(program, f"P{number:04d}")
        make_offer(program, f"O{number:04d}", partner_external_id=f"P{number:04d}")
    events = [
        {
            "event_id": f"{month}-{number}",
            "occurred_at": f"{month_text(month)}-15T10:00:00Z",
            "kind": "viewed",
            "status": "confirmed",
            "member": f"M{number % 7}",
            "offer": f"O{number:04d}",
        }
        for month in MONTHS
        for number in range(month.month, PARTNERS, 17)
    ]
    record(program, events, at=AT)
    assert Offer.objects.count() == PARTNERS
    for month in MONTHS:
        reviewed(program, month, CycleState.CLOSED, at=AT)
    return program


def check_coverage() -> dict[str, Any]:
    out = StringIO()
    with time_machine.travel(AT, tick=False):
        call_command("check_coverage", "--program", "acme", "--format", "json", stdout=out, stderr=StringIO())
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_everybody_is_covered_and_whoever_is_taken_away_is_named(program: Program) -> None:
    found = check_coverage()
    assert (found["complete"], found["months"], found["partners"]) == (True, 12, 12 * PARTNERS)

    card = Scorecard.objects.get(partner__external_id=LOST, cycle__month_start_date=date(2026, 8, 1))
    with transaction.atomic():
        let_through()
        with connection.cursor() as cursor:
            for table, column in (
                ("reviews_decision", "scorecard_id"),
                ("reviews_flag", "scorecard_id"),
                ("reviews_scorecard", "id"),
            ):
                cursor.execute(f"DELETE FROM {table} WHERE {column} = %s", [card.pk])
        out = StringIO()
        with time_machine.travel(AT, tick=False), pytest.raises(CommandError) as refused:
            call_command("check_coverage", "--program", "acme", "--format", "json", stdout=out, stderr=StringIO())
        assert refused.value.returncode == 1
        [gap] = json.loads(out.getvalue())["gaps"]
        assert (gap["month"], gap["partner"]) == ("2026-08", LOST)
        assert "has no scorecard" in gap["problem"]
        transaction.set_rollback(True)  # the triggers come back
