"""
A program's first month as a new user lives it, in a real browser over real processes, with no shell but curl.

docs/first-month.md tells the same with pictures; PLUM_PICTURES names a folder into which they are taken anew.
"""

import csv
import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from plum_site.lib.periods import month_start, next_month
from tests.browser.conftest import TELL_VIOLATIONS
from tests.browser.walks import Journey
from tests.faults.conftest import lab, migrated  # noqa: F401 - fixtures
from tests.faults.lab import Lab, wait_for
from tests.support import first_month
from tests.support.mail_server import MailServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def month() -> date:
    """The last complete month."""
    return next_month(month_start(datetime.now(UTC).date()), -1)


@pytest.fixture
def mailbox() -> Iterator[MailServer]:
    """A mail server that takes everything."""
    server = MailServer().start()
    yield server
    server.stop()


@pytest.fixture
def journey(browser: Browser, lab: Lab, mailbox: MailServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journey]:  # noqa: F811
    """A running Plum with nothing in it but its operator, who has just signed in by link."""
    for name, value in {"HOST": "127.0.0.1", "PORT": str(mailbox.port), "TLS": "none"}.items():
        monkeypatch.setenv(f"PLUM_SMTP_{name}", value)  # the lab's processes inherit it
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


def test_the_first_month(journey: Journey, mailbox: MailServer, month: date, tmp_path: Path) -> None:
    make_program(journey)
    import_partners(journey, tmp_path)
    import_offers(journey, tmp_path, month)
    import_people(journey, tmp_path)
    token = make_token(journey)
    send_events(journey, token, tmp_path, month)
    watch_the_dashboard(journey, token, tmp_path, month)
    subscribe(journey)
    review_the_month(journey, month)
    receive_the_report(journey, mailbox, month)
    take_the_data(journey, month, tmp_path)
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


def watch_the_dashboard(journey: Journey, token: str, folder: Path, month: date) -> None:
    """The month's figures; one more redemption is sent, and the page shows it by itself."""
    shown = journey.page.locator("[data-metric=redemptions]").first
    redemptions = first_month.count_events("redeemed")
    journey.open(f"/console/activity/?period=own&first={month}&last={next_month(month) - timedelta(days=1)}")
    expect(shown).to_have_attribute("data-value", str(redemptions))
    journey.picture("dashboard")
    assert curl(journey.base, token, first_month.write_one_more(folder, month))["accepted"] == 1
    expect(shown).to_have_attribute("data-value", str(redemptions + 1), timeout=30_000)


def review_the_month(journey: Journey, month: date) -> None:
    """Run it, decide about the exceptions, close it."""
    journey.open("/console/reviews/reviewcycle/")
    opened = journey.page.get_by_role("link", name=f"{month:%B %Y}", exact=True)
    opened.or_(journey.page.get_by_role("button", name=f"Run the review of {month:%B %Y}")).first.click()
    journey.press("Consolidate again")  # the review may have opened by itself while events were still arriving
    expect(journey.page.locator("body")).not_to_contain_text("Working on this month now", timeout=30_000)
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


def subscribe(journey: Journey) -> None:
    """Whoever wants the monthly report gets it, with a login or without."""
    journey.open("/console/reviews/subscription/add/")
    journey.page.get_by_label("Name").fill("Grace")
    journey.page.get_by_label("E-mail").fill("grace@example.org")
    journey.press("Save")
    journey.reads("grace@example.org")


def receive_the_report(journey: Journey, mailbox: MailServer, month: date) -> None:
    """FINAL arrives soon after the closing; its text says what the console said."""
    wait_for(lambda: any(b"FINAL" in message for message in mailbox.received), "the FINAL report")
    message = next(mail for raw in mailbox.received if "FINAL" in (mail := message_from_bytes(raw, policy=default))["Subject"])
    assert message["To"].endswith("grace@example.org>")
    text = message.get_body(("plain",)).get_content()
    assert f"{month:%B %Y}" in text
    assert f"{first_month.count_events('redeemed') + 1}" in text
    console, journey.page = journey.page, journey.page.context.new_page()  # as a mail program: no policy of ours
    journey.page.set_content(message.get_body(("html",)).get_content())
    journey.picture("report")
    journey.page.close()
    journey.page = console


def take_the_data(journey: Journey, month: date, folder: Path) -> None:
    """A package of the month, made in the background, checked offline with its own checksums."""
    journey.open("/console/exports/export/add/")
    journey.page.get_by_label("First day").fill(month.isoformat())
    expect(journey.page.get_by_label("Period")).to_have_value("")
    journey.page.get_by_label("Last day").fill((next_month(month) - timedelta(days=1)).isoformat())
    journey.press("Export")
    journey.reads("Download all as zip")
    journey.picture("export")
    with journey.page.expect_download() as download:
        journey.press("Download all as zip")
    download.value.save_as(folder / "month.zip")
    with zipfile.ZipFile(folder / "month.zip") as package:
        package.extractall(folder / "package")
    [sums] = (folder / "package").rglob("SHA256SUMS")
    subprocess.run(["sha256sum", "--check", "--strict", sums.name], cwd=sums.parent, check=True, capture_output=True)
    [events] = (folder / "package").rglob("events-*.csv")
    rows = list(csv.DictReader(events.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == sum(1 for _ in first_month.list_events(month)) + 1
