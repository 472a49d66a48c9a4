"""One script of steps, drawn from a seed and performed on whichever engine this process has; what it prints names no row."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from django.db import transaction

from activity.models import Event
from activity.services import MemberRow, Person, apply_people, seal_ledger
from partners.models import Program
from plum_site.lib import verify
from plum_site.verify import load_checks
from reviews.services import consolidate_cycle
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import make_program
from tests.factories.tokens import TokenClient, make_client
from tests.faults.events import MEMBERS, OFFERS, as_cloud_event, make_event
from tests.faults.stock import list_cells, list_events, list_figures

AT = datetime(2025, 8, 5, 9, 0, tzinfo=UTC)
BEGUN = datetime(2025, 5, 1, tzinfo=UTC)
VOLATILE = re.compile(r"urn:uuid:[0-9a-f-]+")
BATCH = "application/cloudevents-batch+json"
# Texts that one engine alone might take, fold or cut: NUL, a lone surrogate, the astral planes, look-alikes, right to left.
ODD_TEXTS = ("a\x00b", "\ud800", "\U0001f381", "é", "e\u0301", "\u202eabc", "x" * 201, " x", "X", "x", "")


class Run:
    """One program, one client, and what was sent so far."""

    def __init__(self, seed: int) -> None:
        self.random, self.seed, self.sent, self.at = Random(seed), seed, list[dict[str, Any]](), AT
        self.program: Program = make_program(f"p{seed}", minimum_group=1, at=BEGUN)
        for partner in sorted(set(OFFERS.values())):
            make_partner(self.program, partner)
        for offer, partner in OFFERS.items():
            make_offer(self.program, offer, partner_external_id=partner)
        self.client: TokenClient = make_client(self.program)
        self.client.defaults["SERVER_NAME"] = "localhost"

    def post(self, body: str, **headers: str) -> dict[str, Any]:
        """Send a body to the door of events; the answer without what differs from call to call."""
        answer = self.client.post("/api/v1/events?results=all", body, content_type=BATCH, headers=headers)
        return {"status": answer.status_code} | json.loads(VOLATILE.sub("", answer.content.decode()))

    def new(self, count: int) -> list[dict[str, Any]]:
        """Events that were not sent before; some failed, some reverse an earlier one."""
        found = []
        for _ in range(count):
            event = make_event(f"s{self.random.randrange(3)}", self.random.randrange(100_000))
            if event["kind"] == "redeemed" and self.random.random() < 0.3:
                event |= {"status": "reversed", "reason_code": "returned", "reverses": f"e{self.random.randrange(9)}"}
            elif event["kind"] in ("activated", "redeemed") and self.random.random() < 0.2:
                event |= {"status": "failed", "reason_code": "declined"}
            found.append(event)
        return found

    def ingest(self) -> dict[str, Any]:
        """New events, and some of them twice in one request."""
        events = self.new(self.random.randrange(1, 30))
        self.sent += events
        return self.post(json.dumps([as_cloud_event(event) for event in [*events, *events[:2]]]))

    def resend(self) -> dict[str, Any]:
        """Events of before, new ones among them."""
        events = self.random.sample(self.sent, min(len(self.sent), 8)) + self.new(2)
        self.random.shuffle(events)
        return self.post(json.dumps([as_cloud_event(event) for event in events]))

    def conflict(self) -> dict[str, Any]:
        """Ids of before, with other content."""
        events = [event | {"member": "M1", "occurred_at": "2025-07-01T12:00:00+02:00"} for event in self.some()]
        return self.post(json.dumps([as_cloud_event(event) for event in events]))

    def strict(self) -> dict[str, Any]:
        """All or nothing."""
        events = [*self.new(2), *(event | {"offer": "O1", "member": "M2"} for event in self.some())]
        return self.post(json.dumps([as_cloud_event(event) for event in events]), Prefer="handling=strict")

    def odd(self) -> dict[str, Any]:
        """Texts at the edge of what can be stored, in each place that takes one."""
        events = []
        for event in self.new(6):
            place = self.random.choice(["event_id", "member", "transaction_ref", "source", "offer", "occurred_at", "kind"])
            events.append(event | {place: self.random.choice(ODD_TEXTS)})
        return self.post(json.dumps([as_cloud_event(event) for event in events]))

    def broken(self) -> dict[str, Any]:
        """Bodies that are no list of events."""
        return self.post(self.random.choice(["", "[", "[{]", "{}", '[{"id":1e999}]', "[" * 2000, '"x"', '[{"a":1,"a":1}]']))

    def people(self) -> dict[str, Any]:
        """Members change their attributes from some day on."""
        self.at += timedelta(days=1)
        names = self.random.sample(MEMBERS, 5)
        rows = [
            MemberRow(Person(name), {"business_unit": self.random.choice("ab"), "region": self.random.choice("ns")})
            for name in names
        ]
        done = apply_people(program=self.program, source="file", rows=rows, actor="system", at=self.at)
        return {"status": 200, "people": [done.rows, done.rejected]}

    def seal(self) -> dict[str, Any]:
        """Seal what waits."""
        return {"status": 200, "sealed": seal_ledger(program_id=self.program.pk, at=self.at)}

    def timeline(self) -> dict[str, Any]:
        """One member's events, as the API tells them."""
        answer = self.client.get(f"/api/v1/members/{self.random.choice(MEMBERS)}/timeline")
        body = json.loads(VOLATILE.sub("", answer.content.decode()))
        events = body.get("events", body.get("data", []))
        return {"status": answer.status_code, "timeline": [{**event, "recorded_at": ""} for event in events]}

    def metrics(self) -> dict[str, Any]:
        """Figures by partner."""
        answer = self.client.get("/api/v1/metrics?from=2025-06-01&to=2025-08-01&by=partner,region")
        body = json.loads(VOLATILE.sub("", answer.content.decode()))
        return {"status": answer.status_code, "rows": body.get("rows", body)}

    def some(self) -> list[dict[str, Any]]:
        """A few of the events of before."""
        return self.random.sample(self.sent, min(len(self.sent), 3))


STEPS: tuple[Callable[[Run], dict[str, Any]], ...] = (
    Run.ingest, Run.ingest, Run.ingest, Run.resend, Run.conflict, Run.strict, Run.odd, Run.broken, Run.people, Run.seal,
    Run.timeline, Run.metrics,
)  # fmt: skip


def perform(seeds: list[int], steps: int) -> None:
    """Perform so many steps for each seed; print one line each: answers, hashes of what is kept, and the review's digest."""
    load_checks()
    for seed in seeds:
        with transaction.atomic():
            run = Run(seed)
            answers = [run.ingest(), *(step(run) for step in run.random.choices(STEPS, k=steps))]
            run.seal()
            program = run.program
            cycle = consolidate_cycle(program_id=program.pk, month_start_date=date(2025, 6, 1), actor="system", at=run.at)
            kept = [list_events(program), list_cells(program), list_figures(program)]
            violations = [text for area in ("ledger", "rollups") for found in verify.run(area) for text in found.violations]
            said = {
                "seed": seed,
                "answers": answers,
                "events": Event.objects.filter(program=program).count(),
                "hashes": [hashlib.sha256(json.dumps(part, default=str).encode()).hexdigest() for part in kept],
                "review": cycle.digest,
                "violations": violations,
            }
            print(json.dumps(said))
            transaction.set_rollback(True)
