"""
Workers die at every step of a cutover, and of telling the members who hold an offer that goes: each happens once, whole.

The places are read from the code, so that a new one is tried without a line here. Each has a replacement of its own.
"""

import json
from datetime import UTC, datetime, timedelta

import pytest

from plum_site.lib.crashpoints import STATUS
from reviews.services.replacements.approving import CUT_OVER
from reviews.services.replacements.holders import TELL_HOLDERS
from tests.faults.checker import call
from tests.faults.figures import Figures
from tests.faults.lab import Lab
from tests.faults.points import list_points

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("stocked")]

NOW, LATER = datetime(2026, 7, 22, 9, 30, tzinfo=UTC), timedelta(hours=3)
CUTOVERS = (
    "SELECT COUNT(*) FROM reviews_replacementtransition t JOIN reviews_replacement r ON r.id = t.replacement_id "
    "JOIN partners_partner p ON p.id = r.partner_id WHERE t.name = 'cut_over' AND p.external_id = '{0}'"
)
PUBLISHED = "SELECT COUNT(*) FROM offers_offer WHERE external_id = '{0}' AND state = 'published'"
HOLDERS = "SELECT COUNT(*) FROM reviews_replacementholder h JOIN offers_offer o ON o.id = h.offer_id WHERE o.external_id = '{0}'"
MAILS = "SELECT COUNT(*) FROM plum_outbox WHERE channel = 'holder_notice'"


def done(lab: Lab, number: int) -> tuple[int, int, int, int]:
    """Of one replacement: cutovers, old offers and new offers that are published, members who are noted down."""
    old, new = f"R{number}", f"S{number}"
    return (
        lab.count(CUTOVERS.format(old)),
        lab.count(PUBLISHED.format(old)),
        lab.count(PUBLISHED.format(new)),
        lab.count(HOLDERS.format(old)),
    )


def test_a_cutover_is_whole_or_not_at_all_wherever_the_worker_dies(both: Lab, figures: Figures) -> None:
    cutting = [point.name for point in list_points("replacement")]
    telling = [point.name for point in list_points("holders")]
    assert len(cutting) >= 6, "too few to speak of every step"
    assert len(telling) >= 3, "too few to speak of every step"
    count = max(len(cutting), len(telling))
    call(both, "schedule", count, NOW.isoformat(), module="replacements")
    figures.tried("crash points", len(cutting) + len(telling))

    assert json.loads(call(both, "die", CUT_OVER, cutting, NOW.isoformat(), module="replacements")) == [STATUS] * len(cutting)
    assert [done(both, number) for number in range(len(cutting))] == [
        (1, 0, 1, 1) if point == "replacement.committed" else (0, 1, 0, 0) for point in cutting
    ]
    figures.survived(len(cutting))
    call(both, "take_up_cutovers", (NOW + LATER).isoformat(), module="replacements")
    assert [done(both, number) for number in range(count)] == [(1, 0, 1, 1)] * count

    later = (NOW + LATER).isoformat()
    assert json.loads(call(both, "die", TELL_HOLDERS, telling, later, module="replacements")) == [STATUS] * len(telling)
    assert both.count(MAILS) == 0
    figures.survived(len(telling))

    for times in (2, 3):
        call(both, "take_up", (NOW + times * LATER).isoformat(), module="replacements")

    assert both.count(MAILS) == count, "one mail a member"
    assert [done(both, number) for number in range(count)] == [(1, 0, 1, 1)] * count
    checked = both.manage("verify", "actions", check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
