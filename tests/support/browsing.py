"""People and programs that talk to a server from outside: a browser without scripts, and a client with a token."""

import http.cookiejar
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

EVENTS_AT_ONCE = 1000


@dataclass
class Form:
    """A form as a browser would send it: what stands in it, and its buttons by what they say."""

    action: str
    method: str
    values: list[tuple[str, str]] = field(default_factory=list)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)


class PageReader(HTMLParser):
    """Collects links, forms and words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links, self.forms, self.words = list[tuple[str, str]](), list[Form](), list[str]()
        self._link, self._button, self._select, self._area = "", ("", ""), "", ""
        self._said: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name, value = given.get("name", ""), given.get("value", "")
        match tag:
            case "a" | "button" | "textarea":
                self._said = []
                self._link = given.get("href", "") if tag == "a" else self._link
                self._button = (name, value)
                self._area = name
            case "form":
                self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
            case "select":
                self._select = name
            case "option" if self._select and "selected" in given:
                self.forms[-1].values.append((self._select, value))
            case "input" if self.forms and given.get("type") in ("submit", "image"):
                self.forms[-1].buttons[value] = (name, value)
            case "input" if self.forms and name:
                if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                    self.forms[-1].values.append((name, value))

    def handle_endtag(self, tag: str) -> None:
        said = " ".join("".join(self._said).split())
        if tag == "a":
            self.links.append((said, self._link))
        elif tag == "button" and self.forms:
            self.forms[-1].buttons[said] = self._button
        elif tag == "textarea" and self.forms:
            self.forms[-1].values.append((self._area, "".join(self._said).removeprefix("\n")))
        elif tag == "select":
            self._select = ""

    def handle_data(self, data: str) -> None:
        self._said.append(data)
        self.words.append(data)


class Person:
    """One browser with its cookies. Every answer but a page is an AssertionError."""

    def __init__(self, base: str) -> None:
        self.base, self.url, self.text = base, base, ""
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def open(self, address: str, data: list[tuple[str, str]] | None = None) -> None:
        """Go to an address, or send a form to it; redirects are followed."""
        url = urllib.parse.urljoin(self.url, address)
        body = urllib.parse.urlencode(data).encode() if data is not None else None
        try:
            with self._opener.open(urllib.request.Request(url, body, {"Referer": self.url}), timeout=60) as answer:
                self.url, self.text = answer.url, answer.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{url}: {error.code} {error.read().decode(errors='replace')[:2000]}") from error

    @property
    def words(self) -> str:
        """What the page says, spaces made one."""
        return " ".join("".join(PageReader(self.text).words).split())

    def follow(self, words: str) -> None:
        """Follow the link that says so."""
        links = dict(reversed(PageReader(self.text).links))
        assert words in links, f"{self.url} has no link {words!r}, but {sorted(links)}"
        self.open(links[words])

    def press(self, words: str, **fields: str) -> None:
        """Fill in the fields of the form with the button that says so, and press it."""
        forms = [form for form in PageReader(self.text).forms if words in form.buttons]
        assert forms, f"{self.url} has no button {words!r}"
        form = forms[0]
        values = [(name, value) for name, value in form.values if name not in fields]
        values += [*fields.items(), *([form.buttons[words]] if form.buttons[words][0] else [])]
        assert form.method == "post", f"{words!r} changes nothing"
        self.open(form.action or self.url, values)

    def sign_in(self, username: str, password: str) -> None:
        """With a password, as people do; the console is open then."""
        self.open("/console/login/")
        self.press("Log in", username=username, password=password)
        assert "/console/" in self.url, self.url
        assert "/login/" not in self.url, self.words


class Caller:
    """Whoever talks to the API of a server on this machine with a token. Every answer but a good one is an error."""

    def __init__(self, port: int, token: str) -> None:
        self.base, self.headers = f"http://127.0.0.1:{port}/api/v1/", {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> Any:
        """What is at an address."""
        with urllib.request.urlopen(urllib.request.Request(self.base + path, headers=self.headers), timeout=60) as answer:
            return json.loads(answer.read())

    def send(self, events: Iterable[dict[str, Any]]) -> None:
        """CloudEvents, batch by batch; returns when the last is acknowledged."""
        headers = {**self.headers, "Content-Type": "application/cloudevents-batch+json"}
        rows = list(events)
        for start in range(0, len(rows), EVENTS_AT_ONCE):
            body = json.dumps(rows[start : start + EVENTS_AT_ONCE]).encode()
            with urllib.request.urlopen(urllib.request.Request(self.base + "events", body, headers), timeout=60) as answer:
                said = json.loads(answer.read())
            assert said["rejected"] == 0, said

    def order(self, query: str = "") -> list[str]:
        """The offers of the catalog, best first."""
        return [row["offer"] for row in self.get(f"catalog{query}")["data"]]
