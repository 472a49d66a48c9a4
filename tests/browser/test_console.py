"""The console as people meet it: signing in by link, the way to the review, every page under the strict policy."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from partners.models import Partner, Program
from plum_site.console import site
from plum_site.lib.choices import JobState
from plum_site.lib.models import Job, User
from plum_site.lib.signin import make_link_token
from reviews.models import Decision, ReviewCycle, Scorecard
from tests.browser.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OTHER_PAGES = (
    "activity_dashboard",
    "activity_definitions",
    "find_member",
    "ranking_order",
    "ranking_compare",
    "ranking_priority",
    "reviews_reviewpolicy_write",
    "reviews_rule_write_new",
    "partners_partner_import",
    "partners_partner_export",
    "offers_offer_import",
    "password_change",
)


def list_pages() -> list[str]:
    """Every page that can be opened: lists, forms, one row of each, and those beside."""
    pages = [reverse("admin:index"), *(reverse(f"admin:{name}") for name in OTHER_PAGES)]
    for model, admin in site._registry.items():
        stem = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages.append(reverse(f"{stem}_changelist"))
        if getattr(admin, "add_operation", ""):
            pages.append(reverse(f"{stem}_add"))
        row = model._default_manager.order_by("-pk").first()
        if row is not None:
            pages.append(reverse(f"{stem}_change", args=[row.pk]))
    return [*pages, reverse("admin:partners_partner_history", args=[Partner.objects.order_by("pk")[0].pk])]


def keep_picture(visit: Visit, name: str) -> None:
    """A picture of the page, where PLUM_SCREENSHOTS names a folder."""
    if folder := os.environ.get("PLUM_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        visit.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def walk(visit: Visit, tag: str) -> list[str]:
    """Open every page; what is wrong: errors, violations of the policy, pages wider than the window."""
    wrong = []
    for path in list_pages():
        status = visit.open(path)
        wrong += [f"{path}: {text}" for text in visit.wrong] + ([f"{path}: {status}"] if status != 200 else [])
        visit.wrong.clear()
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        if visit.page.evaluate(width) > 0:
            wrong.append(f"{path}: wider than the window")
        keep_picture(visit, f"{tag}-{path.strip('/').replace('/', '-')}")
    return wrong


def test_a_link_signs_in_and_the_review_is_two_clicks_away(visit: Visit, admin: User, program: Program) -> None:
    token = make_link_token(admin, datetime.now(UTC))
    visit.open(reverse("admin:sign_in_by_link", args=[token]))
    visit.page.wait_for_url(visit.base + reverse("admin:index"))
    visit.page.get_by_role("link", name="All 3 partners").click()
    expect(visit.page.locator("h1")).to_have_text("Review of June 2026")
    visit.page.get_by_role("rowheader", name="P2").get_by_role("link").click()
    expect(visit.page.locator("h1")).to_contain_text("in June 2026")
    expect(visit.page.locator(".plum-plot .main-svg").first).to_be_visible()
    assert not visit.wrong


def test_every_page_in_light(signed_in: Visit) -> None:
    assert walk(signed_in, "light-1280") == []


@pytest.mark.window(width=390, height=844, theme="dark")
def test_every_page_on_a_phone_in_the_dark(signed_in: Visit) -> None:
    assert walk(signed_in, "dark-390") == []


def test_charts_follow_the_theme(signed_in: Visit, program: Program) -> None:
    card = Scorecard.objects.filter(cycle__month_start_date="2026-06-01", partner__external_id="P1").get()
    signed_in.open(reverse("admin:reviews_scorecard_change", args=[card.pk]))
    ink = "getComputedStyle(document.querySelector('.plum-plot .xtick text')).fill"
    signed_in.page.wait_for_selector(".plum-plot .xtick text", state="attached")
    before = signed_in.page.evaluate(ink)
    signed_in.page.evaluate("document.documentElement.dataset.theme = 'dark'")
    signed_in.page.wait_for_function(f"{ink} !== '{before}'")
    assert not signed_in.wrong


def test_a_decision_is_made_and_the_next_card_is_shown(signed_in: Visit, program: Program) -> None:
    cycle = ReviewCycle.objects.get(month_start_date="2026-06-01")
    waiting = Scorecard.objects.filter(cycle=cycle, decision__isnull=True).order_by("pk")
    assert waiting.count() == 2
    first = waiting.filter(partner__external_id="P2").get()
    signed_in.open(reverse("admin:reviews_scorecard_change", args=[first.pk]))
    signed_in.page.get_by_label("Comment (needed to exempt)").fill("Talk to them about the reversals")
    signed_in.page.get_by_role("button", name="Act", exact=True).click()
    expect(signed_in.page.locator("h1")).to_contain_text("P3")
    assert Decision.objects.get(scorecard=first).comment == "Talk to them about the reversals"


def test_all_that_are_shown_are_chosen_with_one_box(signed_in: Visit, program: Program) -> None:
    cycle = ReviewCycle.objects.get(month_start_date="2026-06-01")
    signed_in.open(reverse("admin:reviews_reviewcycle_change", args=[cycle.pk]) + "?show=you")
    signed_in.page.get_by_label("Choose all that are shown").check()
    expect(signed_in.page.locator("[data-chosen]")).to_have_text("2 chosen")
    signed_in.page.select_option("#bulk-kind", "monitor")
    signed_in.page.get_by_role("button", name="For the chosen partners…").click()
    signed_in.page.get_by_role("button", name="Decide").click()
    expect(signed_in.page.locator(".messagelist")).to_contain_text("decided for 2 partners")


def test_an_act_that_cannot_be_taken_back_asks_first(signed_in: Visit, program: Program) -> None:
    cycle = ReviewCycle.objects.get(month_start_date="2026-06-01")
    Decision.objects.bulk_create(
        Decision(scorecard=card, kind="monitor", is_by_rule=False, decided_by="user:1", decided_at=cycle.opened_at)
        for card in Scorecard.objects.filter(cycle=cycle, decision__isnull=True)
    )
    asked = []
    signed_in.page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    signed_in.open(reverse("admin:reviews_reviewcycle_change", args=[cycle.pk]))
    signed_in.page.get_by_role("button", name="Close the month").click()
    assert asked == ["Close the review of June 2026? It never changes afterwards."]
    cycle.refresh_from_db()
    assert cycle.state == "ready"


def test_a_running_job_is_followed_without_reloading(signed_in: Visit, program: Program) -> None:
    at = datetime.now(UTC)
    job = Job.objects.create(
        name="reviews.consolidate_month", key="watched", program_id=program.pk, due_at=at, created_at=at, progress_total=5
    )
    signed_in.open(reverse("admin:plum_job_change", args=[job.pk]))
    Job.objects.filter(pk=job.pk).update(progress_done=3, progress_note="Scoring")
    expect(signed_in.page.locator(".plum-progress-text")).to_have_text("3 of 5 Scoring")
    Job.objects.filter(pk=job.pk).update(state=JobState.DONE, finished_at=at)
    expect(signed_in.page.locator(".plum-badge", has_text="Done")).to_be_visible()
    assert not signed_in.wrong


def test_an_injected_script_does_not_run(signed_in: Visit, program: Program) -> None:
    name = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    partner = program.partners.get(external_id="P1")
    type(partner).objects.filter(pk=partner.pk).update(name=name)
    for path in (reverse("admin:partners_partner_changelist"), reverse("admin:partners_partner_change", args=[partner.pk])):
        signed_in.open(path)
        assert signed_in.page.title() != "taken"
    assert not signed_in.wrong


def test_focus_is_visible_and_the_main_part_is_a_key_away(signed_in: Visit) -> None:
    signed_in.open(reverse("admin:index"))
    signed_in.page.keyboard.press("Tab")
    assert signed_in.page.evaluate("document.activeElement.textContent") == "Skip to main content"
    signed_in.page.keyboard.press("Tab")
    outline = signed_in.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
