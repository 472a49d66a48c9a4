"""The events beneath a figure: as many as the figure says, for every filter that figures have."""

import html
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from activity.choices import Kind, Status
from activity.models import Member
from activity.selectors import summarise
from activity.selectors.beneath import list_events_beneath
from tests.factories.offers import make_segment
from tests.factories.people import make_member_of_staff
from tests.factories.quarters import APRIL, JULY, make_quarter
from tests.support.figures import read_page
from tests.support.pages import sign_in, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
DAYS = {"starts_date": APRIL, "ends_date": JULY}


def test_as_many_events_as_the_figures_say() -> None:
    program, _events = make_quarter(11)
    make_segment(program, "northern")
    member = Member.objects.filter(program=program).order_by("pk")[2]
    for where in (
        {},
        {"partner": ["P1", "P3"], "offer_type": ["discount"]},
        {"category": ["food"], "country": ["DE", ""]},
        {"region": ["north", "west"], "member.country": ["DE"]},
        {"segment": ["northern"]},
        {"first_activation_month": ["2026-04", "2026-05"]},
        {"join_month": [""], "source": ["app"]},
        {"member": [bytes(member.key).hex()]},
        {"offer": ["nobody"]},
    ):
        [row] = summarise(program=program, **DAYS, where=where).rows
        events = list_events_beneath(program=program, **DAYS, where=where)
        viewed = events.filter(kind=Kind.VIEWED, status=Status.CONFIRMED)
        found = (viewed.count(), events.filter(status=Status.FAILED).count(), events.values("member").distinct().count())
        assert found == (row["views"], row["failures"], row["members_any"]), where


class TestHistory:
    def open(self, client: Client, **query: Any) -> Any:
        """The activity history with these parameters."""
        answer = client.get(reverse("admin:activity_event_changelist"), query)
        assert answer.status_code == 200
        return answer

    def test_shows_the_events_beneath_a_figure_of_the_dashboard(self) -> None:
        program, _events = make_quarter(12)
        client = sign_in(make_member_of_staff(program, "analyst"))
        days = "period=own&first=2026-05-01&last=2026-05-31&region=north&offer_type=discount"
        page = client.get(f"{reverse('admin:activity_dashboard')}?{days}").content.decode()
        views = read_page(page).totals["views"]
        [link] = re.findall(r'aria-label="Views".*?href="([^"]+)">The events beneath', page, re.S)
        rows = client.get(html.unescape(link)).context["cl"].result_list
        assert len(rows) == views > 0
        assert {row.kind for row in rows} == {Kind.VIEWED}

    @pytest.mark.parametrize(
        ("condition", "said"),
        [
            ("region", "is not a condition"),
            ("shoe_size=9", "shoe_size"),
            ("segment=nobody", "nobody"),
            ("month=2026-05", "no filter"),
        ],
    )
    def test_a_bad_condition_is_explained_and_finds_nothing(self, condition: str, said: str) -> None:
        program, _events = make_quarter(12)
        answer = self.open(sign_in(make_member_of_staff(program, "analyst")), where=condition)
        assert said in text_of(answer)
        assert not answer.context["cl"].result_list
