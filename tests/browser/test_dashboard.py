"""The dashboard in a real browser: it keeps itself up to date without disturbing anybody, and is filtered by its address."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from activity.models import Member
from partners.models import Program
from plum_site.lib.models import User
from tests.browser.conftest import Visit
from tests.factories.ledger import event, record

pytestmark = [pytest.mark.browser, pytest.mark.slow]
QUARTER = "period=own&first=2026-05-01&last=2026-06-30"


@pytest.fixture
def quick(signed_in: Visit) -> Visit:
    """The window, with ten seconds in a tenth of a second."""
    signed_in.page.add_init_script(
        "const wait = window.setTimeout; window.setTimeout = (act, ms, ...rest) => wait(act, ms / 100, ...rest);"
    )
    return signed_in


def open_dashboard(visit: Visit, query: str = QUARTER) -> None:
    assert visit.open(f"{reverse('admin:activity_dashboard')}?{query}") == 200


def shown(visit: Visit, key: str) -> Any:
    """A headline's figure."""
    return json.loads(
        visit.page.locator(f"[data-block=totals] [data-of=now] [data-metric={key}]").get_attribute("data-value") or "null"
    )


def redeem(program: Program, number: int) -> None:
    """One more redemption in June."""
    happened = event(f"late{number}", "redeemed", occurred_at="2026-06-20T10:00:00Z", offer=first_offer(program))
    assert record(program, [happened], at=datetime.now(UTC)).accepted == 1


def first_offer(program: Program) -> str:
    """The outside id of some offer."""
    offer = program.offers.order_by("pk").first()
    assert offer is not None
    return offer.external_id


def test_new_events_appear_and_nobody_loses_their_place(quick: Visit, program: Program) -> None:
    open_dashboard(quick)
    page, before = quick.page, shown(quick, "redemptions")
    headline = page.get_by_role("region", name="Redemptions", exact=True).locator("details")
    headline.locator("summary").click()
    link = page.get_by_role("link", name="Unlocks", exact=True)
    link.focus()
    page.evaluate("window.scrollTo(0, 400)")
    redeem(program, 1)
    figure = page.locator("[data-block=totals] [data-of=now] [data-metric=redemptions]")
    expect(figure).to_have_attribute("data-value", str(before + 1))
    expect(page.get_by_role("status")).to_contain_text("Figures updated at")
    assert headline.evaluate("one => one.open")
    assert page.evaluate("document.activeElement.textContent.trim()").startswith("Unlocks")
    expect(page.locator("[data-block=trend] .plum-plot .main-svg").first).to_be_visible()
    assert page.url.endswith(QUARTER)
    assert not quick.wrong


def test_refreshing_can_be_paused(quick: Visit, program: Program) -> None:
    open_dashboard(quick)
    page, before = quick.page, shown(quick, "redemptions")
    page.get_by_role("button", name="Pause refreshing").click()
    expect(page.get_by_role("status")).to_contain_text("Paused")
    redeem(program, 2)
    page.wait_for_timeout(1500)
    assert shown(quick, "redemptions") == before
    page.get_by_role("button", name="Go on refreshing").click()
    expect(page.locator("[data-block=totals] [data-of=now] [data-metric=redemptions]")).to_have_attribute(
        "data-value", str(before + 1)
    )


def test_the_funnel_comes_after_the_page(signed_in: Visit) -> None:
    open_dashboard(signed_in)
    expect(signed_in.page.locator("#stages .plum-plot .main-svg").first).to_be_visible()
    expect(signed_in.page.locator("#stages")).to_contain_text("Reach and engagement")
    expect(signed_in.page.locator("#stages [data-waits]")).to_have_count(0)
    assert not signed_in.wrong


def test_filters_are_chosen_in_the_form_shared_by_address_and_taken_away_by_chips(signed_in: Visit) -> None:
    open_dashboard(signed_in, "")
    page = signed_in.page
    page.get_by_text("Days and filters").click()
    page.get_by_label("From").fill("2026-05-01")
    page.get_by_label("To (included)").fill("2026-06-30")
    assert page.get_by_label("Days", exact=True).input_value() == "own"
    partner = page.locator(".plum-pick", has_text="Partner:").first
    partner.locator("summary").click()
    partner.get_by_label("P1").check()
    partner.get_by_label("P2").check()
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**partner=P1&partner=P2**")
    both = shown(signed_in, "views")
    expect(page.locator(".plum-chip")).to_have_count(3)
    page.get_by_role("link", name=re.compile("^Take Partner .*P2 away$")).click()
    page.wait_for_url(lambda url: "partner=P2" not in url)
    assert 0 < shown(signed_in, "views") < both
    page.get_by_role("link", name="Clear all").first.click()
    page.wait_for_url(lambda url: "partner" not in url)
    assert not signed_in.wrong


def test_a_row_leads_into_it_and_a_header_sorts(signed_in: Visit) -> None:
    open_dashboard(signed_in)
    page = signed_in.page
    page.get_by_role("link", name="Views", exact=True).click()
    page.wait_for_url("**sort=-views**")
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Views")
    page.locator("#breakdown tbody th a").first.click()
    page.wait_for_url("**partner=P**")
    assert not signed_in.wrong


def test_one_member_is_looked_up_and_never_named_in_the_address(signed_in: Visit, program: Program, admin: User) -> None:
    record(
        program,
        [event("one", occurred_at="2026-06-20T10:00:00Z", member="E-4711", offer=program.offers.order_by("pk")[0].external_id)],
    )
    open_dashboard(signed_in)
    page = signed_in.page
    page.get_by_text("Days and filters").click()
    page.get_by_role("link", name="Look at one employee…").click()
    page.get_by_label("Outside id").fill("E-4711")
    page.get_by_label("Reason").fill("asked by them")
    page.get_by_role("button", name="Find and read").click()
    page.wait_for_url("**member=**")
    assert "4711" not in page.url
    assert shown(signed_in, "views") == 1
    assert Member.objects.filter(program=program, key=bytes.fromhex(page.url.partition("member=")[2][:32])).exists()
    assert not signed_in.wrong


@pytest.mark.window(width=390, height=844, theme="dark")
def test_on_a_phone_nothing_is_wider_than_the_window(signed_in: Visit) -> None:
    open_dashboard(signed_in, f"{QUARTER}&by=region&partner=P1")
    page = signed_in.page
    expect(page.locator("#stages .plum-plot .main-svg").first).to_be_visible()
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert not signed_in.wrong
