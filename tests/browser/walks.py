"""One person's way through the console, which a document tells with pictures."""

import os
from pathlib import Path

from playwright.sync_api import Page, expect


class Journey:
    """One person at the console, what they pressed and read there, and everything that went wrong on their screen."""

    def __init__(self, page: Page, base: str) -> None:
        self.page, self.base, self.wrong, self.met = page, base, list[str](), list[str]()
        page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))

    def open(self, path: str) -> None:
        """Go to a page by its address."""
        self.page.goto(self.base + path, wait_until="load")

    def press(self, name: str) -> None:
        """Press the button, or follow the link, that is called so."""
        thing = self.page.get_by_role("button", name=name, exact=True).or_(self.page.get_by_role("link", name=name, exact=True))
        thing.first.click()
        self.met.append(name)

    def reads(self, text: str) -> None:
        """Wait until the page says so."""
        expect(self.page.locator("body")).to_contain_text(text, timeout=30_000)
        self.met.append(text)

    def picture(self, name: str) -> None:
        """Keep what is seen, where pictures are wanted."""
        if folder := os.environ.get("PLUM_PICTURES"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png")
