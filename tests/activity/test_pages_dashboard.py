"""The activity dashboard: what its address asks for, what it shows, what it refuses by name."""

import json
import re
from datetime import date, timedelta
from typing import Any

import plotly.graph_objects as go
import pytest
from django.test import Client
from django.urls import reverse

from activity.models import Member
from activity.pages.questions import Span, preset_span, span_before
from activity.selectors import summarise
from partners.models import Program
from plum_site.lib.access import find_operation
from plum_site.lib.models import AuditEvent
from tests.factories.ledger import event, make_stocked_program, record
from tests.factories.offers import make_segment
from tests.factories.people import make_member_of_staff
from tests.factories.quarters import make_quarter
from tests.support.figures import read_page
from tests.support.pages import list_inline, sign_in, text_of

pytestmark = pytest.mark.slow

QUARTER = "period=own&first=2026-04-01&last=2026-06-30&compare=none"


@pytest.fixture
def program(db: None) -> Program:
    return make_quarter(7)[0]


@pytest.fixture
def client(program: Program) -> Client:
    return sign_in(make_member_of_staff(program, "analyst"))


def open_page(client: Client, query: str = "") -> Any:
    """The dashboard at an address."""
    answer = client.get(f"{reverse('admin:activity_dashboard')}?{query}")
    assert answer.status_code == 200
    return answer


def totals(program: Program, first: date, end: date, **where: list[str]) -> dict[str, Any]:
    """What the metric layer says."""
    [row] = summarise(program=program, starts_date=first, ends_date=end, where=where).rows
    return row


class TestFigures:
    def test_headlines_rates_and_all_others_are_those_of_the_metric_layer(self, client: Client, program: Program) -> None:
        page = read_page(open_page(client, QUARTER).content.decode())
        expected = totals(program, date(2026, 4, 1), date(2026, 7, 1))
        assert {"views", "activations", "redemptions", "spend", "redemption_rate", "members_any"} <= set(page.totals)
        assert page.totals == {key: expected[key] for key in page.totals}
        assert page.before == {}

    def test_comparison_is_that_of_the_days_before(self, client: Client, program: Program) -> None:
        page = read_page(open_page(client, "period=own&first=2026-06-01&last=2026-06-30").content.decode())
        expected = totals(program, date(2026, 5, 1), date(2026, 6, 1))
        assert page.before == {key: expected[key] for key in page.before}
        assert {"views", "spend", "redemption_rate"} <= set(page.before)

    def test_table_rows_are_those_of_the_breakdown(self, client: Client, program: Program) -> None:
        page = read_page(open_page(client, f"{QUARTER}&by=region").content.decode())
        rows = summarise(program=program, starts_date=date(2026, 4, 1), ends_date=date(2026, 7, 1), by=["region"]).rows
        assert page.rows == {row["region"]: {key: row[key] for key in page.rows[row["region"]]} for row in rows}
        assert set(page.rows) == {"north", "south", "west"}

    def test_charts_have_their_rows_as_a_table(self, client: Client) -> None:
        text = open_page(client, QUARTER).content.decode()
        assert text.count('class="plum-plot"') == text.count("The same rows as a table") == 2

    def test_charts_are_what_plotly_knows(self, client: Client) -> None:
        june = "period=own&first=2026-06-01&last=2026-06-30"
        text = "".join(open_page(client, f"{query}&with=funnel").content.decode() for query in (QUARTER, june))
        figures = [json.loads(found) for found in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.S)]
        assert len(figures) >= 5
        for figure in figures:
            assert go.Figure(figure).data  # raises at the first name or value that plotly does not know

    def test_funnel_comes_as_a_fragment_of_its_own(self, client: Client, program: Program) -> None:
        page = open_page(client, QUARTER)
        assert "Counting…" in text_of(page)
        expected = totals(program, date(2026, 4, 1), date(2026, 7, 1))
        for answer in (open_page(client, f"{QUARTER}&fragment=funnel"), open_page(client, f"{QUARTER}&with=funnel")):
            text = re.sub(r"\s+", " ", text_of(answer))
            for step in expected["funnel"]:
                assert f"{step['stage'].capitalize()} {step['pairs']} {step['members']}" in text
            found = read_page(answer.content.decode()).totals
            assert (found["eligible_members"], found["reach_rate"]) == (expected["eligible_members"], expected["reach_rate"])

    def test_rows_are_in_the_order_asked_for(self, client: Client) -> None:
        falling = list(read_page(open_page(client, f"{QUARTER}&by=offer&sort=-views").content.decode()).rows.values())
        rising = list(read_page(open_page(client, f"{QUARTER}&by=offer&sort=views").content.decode()).rows.values())
        views = [row["views"] for row in falling]
        assert views == sorted(views, reverse=True)
        assert [row["views"] for row in rising] == sorted(views)

    def test_suppressed_no_data_and_not_recorded_look_different(self, client: Client, program: Program) -> None:
        Program.objects.filter(pk=program.pk).update(minimum_group=5, recorded_stages=["viewed", "activated", "redeemed"])
        page = open_page(client, f"{QUARTER}&by=region")
        found = read_page(page.content.decode())
        assert found.states["unlock_rate"] == "not_recorded"
        assert 'data-state="suppressed"' in page.content.decode()
        nothing = read_page(open_page(client, "period=own&first=2026-01-01&last=2026-01-31").content.decode())
        assert (nothing.states["spend"], nothing.totals["views"], nothing.states["views"]) == ("no_data", 0, "")

    def test_a_group_too_small_shows_no_figure_at_all(self, client: Client, program: Program) -> None:
        Program.objects.filter(pk=program.pk).update(minimum_group=5)
        page = open_page(client, f"{QUARTER}&region=west")
        found = read_page(page.content.decode())
        assert set(found.states.values()) <= {"suppressed"}
        assert set(found.totals.values()) == {None}
        assert "smaller than 5 people" in text_of(page)


class TestAddress:
    def test_a_bad_parameter_is_named_and_the_rest_is_answered(self, client: Client) -> None:
        query = f"{QUARTER}&partner=P404&shoe_size=9&by=colour&sort=beauty&join_month=June&region=north&member=me"
        page = open_page(client, query)
        said = text_of(page)
        for name in ("partner: 'P404'", "shoe_size:", "by:", "sort:", "join_month: 'June'", "member:"):
            assert name in said, name
        good = read_page(open_page(client, f"{QUARTER}&region=north").content.decode())
        assert read_page(page.content.decode()).totals == good.totals

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ("first=2026-06-31", "first: '2026-06-31' is not a day"),
            ("first=2026-06-30&last=2026-06-01", "has no day"),
            ("first=1900-01-01&last=2026-06-01", "too long"),
            ("period=yesterday", "period: there is no 'yesterday'"),
            ("compare=them", "compare: there is no 'them'"),
        ],
    )
    def test_bad_days_are_explained(self, client: Client, query: str, said: str) -> None:
        assert said in text_of(open_page(client, query))

    def test_each_chip_takes_its_own_filter_away(self, client: Client) -> None:
        page = open_page(client, f"{QUARTER}&partner=P1&partner=P2&region=north")
        links = re.findall(r'<a href="([^"]+)"\s+aria-label="Take ([^"]+) away"', page.content.decode().replace("&amp;", "&"))
        found = {label: url for url, label in links}
        assert set(found) == {"the period", "Partner Partner P1", "Partner Partner P2", "Region north"}
        assert "partner=P1" not in found["Partner Partner P1"]
        assert {"partner=P2", "region=north", "first=2026-04-01"} <= set(found["Partner Partner P1"].partition("?")[2].split("&"))

    def test_values_typed_into_the_form_are_filters(self, client: Client, program: Program) -> None:
        typed = read_page(open_page(client, f"{QUARTER}&add.offer=O1&add.member.country=&add.join_month=").content.decode())
        assert typed.totals == read_page(open_page(client, f"{QUARTER}&offer=O1").content.decode()).totals
        assert typed.totals["views"] == totals(program, date(2026, 4, 1), date(2026, 7, 1), offer=["O1"])["views"]

    def test_nothing_now_shows_the_last_month_with_activity(self, client: Client) -> None:
        said = text_of(open_page(client))
        assert "last month with activity" in said
        assert "1 Jun 2026 – 30 Jun 2026" in said

    def test_pages_keep_to_the_policy(self, client: Client) -> None:
        for query in ("", f"{QUARTER}&with=funnel", "fragment=live", "fragment=funnel"):
            assert not list_inline(open_page(client, query).content.decode())
        assert not list_inline(client.get(reverse("admin:activity_definitions")).content.decode())

    def test_an_empty_program_says_so(self, db: None) -> None:
        client = sign_in(make_member_of_staff(make_stocked_program("empty"), "analyst", "empty"))
        said = text_of(open_page(client))
        assert "Nothing has been recorded in this program yet" in said
        assert "Nothing happened in these days" in said or "0" in said


class TestPeriods:
    TODAY = date(2026, 11, 22)

    @pytest.mark.parametrize(
        ("preset", "first", "last"),
        [
            ("this_month", "2026-11-01", "2026-11-22"),
            ("last_month", "2026-10-01", "2026-10-31"),
            ("last_3_months", "2026-09-01", "2026-11-22"),
            ("last_12_months", "2025-12-01", "2026-11-22"),
        ],
    )
    def test_presets(self, preset: str, first: str, last: str) -> None:
        assert preset_span(preset, self.TODAY) == span(first, last)

    @pytest.mark.parametrize(
        ("first", "last", "compare", "before_first", "before_last"),
        [
            ("2026-11-01", "2026-11-22", "before", "2026-10-01", "2026-10-22"),
            ("2026-10-01", "2026-10-31", "before", "2026-09-01", "2026-09-30"),
            ("2026-09-01", "2026-11-22", "before", "2026-06-01", "2026-08-22"),
            ("2026-03-01", "2026-03-30", "before", "2026-02-01", "2026-02-28"),
            ("2026-11-10", "2026-11-16", "before", "2026-11-03", "2026-11-09"),
            ("2024-02-01", "2024-02-29", "year", "2023-02-01", "2023-02-28"),
            ("2026-11-10", "2026-11-16", "year", "2025-11-10", "2025-11-16"),
            ("2024-02-29", "2024-02-29", "year", "2023-02-28", "2023-02-28"),
        ],
    )
    def test_what_a_period_is_compared_with(
        self, first: str, last: str, compare: str, before_first: str, before_last: str
    ) -> None:
        assert span_before(span(first, last), compare) == span(before_first, before_last)


def span(first: str, last: str) -> Span:
    """Days, both included."""
    return Span(date.fromisoformat(first), date.fromisoformat(last) + timedelta(days=1))


class TestOneMember:
    @pytest.fixture
    def member(self, program: Program) -> Member:
        found = Member.objects.filter(program=program).order_by("pk").first()
        assert found is not None
        return found

    def test_is_shown_after_a_reason_was_given(self, client: Client, member: Member) -> None:
        url = f"{reverse('admin:activity_dashboard')}?{QUARTER}&region=north"
        wanted = f"{url}&member={bytes(member.key).hex()}"
        away = client.get(wanted)
        assert away.status_code == 302
        assert away["Location"].startswith(reverse("admin:ask_timeline", args=[member.pk]))
        form = client.get(away["Location"])
        back = form.context["form"]["next"].value()
        answer = client.post(reverse("admin:show_timeline", args=[member.pk]), {"reason": "asked by them", "next": back})
        assert answer.status_code == 302
        assert f"member={bytes(member.key).hex()}" in answer["Location"]
        assert "region=north" in answer["Location"]
        page = client.get(answer["Location"])
        assert page.status_code == 200
        assert f"Member {member.pk}" in text_of(page)
        assert AuditEvent.objects.filter(action="activity.read_timeline").count() == 1

    def test_a_reading_of_another_person_or_of_long_ago_does_not_count(self, client: Client, member: Member) -> None:
        url = f"{reverse('admin:activity_dashboard')}?{QUARTER}&member={bytes(member.key).hex()}"
        client.post(reverse("admin:show_timeline", args=[member.pk]), {"reason": "asked by them"})
        assert client.get(url).status_code == 200
        other = sign_in(make_member_of_staff(member.program, "auditor"))
        assert other.get(url).status_code == 302

    def test_the_look_up_leads_back_with_the_key_and_never_the_outside_id(self, client: Client) -> None:
        back = f"{reverse('admin:activity_dashboard')}?{QUARTER}&partner=P1"
        given = {"external_id": "M3", "reason": "asked by them", "next": back}
        answer = client.post(reverse("admin:show_found_member"), given)
        assert answer.status_code == 302
        assert "partner=P1" in answer["Location"]
        assert "M3" not in answer["Location"]

    @pytest.mark.parametrize("elsewhere", ["https://evil.example/console/activity/", "//evil.example", "/console/logout/"])
    def test_the_look_up_leads_nowhere_else(self, client: Client, elsewhere: str) -> None:
        given = {"external_id": "M3", "reason": "asked by them", "next": elsewhere}
        assert client.post(reverse("admin:show_found_member"), given).status_code == 200

    def test_who_may_not_see_the_figures_of_all(self, program: Program, member: Member) -> None:
        client = sign_in(make_member_of_staff(program, "partner_ops"))
        page = open_page(client, f"{QUARTER}&member={bytes(member.key).hex()}")
        assert "member: you may not look at one employee" in text_of(page)
        assert read_page(page.content.decode()).totals == read_page(open_page(client, QUARTER).content.decode()).totals
        assert "Look at one" not in text_of(page)

    def test_a_member_of_another_program_is_unknown(self, client: Client) -> None:
        foreign = Member.objects.filter(program=make_stocked_program("other")).first()
        assert foreign is not None
        page = open_page(client, f"{QUARTER}&member={bytes(foreign.key).hex()}")
        assert "nobody in this program has this key" in text_of(page)


def test_live_fragment_says_what_changed(program: Program, client: Client) -> None:
    def versions() -> dict[str, str]:
        text = open_page(client, f"{QUARTER}&fragment=live").content.decode()
        return dict(re.findall(r'data-block="(\w+)" data-version="(\w+)"', text))

    before = versions()
    assert set(before) == {"freshness", "totals", "rates", "trend", "table", "rest"}
    assert {name: one for name, one in versions().items() if name != "freshness"} == {
        name: one for name, one in before.items() if name != "freshness"
    }
    record(program, [event("late", "redeemed", occurred_at="2026-06-15T10:00:00Z", spend_amount="5.00", spend_currency="EUR")])
    after = versions()
    assert after["totals"] != before["totals"]
    assert after["table"] != before["table"]


def test_every_metric_is_defined_on_one_page(client: Client) -> None:
    page = client.get(reverse("admin:activity_definitions")).content.decode()
    dashboard = open_page(client, QUARTER).content.decode()
    for key in re.findall(r'definitions/#(\w+)"', dashboard):
        assert f'id="{key}"' in page, key


def test_the_navigation_marks_where_one_is(client: Client) -> None:
    dashboard = reverse("admin:activity_dashboard")
    current = re.compile(r'<a href="([^"]+)" aria-current="page">')
    assert current.findall(open_page(client).content.decode()) == [dashboard]
    history = reverse("admin:activity_event_changelist")
    assert current.findall(client.get(history).content.decode()) == [history]


def test_segments_are_offered(client: Client, program: Program) -> None:
    make_segment(program, "northern")
    assert re.search(r'name="segment"\s+value="northern"', open_page(client).content.decode())


def test_the_data_beneath_can_be_taken_by_those_who_may(client: Client, program: Program) -> None:
    page = open_page(client, f"{QUARTER}&partner=P1&partner=P2&region=north")
    form = client.get(page.context["take_url"])
    assert form.status_code == 200
    initial = form.context["form"].initial
    assert (str(initial["first"]), str(initial["last"])) == ("2026-04-01", "2026-06-30")
    assert initial["filter_partner"] == ["P1", "P2"]
    other = sign_in(make_member_of_staff(program, "partner_ops"))
    assert bool(open_page(other, QUARTER).context["take_url"]) == may_export("partner_ops")


def may_export(role: str) -> bool:
    """What permissions.yaml says."""
    return role in find_operation("export.request").roles
