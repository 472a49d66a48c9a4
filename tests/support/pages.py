"""Looking at console pages in tests: what a strict content security policy would refuse, and what a page says."""

import html
import re
from html.parser import HTMLParser
from typing import Any

from django.http import HttpResponse
from django.test import Client

from plum_site.lib.models import User


class InlineFinder(HTMLParser):
    """Collects what the policy forbids: inline scripts and styles, and handlers in attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "script" and not values.get("src") and values.get("type") != "application/json":
            self.found.append("inline <script>")
        if tag == "style":
            self.found.append("inline <style>")
        self.found += [f"{name} on <{tag}>" for name in values if name == "style" or name.startswith("on")]


def list_inline(text: str) -> list[str]:
    """Everything on a page that the content security policy forbids."""
    finder = InlineFinder()
    finder.feed(text)
    return finder.found


def text_of(answer: HttpResponse) -> str:
    """What a page says, without tags, spaces made one."""
    visible = re.sub(r"<script.*?</script>|<[^>]+>", " ", answer.content.decode(), flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(visible))


def sign_in(person: User) -> Client:
    """A browser in which this person is signed in."""
    client = Client()
    client.force_login(person)
    return client


def errors_of(answer: Any) -> dict[str, list[str]]:
    """The errors of the form on a page."""
    context = answer.context
    form = context.get("form") or context["adminform"].form
    errors: dict[str, list[str]] = form.errors
    return errors
