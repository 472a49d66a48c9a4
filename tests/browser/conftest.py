"""A real browser over a real server, and a program with two reviewed months to look at."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from partners.models import Program
from plum_site.lib.models import User
from tests.factories.offers import make_segment
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import GOOD, MAY, make_reviewable_program, record_month, reviewed
from tests.factories.tokens import make_token

PASSWORD = "a long enough password"
# What the policy forbids is told to the page; it becomes an error in the console, which fails the test.
TELL_VIOLATIONS = """document.addEventListener('securitypolicyviolation', (event) =>
    console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));"""

# Every control has a name, every image a text, no id stands twice, headings skip no level, and all of it fits the window.
FAULTS = """() => {
    const named = (one) => one.labels?.length || one.getAttribute('aria-label') || one.getAttribute('aria-labelledby');
    const controls = [...document.querySelectorAll('main input:not([type=hidden], [type=submit]), main select, main textarea')];
    const ids = [...document.querySelectorAll('[id]')].map((one) => one.id).filter((id) => id);
    const levels = [...document.querySelectorAll('h1, h2, h3, h4')].map((one) => Number(one.tagName[1]));
    return [
        ...controls.filter((one) => !named(one)).map((one) => `no name: ${one.outerHTML.slice(0, 80)}`),
        ...[...document.images].filter((one) => !one.hasAttribute('alt')).map((one) => `no alt: ${one.src}`),
        ...ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `twice: ${id}`),
        ...levels.filter((level, index) => index && level > levels[index - 1] + 1).map((level) => `skipped to h${level}`),
        ...[...document.querySelectorAll('th:not([scope], #result_list th)')].map((one) => `no scope: ${one.textContent}`),
        ...[document.documentElement].filter((one) => one.scrollWidth > one.clientWidth).map(() => 'wider than the window'),
    ];
}"""


@dataclass
class Visit:
    """One browser window, and everything that went wrong in it."""

    page: Page
    base: str
    wrong: list[str] = field(default_factory=list)

    def open(self, path: str) -> int:
        """Go to a page, wait until its scripts have run; its status."""
        answer = self.page.goto(self.base + path, wait_until="load")
        return answer.status if answer else 0

    def faults(self) -> list[str]:
        """What is wrong with the page as it stands: errors and refusals of the policy since it was opened, and its build."""
        return [*self.wrong, *self.page.evaluate(FAULTS)]

    def sign_in(self, username: str) -> None:
        """Somebody comes to the console with a password; whoever was there before is signed out."""
        self.page.context.clear_cookies()
        self.open(reverse("admin:login"))
        self.page.fill("#id_username", username)
        self.page.fill("#id_password", PASSWORD)
        self.page.click("input[type=submit]")
        self.page.wait_for_url(self.base + reverse("admin:index"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("PLUM_CHROMIUM")
    if not path:
        pytest.skip("no Chromium: name one with PLUM_CHROMIUM, or run ./plum test")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # the browser's driver runs a loop in this thread
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def program(transactional_db: None) -> Program:
    """Three partners, one of them in trouble, one silent; May and June reviewed."""
    program = make_reviewable_program("P1", "P2", "P3")
    make_segment(program)
    make_token(program)
    record_month(program, "2026-05", {"P1": GOOD, "P2": GOOD, "P3": GOOD})
    record_month(program, "2026-06", {"P1": GOOD, "P2": {**GOOD, "unlocks": 20, "reversals": 15}})
    reviewed(program, MAY)
    reviewed(program)
    return program


@pytest.fixture
def admin(program: Program) -> User:
    return make_member_of_staff(program, "program_admin", "ada")


@pytest.fixture
def visit(browser: Browser, live_server: Any, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A window of the width and theme that the test asks for, with nobody signed in."""
    marker = request.node.get_closest_marker("window")
    options = {"width": 1280, "height": 900, "theme": "light", **(marker.kwargs if marker else {})}
    context: BrowserContext = browser.new_context(
        viewport={"width": options["width"], "height": options["height"]}, color_scheme=options["theme"]
    )
    context.add_init_script(TELL_VIOLATIONS)
    context.set_default_timeout(15_000)
    visit = Visit(context.new_page(), live_server.url)
    visit.page.on("console", lambda message: visit.wrong.append(message.text) if message.type == "error" else None)
    visit.page.on("pageerror", lambda error: visit.wrong.append(str(error)))
    yield visit
    context.close()


@pytest.fixture
def signed_in(visit: Visit, admin: User) -> Visit:
    """The same window, the program admin signed in with a password."""
    visit.sign_in(admin.username)
    return visit
