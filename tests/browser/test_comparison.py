"""The comparison page as people use it: a question in words, the funnel plot with its table, and nothing that goes wrong."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from partners.models import Program
from tests.browser.conftest import Visit
from tests.factories.reviews import GOOD, make_reviewable_program, record_month

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PARTNERS = ("P1", "P2", "P3", "P4", "P5", "P6")


@pytest.fixture
def program(transactional_db: None) -> Program:
    """Six partners of two countries, of which one redeems far less than the others and one has too little to be ranked."""
    program = make_reviewable_program(*PARTNERS)
    program.partners.filter(external_id__in=["P5", "P6"]).update(country="SE")
    usual = {name: 3 * count for name, count in GOOD.items()}
    counts = {name: usual for name in PARTNERS}  # noqa: C420 - nobody changes them
    counts |= {"P2": {**usual, "redemptions": 20}, "P6": {"views": 9, "unlocks": 6, "activations": 5, "redemptions": 4}}
    record_month(program, "2026-06", counts)
    return program


@pytest.mark.parametrize(
    "size",
    [
        pytest.param("wide and light", marks=pytest.mark.window(width=1280, height=900, theme="light")),
        pytest.param("a phone in the dark", marks=pytest.mark.window(width=390, height=844, theme="dark")),
    ],
)
def test_partners_are_compared(signed_in: Visit, program: Program, size: str) -> None:
    page = signed_in.page
    assert signed_in.open(f"{reverse('admin:compare_partners')}?metric=redemption_rate&month=2026-06") == 200
    expect(page.locator("h1")).to_have_text("Compare partners")

    plot = page.locator(".plum-plot .main-svg").first
    expect(plot).to_be_visible()
    assert page.locator(".plum-plot .scatterlayer .point").count() == 5, "one point for each partner that is ranked"
    ranked = page.locator("table", has=page.get_by_role("columnheader", name="Funnel plot"))
    expect(ranked.locator("tbody tr")).to_have_count(5)
    expect(ranked.locator("tbody tr").last).to_contain_text("Partner P2")
    expect(ranked.locator("tbody tr").last).to_contain_text("Worse: outside 95 %")
    page.get_by_text("1 not ranked: too little data").click()
    expect(page.get_by_text("4 of 5")).to_be_visible()
    assert signed_in.faults() == []


def test_a_filter_changes_the_question_and_stands_in_the_address(signed_in: Visit, program: Program) -> None:
    page = signed_in.page
    signed_in.open(f"{reverse('admin:compare_partners')}?metric=redemption_rate&month=2026-06")

    page.locator("select[name=metric]").select_option("unlock_rate")
    page.locator("select[name=by]").select_option("country")
    page.locator("form.plum-filter button[type=submit]").click()

    page.wait_for_url(re.compile("by=country"))
    assert "metric=unlock_rate" in page.url
    expect(page.get_by_text("Unlock rate: unlocks ÷ views")).to_be_visible()
    expect(page.get_by_role("heading", name="SE")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("group,partner,name")
    assert len(lines) == 1 + len(PARTNERS)
    assert not signed_in.wrong
