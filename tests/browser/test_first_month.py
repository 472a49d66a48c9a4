"""
A program's first month as a new user lives it, in a real browser over real processes, with no shell but curl.

docs/first-month.md tells the same with pictures; PLUM_PICTURES names a folder into which they are taken anew.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from plum_site.lib.periods import month_start, next_month
from tests.browser.conftest import TELL_VIOLATIONS
from tests.faults.conftest import lab, migrated  # noqa: F401 - fixtures
from tests.faults.lab import Lab
from tests.support import first_month

pytestmark = [pytest.mark.browser, pytest.mark.slow]


class Journey:
    """One person at the console, and everything that went wrong on their screen."""

    def __init__(self, page: Page, base: str) -> None:
        self.page, self.base, self.wrong, self.pictures = page, base, [], 0
        page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))

    def open(self, path: str) -> None:
        """Go to a page by its address."""
        self.page.goto(self.base + path, wait_until="load")

    def press(self, name: str) -> None:
        """Press the button, or follow the link, that is called so."""
        thing = self.page.get_by_role("button", name=name, exact=True).or_(self.page.get_by_role("link", name=name, exact=True))
        thing.first.click()

    def reads(self, text: str) -> None:
        """Wait until the page says so."""
        expect(self.page.locator("body")).to_contain_text(text, timeout=30_000)

    def picture(self, name: str) -> None:
        """Keep what is seen, where pictures are wanted."""
        self.pictures += 1
        if folder := os.environ.get("PLUM_PICTURES"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{self.pictures:02d}-{name}.png")


@pytest.fixture
def month() -> date:
    """The last complete month."""
    return next_month(month_start(datetime.now(UTC).date()), -1)


@pytest.fixture
def journey(browser: Browser, lab: Lab) -> Iterator[Journey]:  # noqa: F811
    """A running Plum with nothing in it but its operator, who has just signed in by link."""
    lab.manage("createsuperuser", "--username", "ada", "--email", "ada@example.org", "--no-input")
    lab.manage("collectstatic", "--no-input", "-v", "0")
    lab.start_broker()
    lab.start_worker()
    lab.start_beat()
    lab.start_web()
    context: BrowserContext = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    context.add_init_script(TELL_VIOLATIONS)
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    base = f"http://127.0.0.1:{lab.port}"
    journey = Journey(page, base)
    page.goto(lab.manage_json("sign_in_link", "--username", "ada", "--base-url", base)["link"])
    page.wait_for_url(f"{base}/console/")
    yield journey
    context.close()


def test_the_first_month(journey: Journey, lab: Lab, month: date, tmp_path: Path) -> None:  # noqa: F811
    make_program(journey)
    import_partners(journey, tmp_path)
    import_offers(journey, tmp_path, month)
    import_people(journey, tmp_path)
    token = make_token(journey)
    send_events(journey, token, tmp_path, month)
    watch_the_dashboard(journey, month)
    review_the_month(journey, month)
    assert journey.wrong == []


def make_program(journey: Journey) -> None:
    """Name, zone, currency, what is kept about members."""
    journey.press("New program")
    journey.page.get_by_label("Name").fill("Acme Rewards")
    journey.page.get_by_label("Time zone").fill("europe/berlin")
    journey.page.get_by_label("Currency").fill("eur")
    journey.page.get_by_label("Member attributes").fill(", ".join(first_month.ATTRIBUTES))
    journey.picture("new-program")
    journey.press("Make the program")
    journey.reads("First steps")
    journey.picture("first-steps")


def import_partners(journey: Journey, folder: Path) -> None:
    """One partner's country is no ISO code: nothing is stored, the line is named; the mended file goes in."""
    journey.open("/console/partners/partner/import/")
    journey.page.set_input_files("input[type=file]", first_month.write_partners(folder))
    journey.press("Submit")
    journey.reads("'Germany' is not a country")
    journey.picture("a-mistake-in-a-file")
    journey.page.set_input_files("input[type=file]", first_month.write_partners_mended(folder))
    journey.press("Submit")
    journey.press("Confirm import")
    journey.reads("Iron Gym")


def import_offers(journey: Journey, folder: Path, month: date) -> None:
    """A preview, then the offers are there."""
    journey.open("/console/offers/offer/import/")
    journey.page.set_input_files("input[type=file]", first_month.write_offers(folder, month))
    journey.press("Submit")
    journey.reads("10 % off at Corner Bakery")
    journey.picture("a-preview-of-offers")
    journey.press("Confirm import")
    journey.reads("5 offers")


def import_people(journey: Journey, folder: Path) -> None:
    """One row has no id: it is named before anything changes, the others are taken."""
    journey.open("/console/activity/import/people/")
    journey.page.set_input_files("input[type=file]", first_month.write_members(folder))
    journey.press("Check")
    journey.reads("1 row cannot be taken as it is")
    journey.picture("people-before-anything-changes")
    journey.press("Apply")
    journey.reads("1 row was not taken")


def make_token(journey: Journey) -> str:
    """A key for the shop's system, shown once."""
    journey.open("/console/plum/apitoken/add/")
    journey.page.get_by_label("Name").fill("Shop")
    journey.page.get_by_label("Send events").check()
    journey.press("Save")
    journey.reads("it is not shown again")
    token = journey.page.locator("#plum-secret").inner_text()
    journey.picture("a-token-shown-once")
    return token


def send_events(journey: Journey, token: str, folder: Path, month: date) -> None:
    """With curl, as docs/api/quickstart.md shows it; everything is accepted, and again is a duplicate."""
    files = first_month.write_events(folder, month)
    answers = [curl(journey.base, token, path) for path in files]
    sent = sum(1 for _ in first_month.list_events(month))
    assert sum(answer["accepted"] for answer in answers) == sent
    assert curl(journey.base, token, files[0])["duplicate"] == answers[0]["received"]


def curl(base: str, token: str, path: Path) -> dict[str, Any]:
    """Send one file of events; the answer."""
    command = ["curl", "--silent", "--show-error", "--fail-with-body", f"{base}/api/v1/events"]
    command += ["-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/cloudevents-batch+json"]
    done = subprocess.run([*command, "--data-binary", f"@{path}"], capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def watch_the_dashboard(journey: Journey, month: date) -> None:
    """The month's figures, and one more event arrives while one looks."""
    journey.open(f"/console/activity/?from={month}&to={next_month(month)}")
    redemptions = sum(
        count for brand in first_month.BRANDS for key, count in brand.counts.items() if key == ("redeemed", "confirmed")
    )
    expect(journey.page.locator("[data-metric=redemptions]").first).to_have_attribute("data-value", str(redemptions))
    journey.picture("dashboard")


def review_the_month(journey: Journey, month: date) -> None:
    """Run it, decide about the exceptions, close it."""
    journey.open("/console/reviews/reviewcycle/")
    opened = journey.page.get_by_role("link", name=f"{month:%B %Y}", exact=True)
    opened.or_(journey.page.get_by_role("button", name=f"Run the review of {month:%B %Y}")).first.click()
    journey.press("Consolidate again")  # the review may have opened by itself while events were still arriving
    journey.reads("4 decided by rule, 1 needs you")
    journey.picture("a-month-to-decide")
    journey.page.get_by_role("link", name=re.compile("^Need you")).or_(journey.page.get_by_text("Need you 1")).first.click()
    journey.page.get_by_role("rowheader", name="Iron Gym").get_by_role("link").click()
    journey.reads("Standing")
    journey.picture("a-scorecard")
    journey.page.get_by_label("Comment").fill("Reversals must come down; we talk to them this week.")
    journey.page.locator("button[name=kind][value=monitor]").click()
    journey.open("/console/reviews/reviewcycle/")
    journey.press(f"{month:%B %Y}")
    journey.reads("nobody waits")
    journey.press("Close the month")
    journey.reads("never changes from now on")
    journey.picture("closed")
