"""Whom a push would reach now."""

import pytest

from offers.models import Offer
from offers.services import leave_out_segment
from plum_site.lib.choices import Role
from plum_site.lib.periods import local_date
from reviews.selectors.pushes import find_audience
from tests.factories.actions import AT
from tests.factories.offers import make_segment
from tests.factories.people import make_member_of_staff
from tests.factories.pushes import make_pushable_program, propose_push

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def test_who_is_left_out_of_an_offer_is_not_written_to_about_it() -> None:
    program = make_pushable_program()
    action = propose_push(program, make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna"))
    north, offer = make_segment(program, "north", "region", ("north",)), Offer.objects.get(program=program, external_id="O1")

    assert find_audience(action, [offer], AT).not_in_audience == 0
    today = local_date(AT, program.time_zone)
    leave_out_segment(offer_id=offer.pk, segment_id=north.pk, starts_date=today, actor="system", at=AT)
    found = find_audience(action, [offer], AT)
    assert (found.in_segment, found.not_in_audience, len(found.chosen)) == (20, 10, 10)
