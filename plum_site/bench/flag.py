"""From an acknowledged event to a flag in the API and to the mail in the owner's inbox, while other events keep coming."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from http.client import HTTPConnection, HTTPException
from itertools import count
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from activity.choices import Kind, Status
from activity.rules import IncomingEvent
from partners.models import Program
from partners.services import set_partner_owner
from plum_site.bench.lab import Lab
from plum_site.bench.ledger import OFFERS, PARTNERS
from plum_site.bench.posting import PATH, need_postgresql
from plum_site.bench.registry import benchmark
from plum_site.bench.results import Result, median, percentile
from plum_site.bench.site import Site, running_site
from plum_site.bench.traffic import as_batch
from plum_site.lib.audit import SYSTEM
from plum_site.lib.choices import Role, Scope
from plum_site.lib.clock import now
from plum_site.lib.models import Job
from plum_site.lib.people import invite_person
from plum_site.lib.periods import month_start, next_month
from plum_site.lib.tokens import create_token
from reviews.models import FlagCase
from reviews.services import consolidate_cycle, install_default_rules
from reviews.services.evaluation import EVALUATE

GOAL, FLOOR = 5, 15  # seconds, p95
HISTORY_MONTHS = 3  # before the running one
CROSSINGS = 8  # partners that are made to cross, in each round
UNLOCKS, FAILURES = 600, 300  # that nobody goes on from: what makes a partner cross
TRAFFIC_EVERY, TRAFFIC_EVENTS = 0.5, 20  # seconds between two ordinary requests, and their events
LOOK_EVERY = 0.05
PATIENCE = 90
PAUSES = (0.0, 0.7, 1.3, 2.1)  # seconds between two crossings, so that they meet the evaluations anywhere


@dataclass
class Crossing:
    """One partner that was made to cross. All instants are the machine's; answered: the API has acknowledged the events."""

    partner: int
    answered: float
    shown: float = 0.0
    mailed: float = 0.0
    rules: list[str] = field(default_factory=list)


@benchmark("flag", title="Acknowledged event to a flag in the API and in the owner's inbox", events=300_000)
def measure_flag(lab: Lab) -> list[Result]:
    """Partners are made to cross one after the other, while ordinary events keep coming; the first round is not counted."""
    need_postgresql()
    program, token = make_watched(lab)
    crossings: list[list[Crossing]] = []
    numbers = count()
    with running_site(lab.folder, mails=True) as site:
        door = Door(site, token)
        with ordinary_traffic(site, token) as sent:
            for number in range(-1, lab.rounds):
                crossings.append([cross(door, next(numbers)) for _ in range(CROSSINGS)])
                shown = median([one.shown - one.answered for one in crossings[-1]])
                lab.say_turn("flag", f"{shown:.2f} s until the API shows it (median)", number, lab.rounds)
        door.close()
        wait_for_rest(site, program)
    lab.programs[program.code] += sent[0] + sum(len(one) for one in crossings) * (UNLOCKS + FAILURES)
    return results_of(lab, program, [one for each in crossings[1:] for one in each])


def make_watched(lab: Lab) -> tuple[Program, str]:
    """A program with a history up to now, reviewed up to now by the default rules, one owner, and a token."""
    at = now()
    first = next_month(month_start(at.date()), -HISTORY_MONTHS)
    program = lab.make_ledger(lab.events, starts=first, days=(at.date() - first).days)
    person = invite_person(
        program_id=program.pk,
        username="owner",
        email="owner@example.org",
        first_name="Olive",
        last_name="Owner",
        role=Role.PARTNER_OPS,
        actor=SYSTEM,
        at=at,
    )
    for partner in program.partners.order_by("pk"):
        set_partner_owner(partner_id=partner.pk, owner=person, actor=SYSTEM, at=at)
    install_default_rules(program_id=program.pk, actor=SYSTEM, at=at)
    months = [next_month(first, number) for number in range(HISTORY_MONTHS + 1)]
    for month in months:
        began = time.perf_counter()
        consolidate_cycle(program_id=program.pk, month_start_date=month, actor=SYSTEM, at=at)
        lab.notes["consolidation_seconds"] = round(time.perf_counter() - began, 3)
    lab.notes["flags_before"] = FlagCase.objects.filter(program=program).count()
    _token, secret = create_token(
        program_id=program.pk,
        name="bench",
        scopes=[Scope.EVENTS_WRITE, Scope.REVIEWS_READ],
        is_sandbox=False,
        expires_at=at + timedelta(days=2),
        actor=SYSTEM,
        at=at,
    )
    return program, secret


class Door:
    """One client of a site: it posts events, asks for flags, and looks into the mailbox."""

    def __init__(self, site: Site, token: str) -> None:
        self.connection = HTTPConnection("127.0.0.1", site.ports["web"], timeout=PATIENCE)
        self.headers = {"Authorization": f"Bearer {token}"}
        self.mails = site.folder / "mails"
        self.read: dict[Path, tuple[float, str]] = {}

    def close(self) -> None:
        """Hang up."""
        self.connection.close()

    def post(self, events: list[IncomingEvent]) -> float:
        """Send events; the instant at which they were acknowledged."""
        status, body = self.ask("POST", PATH, as_batch(events), {"Content-Type": "application/cloudevents-batch+json"})
        at = time.time()
        if status not in (200, 201):
            raise RuntimeError(f"The events were not taken ({status}): {body[:500].decode(errors='replace')}")
        return at

    def flags(self, partner: int) -> list[dict[str, Any]]:
        """The open flags of a partner."""
        status, body = self.ask("GET", f"/api/v1/flags?active=true&partner=P{partner}")
        if status != 200:
            raise RuntimeError(f"Flags could not be read ({status}): {body[:500].decode(errors='replace')}")
        return cast(list[dict[str, Any]], json.loads(body)["data"])

    def ask(self, method: str, address: str, body: bytes | None = None, more: dict[str, str] | None = None) -> tuple[int, bytes]:
        """One request; once more where the server has hung up meanwhile. Events that are sent twice count once."""
        for is_last in (False, True):
            try:
                self.connection.request(method, address, body, {**self.headers, **(more or {})})
                answer = self.connection.getresponse()
                return answer.status, answer.read()
            except (ConnectionError, HTTPException):
                self.connection.close()
                if is_last:
                    raise
        raise AssertionError("not reached")

    def find_mail(self, partner: int, since: float) -> float:
        """The instant at which the mail that tells of a partner arrived; 0 where none has."""
        for path in self.mails.glob("*.eml"):
            if path not in self.read:
                message = message_from_bytes(path.read_bytes(), policy=policy.default)
                body = message.get_body(("plain",))
                self.read[path] = (path.stat().st_mtime, body.get_content() if body is not None else "")
        named = re.compile(rf"^Partner {partner}\r?$", re.MULTILINE)
        return min((at for at, text in self.read.values() if at >= since and named.search(text)), default=0.0)


def cross(door: Door, number: int) -> Crossing:
    """Make one partner cross, and wait until the API shows it and the mail has come."""
    time.sleep(PAUSES[number % len(PAUSES)])
    partner = number * 7 % PARTNERS  # spread over all of them
    known = {flag["id"] for flag in door.flags(partner)}
    one = Crossing(partner, door.post(list(list_crossing(partner))))
    until = time.monotonic() + PATIENCE
    while not (one.shown and one.mailed):
        time.sleep(LOOK_EVERY)
        if not one.shown:
            new = [flag["rule"] for flag in door.flags(partner) if flag["id"] not in known]
            if new:
                one.shown, one.rules = time.time(), new
        if not one.mailed:
            one.mailed = door.find_mail(partner, one.answered)
        if time.monotonic() > until:
            what = "mailed" if one.shown else "flagged"
            raise RuntimeError(f"Partner {partner} was not {what} within {PATIENCE} s. Nothing was measured.")
    return one


def list_crossing(partner: int) -> Iterator[IncomingEvent]:
    """Unlocks that lead to nothing, and activations that fail: no chance makes that many."""
    at = now().replace(microsecond=0)
    offers = range(partner, OFFERS, PARTNERS)
    for number in range(UNLOCKS + FAILURES):
        is_unlock = number < UNLOCKS
        yield IncomingEvent(
            event_id=str(uuid4()),
            source="bench",
            occurred_at=at,
            kind=Kind.UNLOCKED if is_unlock else Kind.ACTIVATED,
            status=Status.CONFIRMED if is_unlock else Status.FAILED,
            member=f"M{number}",
            offer=f"O{offers[number % len(offers)]}",
            reason_code=None if is_unlock else "declined",
            medium="app",
        )


@contextmanager
def ordinary_traffic(site: Site, token: str) -> Iterator[list[int]]:
    """Views all over the catalog, a few times a second, until the block is left; how many events were sent so far."""
    stop, sent, faults = threading.Event(), [0], list[BaseException]()

    def send() -> None:
        door, numbers = Door(site, token), count()
        try:
            while not stop.wait(TRAFFIC_EVERY):
                door.post([ordinary_event(next(numbers)) for _ in range(TRAFFIC_EVENTS)])
                sent[0] += TRAFFIC_EVENTS
        except BaseException as error:  # told by the thread that waits
            faults.append(error)
        finally:
            door.close()

    thread = threading.Thread(target=send, name="ordinary traffic")
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()
    if faults:
        raise RuntimeError(f"The ordinary events were not taken. Nothing was measured: {faults[0]}")


def ordinary_event(number: int) -> IncomingEvent:
    """A view of some offer by some member."""
    return IncomingEvent(
        event_id=str(uuid4()),
        source="bench",
        occurred_at=now().replace(microsecond=0),
        kind=Kind.VIEWED,
        status=Status.CONFIRMED,
        member=f"M{number % 997}",
        offer=f"O{number * 37 % OFFERS}",
        medium="web",
    )


def wait_for_rest(site: Site, program: Program) -> None:
    """Let what is under way come to its end, so that what is verified afterwards stands still."""
    until = time.monotonic() + PATIENCE
    while Job.objects.filter(program_id=program.pk, name=EVALUATE, finished_at__isnull=True).exists():
        if time.monotonic() > until:
            raise RuntimeError(f"The last evaluation does not end. The worker: {site.log('worker')[-2000:]}")
        time.sleep(LOOK_EVERY)
    time.sleep(2 * LOOK_EVERY)


def results_of(lab: Lab, program: Program, crossings: list[Crossing]) -> list[Result]:
    """Both ways as p95, with their medians beside them."""
    ways = {
        "acknowledged event to a flag in the API, p95": [one.shown - one.answered for one in crossings],
        "acknowledged event to the mail received, p95": [one.mailed - one.answered for one in crossings],
    }
    results, rows = [], []
    for what, seconds in ways.items():
        details = {"crossings": len(seconds), "p50": round(median(seconds), 3), "largest": round(max(seconds), 3)}
        results.append(Result(what, percentile(seconds, 95), "s", GOAL, FLOOR, "lower", details))
        rows.append([what.removesuffix(", p95"), *(f"{percentile(seconds, one):.2f}" for one in (50, 95, 100))])
    lab.tables.append({"columns": ["way", "p50 s", "p95 s", "largest s"], "rows": rows})
    lab.notes |= {
        "partners": PARTNERS,
        "ordinary_events_per_second": round(TRAFFIC_EVENTS / TRAFFIC_EVERY),
        "rules": sorted({rule for one in crossings for rule in one.rules}),
        "flags": FlagCase.objects.filter(program=program).count(),
    }
    return results
