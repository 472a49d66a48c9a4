"""
How much a token, whoever follows the link of a mail, or whoever gives a wrong password, may ask for in a minute: quotas that
are counted in this process alone.

Counting costs no statement and no message: it works while database and broker are away, and what a token may do in all is
its quota times the number of web processes. That is what the quotas are for: one client that runs wild does not take a
process away from the others. They are no meter for billing; the outcome counts of batches are exact.
"""

import ipaddress
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from plum_site.lib.problems import Problem

INGEST, INGEST_EVENTS, REQUESTS = "ingest", "ingest-events", "requests"
LINK, LINK_ADDRESS = "link", "link-address"
SIGN_IN, SIGN_IN_ADDRESS = "sign-in", "sign-in-address"
WINDOW_SECONDS = 60
MOST_HOLDERS = 10_000  # windows of one policy that are remembered at once; the oldest is forgotten first
PROBLEM_TYPE = "https://iana.org/assignments/http-problem-types#quota-exceeded"

_windows: dict[str, dict[str, "Window"]] = {}  # by policy, then by holder: strangers push out nobody's but their own
_lock = threading.Lock()


@dataclass(slots=True)
class Window:
    """What one holder took of one quota in the minute that began with its first request."""

    ends: float
    used: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of one quota, and in how many seconds all of it is there again."""

    policy: str
    quota: int
    left: int
    seconds: int


def take(policy: str, holder: str, amount: int = 1) -> Standing | None:
    """
    Take so much of a token's quota, all of it or nothing; None where the policy has no limit.

    policy: INGEST, INGEST_EVENTS or REQUESTS. holder: whoever has the quota, by a name that is nobody else's.
    Raises: Problem 429 with Retry-After.
    """
    standing, is_refused = count(policy, holder, amount)
    if standing is not None and is_refused:
        raise refusal(standing, amount)
    return standing


def count(policy: str, holder: str, amount: int = 1) -> tuple[Standing | None, bool]:
    """Where a quota stands after so much of it was asked for (0: only look), None where there is none; whether it was refused."""
    quota = settings.RATE_LIMITS[policy]
    if not quota:
        return None, False
    now = time.monotonic()
    with _lock:
        windows = _windows.setdefault(policy, {})
        window = windows.get(holder)
        if window is None or now >= window.ends:
            window = _begin(windows, holder, now)
        is_refused = window.used + amount > quota
        if not is_refused:
            window.used += amount
        return Standing(policy, quota, quota - window.used, max(1, round(window.ends - now))), is_refused


def _begin(windows: dict[str, Window], holder: str, now: float) -> Window:
    """A new window, at the end of the order; the oldest make room for it."""
    windows.pop(holder, None)
    while len(windows) >= MOST_HOLDERS:
        del windows[next(iter(windows))]
    window = windows[holder] = Window(now + WINDOW_SECONDS)
    return window


def find_network(request: HttpRequest) -> str:
    """
    Whose network a request comes from: an IPv4 address, or the 64 bits of an IPv6 one that a subscriber has; "" if unknown.

    Each proxy adds the address that called it to X-Forwarded-For, so with PROXIES of them the one wanted stands that far
    from the end. What stands before it was written by the client and is nobody's word.
    """
    text = request.META.get("REMOTE_ADDR", "")
    if settings.PROXIES:
        said = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        text = said[-settings.PROXIES].strip() if len(said) >= settings.PROXIES else ""
    if text.startswith("["):  # some proxies add the port too
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address.packed[:8] + bytes(8), 64)))


def refusal(standing: Standing, amount: int) -> Problem:
    """429 as the HTTP working group's draft on rate limits describes it."""
    what = "events" if standing.policy == INGEST_EVENTS else "requests"
    asked = f" {amount} more would be too many." if amount > 1 else ""
    detail = (
        f"This token may send {standing.quota:,} {what} a minute here; {standing.left:,} are left.{asked} "
        f"Nothing was stored or changed. Send it again in {standing.seconds} seconds."
    )
    members: dict[str, Any] = {"type": PROBLEM_TYPE, "violated-policies": [standing.policy]}
    headers = {"Retry-After": str(standing.seconds), **headers_of([standing])}
    return Problem(429, "quota_exceeded", detail, headers=headers, **members)


def headers_of(standings: Iterable[Standing]) -> dict[str, str]:
    """RateLimit-Policy and RateLimit; none where nothing is limited."""
    rows = list(standings)
    if not rows:
        return {}
    return {
        "RateLimit-Policy": ", ".join(f'"{row.policy}";q={row.quota};w={WINDOW_SECONDS}' for row in rows),
        "RateLimit": ", ".join(f'"{row.policy}";r={row.left};t={row.seconds}' for row in rows),
    }


def forget_all() -> None:
    """Every quota is whole again."""
    with _lock:
        _windows.clear()
