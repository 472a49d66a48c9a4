"""What the benchmarks over HTTP share: a program to send to, one sending with its two clocks, and what it cost."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as midnight
from typing import Any

from django.db import connection

from activity.models import IngestBatch
from partners.models import Program
from plum_site.bench.lab import Lab
from plum_site.bench.ledger import make_stocked
from plum_site.bench.results import median, percentile
from plum_site.bench.site import Site, send
from plum_site.bench.traffic import DAYS, STARTS, Prepared
from plum_site.bench.usage import processor_seconds, server_process
from plum_site.lib.audit import SYSTEM
from plum_site.lib.choices import Scope
from plum_site.lib.clock import now
from plum_site.lib.errors import InvalidInput
from plum_site.lib.tokens import create_token

PATH = "/api/v1/events"
PARTS = ("web", "PostgreSQL", "sealer", "client")
SEALED_WITHIN = 300  # seconds
LOOK_EVERY = 0.01


def need_postgresql() -> None:
    """Refuse SQLite, before anything is made."""
    if connection.vendor != "postgresql":
        raise InvalidInput("postgresql_only", "This benchmark measures on PostgreSQL. Nothing was measured.")


def make_door(lab: Lab, members: int) -> tuple[Program, str]:
    """A program with its catalog and all its members, and a token to send events with."""
    began = time.monotonic()
    at = datetime.combine(STARTS + timedelta(days=DAYS), midnight(12), UTC)
    program = make_stocked(code="bench", members=members, folder=lab.folder, at=at)
    _token, secret = create_token(
        program_id=program.pk,
        name="bench",
        scopes=[Scope.EVENTS_WRITE],
        is_sandbox=False,
        expires_at=now() + timedelta(days=2),
        actor=SYSTEM,
        at=now(),
    )
    lab.say(f"bench: {members:,} members loaded in {time.monotonic() - began:.0f} s")
    return program, secret


@dataclass(frozen=True)
class Sending:
    """
    One sending. answered, sealed: seconds from the first byte until all is acknowledged, and until all is sealed with rollups.

    requests: seconds of each request. cost: seconds of the processor by part, sealing included.
    """

    events: int
    answered: float
    sealed: float
    requests: list[float] = field(repr=False)
    cost: dict[str, float]


class Postbox:
    """Sends to one site and waits until the sealer has sealed what was sent."""

    def __init__(self, site: Site) -> None:
        self.site = site
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            self.server = server_process(cursor.fetchone()[0])

    def send(self, prepared: Prepared, *, connections: int, first: int, count: int, events: int) -> Sending:
        """Some of the requests, which hold so many events."""
        before = self._cost()
        answer = send(prepared, port=self.site.ports["web"], connections=connections, first=first, count=count)
        sealed = self._wait_until_sealed()
        cost = {name: seconds - before[name] for name, seconds in self._cost().items()} | {"client": answer["cpu"]}
        began, ended = answer["began"], answer["ended"]
        return Sending(events, ended - began, max(sealed, ended) - began, answer["seconds"], cost)

    def _wait_until_sealed(self) -> float:
        """The instant, by the machine's monotonic clock, at which no batch was waiting."""
        until = time.monotonic() + SEALED_WITHIN
        while IngestBatch.objects.filter(seal__isnull=True).exists():
            if time.monotonic() > until:
                raise RuntimeError(f"Not sealed within {SEALED_WITHIN} s. The worker: {self.site.log('worker')[-2000:]}")
            time.sleep(LOOK_EVERY)
        return time.monotonic()

    def _cost(self) -> dict[str, float]:
        found = {"web": self.site.processor_seconds("web"), "sealer": self.site.processor_seconds("worker")}
        if self.server is not None:
            found["PostgreSQL"] = processor_seconds(self.server)
        return found


@dataclass(frozen=True)
class Summary:
    """The sendings of one way over all rounds, as medians."""

    sendings: Sequence[Sending]

    @property
    def answered_rate(self) -> float:
        """Events a second until the last answer."""
        return median([each.events / each.answered for each in self.sendings])

    @property
    def sealed_rate(self) -> float:
        """Events a second until everything was sealed."""
        return median([each.events / each.sealed for each in self.sendings])

    def request_ms(self, percent: float) -> float:
        """That percentile of a request, over all rounds, in milliseconds."""
        return percentile([seconds for each in self.sendings for seconds in each.requests], percent) * 1000

    def cost_us(self, part: str) -> float | None:
        """Microseconds of the processor an event; None where that part cannot be seen."""
        if not all(part in each.cost for each in self.sendings):
            return None
        return median([each.cost[part] / each.events for each in self.sendings]) * 1_000_000

    def as_json(self) -> dict[str, Any]:
        """Everything, with the rounds."""
        return {
            "events_per_second": {"answered": round(self.answered_rate), "sealed": round(self.sealed_rate)},
            "request_ms": {name: round(self.request_ms(int(name[1:])), 2) for name in ("p50", "p95", "p99")},
            "cpu_us_per_event": {part: round(cost, 2) for part in PARTS if (cost := self.cost_us(part)) is not None},
            "seconds": {
                "answered": [round(each.answered, 4) for each in self.sendings],
                "sealed": [round(each.sealed, 4) for each in self.sendings],
            },
        }


COLUMNS = ["way", "events/s answered", "events/s sealed", "p50 ms", "p95 ms", "p99 ms", *(f"{part} µs/event" for part in PARTS)]


def row_of(name: str, summary: Summary) -> list[str]:
    """One line of the table beside the results."""
    costs = [summary.cost_us(part) for part in PARTS]
    return [
        name,
        f"{summary.answered_rate:,.0f}",
        f"{summary.sealed_rate:,.0f}",
        *(f"{summary.request_ms(percent):,.1f}" for percent in (50, 95, 99)),
        *("" if cost is None else f"{cost:,.1f}" for cost in costs),
    ]
