"""
The first correction of a partner, in a real browser over real processes, with a clock that is moved on by a month.

docs/first-correction.md tells the same with pictures; PLUM_PICTURES names a folder into which they are taken anew.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.conftest import TELL_VIOLATIONS
from tests.browser.walks import Journey
from tests.faults.checker import UNSEALED, call
from tests.faults.conftest import lab, migrated  # noqa: F401 - fixtures
from tests.faults.corrections import (
    FALLEN,
    IN_AUGUST,
    IN_JULY,
    IN_JUNE,
    PARTNERS,
    after_the_correction,
    before_the_fall,
    the_fall,
)
from tests.faults.lab import Lab, wait_for
from tests.support.browsing import Caller
from tests.support.source import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TEXT = (ROOT / "docs/first-correction.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^```bash\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
ACTION = "O-P4 of Iron Gym: to the top, for everyone."


@pytest.fixture
def tokens(lab: Lab) -> dict[str, str]:  # noqa: F811
    """A running Plum in June, and the tokens of its program's systems."""
    lab.travel(IN_JUNE)
    found: dict[str, str] = json.loads(call(lab, "prepare", IN_JUNE.isoformat(), module="corrections"))
    lab.start_all()
    return found


@pytest.fixture
def journey(browser: Browser, lab: Lab, tokens: dict[str, str]) -> Iterator[Journey]:  # noqa: F811
    """Anna, who has just signed in by link."""
    context: BrowserContext = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_init_script(TELL_VIOLATIONS)
    context.set_default_timeout(30_000)
    page, base = context.new_page(), f"http://127.0.0.1:{lab.port}"
    journey = Journey(page, base)
    page.goto(lab.manage_json("sign_in_link", "--username", "anna", "--base-url", base)["link"])
    page.wait_for_url(f"{base}/console/")
    yield journey
    context.close()


def test_the_first_correction(journey: Journey, lab: Lab, tokens: dict[str, str]) -> None:  # noqa: F811
    shop, reader = Caller(lab.port, tokens["shop"]), Caller(lab.port, tokens["reader"])
    shop.send(before_the_fall())
    shop.send(the_fall())
    wait_for(lambda: reader.get("actions?state=proposed")["data"] != [], lambda: lab.log("worker")[-2000:], 60)
    look_at_the_proposal(journey)
    edit_and_approve(journey)
    [row] = reader.get("actions")["data"]
    wait_for(lambda: reader.get(f"actions/{row['id']}")["state"] == "measuring", lambda: lab.log("worker")[-2000:], 60)
    see_it_done(journey, reader, tokens["reader"])
    lab.travel(IN_JULY)
    shop.send(after_the_correction())
    wait_for(lambda: lab.count(UNSEALED) == 0, lambda: lab.log("worker")[-2000:], 60)
    lab.travel(IN_AUGUST)
    wait_for(lambda: reader.get(f"actions/{row['id']}")["state"] == "measured", lambda: lab.log("worker")[-2000:], 120)
    wait_for(
        lambda: ("2026-07", "ready") in [(one["month"], one["state"]) for one in reader.get("reviews")["data"]],
        lambda: lab.log("worker")[-2000:],
        120,
    )
    read_the_verdict(journey)
    assert journey.wrong == []
    told = set(re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", TEXT))
    assert {words for words in told if not any(words in met for met in journey.met)} == set(), "the page tells of other words"


def look_at_the_proposal(journey: Journey) -> None:
    """From home to the action."""
    journey.open("/console/")
    journey.reads("1 action waits for you")
    journey.picture("home")
    journey.press("Look at it")
    journey.reads("Corrective actions")
    journey.page.get_by_role("link", name=ACTION).click()
    journey.reads("It waits for somebody to approve it.")
    journey.reads("place 4")
    journey.picture("a-proposal")


def edit_and_approve(journey: Journey) -> None:
    """For the north alone; looked at before it is saved, and before it is approved."""
    journey.press("Edit…")
    journey.reads("For")
    journey.page.locator("select[name=segment]").select_option(label="North")
    journey.page.get_by_role("button", name="Look at it first").last.click()
    journey.met.append("Look at it first")
    preview = journey.page.get_by_role("region", name="What it would do")
    expect(preview).to_contain_text("O-P4 of Iron Gym: to the top, for North.")
    expect(preview.get_by_role("row", name="O-P4")).to_contain_text("place 1")
    journey.picture("looked-at")
    journey.press("Save")
    journey.reads("It waits to be approved as it stands now.")
    journey.press("Approve…")
    journey.page.get_by_label("Comment").fill("People in the north do not see it where it stands.")
    journey.picture("approving")
    journey.press("Approve")
    journey.reads("Approved.")


def see_it_done(journey: Journey, reader: Caller, token: str) -> None:
    """On its page, and by the commands of the document: the north has another order, the others have not."""
    journey.page.reload()
    journey.reads("Measuring")
    journey.reads("Revert…")
    journey.picture("done")
    environment = {"PATH": os.environ["PATH"], "PLUM_URL": journey.base, "PLUM_TOKEN": token}
    seen = []
    for command in COMMANDS:
        done = subprocess.run(["bash", "-euc", command], env=environment, capture_output=True, text=True, check=True)
        seen.append([row["partner_name"] for row in json.loads(done.stdout)["data"]])
    before = list(PARTNERS.values())
    assert seen == [[PARTNERS[FALLEN], *before[:-1]], before]


def read_the_verdict(journey: Journey) -> None:
    """On its page, among what worked, and where the next review opens."""
    journey.page.reload()
    journey.reads("Worked")
    journey.picture("verdict")
    journey.press("What worked")
    journey.reads("1 corrective action was measured.")
    journey.press("Review cycles")
    journey.press("July 2026")
    journey.reads("Worked")
    journey.picture("the-next-review")
