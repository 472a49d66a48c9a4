"""
What processes of a lab are asked to do with the database: make a program and its token, and say what the ledger holds.

`digest` names nothing by row id or random key, so it is the same for the same events on every engine and in any order.
"""

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from activity.choices import Origin
from activity.models import (
    DayOfferRollup,
    DayPartnerMembers,
    DayPartnerRollup,
    DaySegmentMembers,
    DaySegmentRollup,
    Event,
)
from activity.rules import check_event
from activity.selectors import summarise
from activity.services import record_events, seal_ledger
from activity.services.vault import find_standings
from partners.models import Program
from plum_site.lib.choices import Scope
from plum_site.lib.clock import now
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import make_program
from tests.factories.tokens import make_token
from tests.faults.dying import wait_to_begin
from tests.faults.events import MEMBERS, OFFERS, PROGRAM

AT = datetime(2026, 1, 2, tzinfo=UTC)


def stock() -> None:
    """Make the program; print a token that may send its events."""
    program = make_program(PROGRAM, recorded_stages=["viewed", "unlocked", "activated", "redeemed"], at=now())
    for partner in sorted(set(OFFERS.values())):
        make_partner(program, partner)
    for offer, partner in OFFERS.items():
        make_offer(program, offer, partner_external_id=partner)
    print(make_token(program, Scope.EVENTS_WRITE)[1])


def replay(file: str) -> None:
    """Record events (one JSON object of flat fields a line) in peace, in batches, and seal them."""
    program = Program.objects.get(code=PROGRAM)
    rows = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    for start in range(0, len(rows), 1000):
        checked = [check_event(row, source=row.pop("source"), at=AT) for row in rows[start : start + 1000]]
        record_events(program=program, events=checked, origin=Origin.API, at=AT)
    seal_ledger(program_id=program.pk, at=AT)


def seal() -> None:
    """Say `ready`, wait to be told, seal; print how many batches it were."""
    program = Program.objects.get(code=PROGRAM)
    wait_to_begin()
    print(seal_ledger(program_id=program.pk, at=now()))


def digest() -> None:
    """Print what the sealed ledger of the program holds, as hashes of its parts."""
    program = Program.objects.get(code=PROGRAM)
    parts = {"events": list_events(program), "cells": list_cells(program), "figures": list_figures(program)}
    print(json.dumps({name: hashlib.sha256(json.dumps(part, default=str).encode()).hexdigest() for name, part in parts.items()}))


def list_events(program: Program) -> list[tuple[Any, ...]]:
    """Every event by its content, in an order of its own."""
    names = {row.member_id: name for name, row in find_standings(program=program, external_ids=set(MEMBERS)).items()}
    columns = ("member_id", "source__code", "event_key", "kind", "status", "reason_code", "offer__external_id", "occurred_at")
    more = ("local_date", "spend_minor", "spend_currency", "transaction_ref", "reverses")
    rows = Event.objects.filter(program=program).values_list(*columns, *more)
    return sorted((names.get(row[0], "somebody else"), *map(str, row[1:])) for row in rows)


def list_cells(program: Program) -> list[list[tuple[Any, ...]]]:
    """Every cell of every rollup, in an order of its own."""
    plain = ("local_date", "kind", "status", "measure", "currency", "event_count", "amount_minor")
    counted = ("local_date", "kind", "status", "member_count")
    found = [
        DaySegmentRollup.objects.values_list("offer_type", *plain),
        DayOfferRollup.objects.values_list("offer__external_id", *plain),
        DayPartnerRollup.objects.values_list("partner__external_id", *plain),
        DaySegmentMembers.objects.values_list("offer_type", *counted),
        DayPartnerMembers.objects.values_list("partner__external_id", *counted),
    ]
    return [sorted(tuple(map(str, row)) for row in rows.filter(program=program)) for rows in found]


def list_figures(program: Program) -> list[dict[str, Any]]:
    """Every metric, by partner and by day and offer."""
    spans = {"program": program, "starts_date": date(2025, 1, 1), "ends_date": date(2026, 1, 1)}
    return [row for by in (["partner"], ["day", "offer"]) for row in summarise(**spans, by=by).rows]
