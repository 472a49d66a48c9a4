"""
The same facts give the same review: in any order, sent once or several times, in any batches, on either database.

Late and repeated arrival is the rule in real programs, so a review may depend on what happened and on nothing else.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

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
from activity.services import record_events
from partners.models import Program
from plum_site.lib import verify
from reviews.services import consolidate_cycle, replay
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

JUNE, JULY = date(2026, 6, 1), date(2026, 7, 1)
AT = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
MEMBERS, OFFERS = 40, {"O1": "P1", "O2": "P1", "O3": "P2", "O4": "P3"}
CURRENCIES = ("EUR", "JPY", "KWD")
AMOUNTS = {"EUR": "24.90", "JPY": "3200", "KWD": "7.125"}
# Changes only when the facts, the metrics, the default rules or the digest's format do: then on purpose, and on both engines.
DIGEST = "aa654a00516b4307ff068b365628de9334bee3d8ae9c0d024aa38a20cbd656a5"


def facts() -> list[dict[str, Any]]:
    """Some 500 events of June in three currencies: whole journeys, failures, reversals, and days at the edge of the month."""
    random = Random(20260601)  # only random() itself gives the same numbers on every Python
    found: list[dict[str, Any]] = []
    for member in range(MEMBERS):
        for offer in OFFERS:
            moment = datetime(2026, 5, 31, 21, 0, tzinfo=UTC) + timedelta(minutes=int(random.random() * 30 * 24 * 60))
            for kind, chance in (("viewed", 0.95), ("unlocked", 0.8), ("activated", 0.7), ("redeemed", 0.6)):
                if random.random() > chance:
                    break
                moment += timedelta(minutes=1 + int(random.random() * 2000))
                event = {"event_id": f"{member}-{offer}-{kind}", "kind": kind, "member": f"M{member}", "offer": offer}
                event["occurred_at"] = moment.isoformat()
                if kind != "viewed" and random.random() < 0.1:
                    event |= {"status": "failed", "reason_code": "declined"}
                elif kind == "redeemed":
                    currency = CURRENCIES[int(random.random() * 3)]
                    event |= {
                        "spend_amount": AMOUNTS[currency],
                        "spend_currency": currency,
                        "transaction_ref": f"T{member}{offer}",
                    }
                found.append(event)
                if kind == "redeemed" and random.random() < 0.1:
                    found.append(event | {"event_id": f"{event['event_id']}-back", "status": "reversed"})
    return found


def as_sent(events: list[dict[str, Any]], seed: int) -> Iterator[list[dict[str, Any]]]:
    """The events in another order, some of them repeated, in batches of any size."""
    random = Random(seed)
    waiting = events + random.sample(events, len(events) // 3)
    random.shuffle(waiting)
    while waiting:
        size = random.choice((1, 7, 150, 400))
        yield waiting[:size]
        waiting = waiting[size:]


def outcome(batches: Iterator[list[dict[str, Any]]]) -> dict[str, Any]:
    """What a new program is found to have done; everything is rolled back again, so that ids and all begin anew."""
    with transaction.atomic():
        program = make_program(recorded_stages=["viewed", "unlocked", "activated", "redeemed"])
        for partner in sorted(set(OFFERS.values())):
            make_partner(program, partner)
        for offer, partner in OFFERS.items():
            make_offer(program, offer, partner_external_id=partner)
        for batch in batches:
            record_events(
                program=program, events=[check_event(event, source="shop", at=AT) for event in batch], origin=Origin.FILE, at=AT
            )
        cycle = consolidate_cycle(program_id=program.pk, month_start_date=JUNE, actor="system", at=AT)
        assert replay(cycle_id=cycle.pk).is_equal
        assert [
            line for area in ("ledger", "rollups", "tenancy") for found in verify.run(area) for line in found.violations
        ] == []
        seen = {"digest": cycle.digest, "events": contents(), "cells": cells(), "figures": figures(program)}
        transaction.set_rollback(True)
    return seen


def contents() -> list[tuple[Any, ...]]:
    """Every event by what it says, without row ids, in an order of its own."""
    columns = ("event_key", "kind", "status", "reason_code", "offer__external_id", "occurred_at", "local_date", "spend_minor")
    return sorted(tuple(map(str, row)) for row in Event.objects.values_list(*columns, "spend_currency", "transaction_ref"))


def cells() -> list[list[tuple[Any, ...]]]:
    """Every rollup cell without row ids, in an order of its own."""
    plain = ("local_date", "kind", "status", "measure", "currency", "event_count", "amount_minor")
    return [
        sorted(DaySegmentRollup.objects.values_list("offer_type", *plain)),
        sorted(DayOfferRollup.objects.values_list("offer__external_id", *plain)),
        sorted(DayPartnerRollup.objects.values_list("partner__external_id", *plain)),
        sorted(DaySegmentMembers.objects.values_list("offer_type", *plain[:3], "member_count")),
        sorted(DayPartnerMembers.objects.values_list("partner__external_id", *plain[:3], "member_count")),
    ]


def figures(program: Program) -> list[dict[str, Any]]:
    """Every metric, by partner and by day."""
    spans = {"program": program, "starts_date": JUNE, "ends_date": JULY}
    return [row for by in (["partner"], ["day", "offer"]) for row in summarise(**spans, by=by).rows]


def test_order_repetition_and_batches_change_nothing() -> None:
    events = facts()
    in_order = sorted(events, key=lambda event: event["occurred_at"])

    first = outcome(iter([in_order]))

    assert len(first["events"]) == len(events) > 300
    for seed in range(3):
        assert outcome(as_sent(events, seed)) == first, f"seed {seed}"


def test_the_review_is_the_same_on_every_machine_and_database() -> None:
    assert outcome(iter([facts()]))["digest"] == DIGEST


POOL = facts()[::9]  # of every kind, with failures and reversals
IN_ORDER: dict[int, dict[str, Any]] = {}  # what the first so many of the pool are found to be, sent once and in order


@st.composite
def ways_to_send(draw: st.DrawFn) -> tuple[int, list[list[dict[str, Any]]]]:
    """
    The first so many events of the pool in any order, each as often as one likes, in batches of any size, among them
    requests that try to change what was sent before: the first content of an id stays, whatever comes later.
    """
    count = draw(st.integers(1, len(POOL)))
    waiting = draw(st.permutations(range(count)))
    waiting = [number for number in waiting for _ in range(draw(st.sampled_from([1, 1, 1, 2])))]
    again = draw(st.lists(st.integers(0, count - 1), max_size=10))
    sent = [POOL[number] for number in [*waiting, *again]]
    for number in draw(st.lists(st.integers(0, count - 1), max_size=5)):
        place = draw(st.integers(sent.index(POOL[number]) + 1, len(sent)))
        sent.insert(place, POOL[number] | {"kind": "impression", "status": "confirmed", "member": "M0", "spend_amount": ""})
    batches = []
    while sent:
        size = draw(st.integers(1, 40))
        batches.append(sent[:size])
        sent = sent[size:]
    return count, batches


def check_order_free(way: tuple[int, list[list[dict[str, Any]]]]) -> None:
    """This way comes to the same as sending each event once and in order (P1)."""
    count, batches = way
    if count not in IN_ORDER:
        IN_ORDER[count] = outcome(iter([POOL[:count]]))
    assert outcome(iter(batches)) == IN_ORDER[count]


@settings(max_examples=12)
@given(ways_to_send())
def test_no_order_repetition_or_attempt_to_change_the_past_changes_anything(way: tuple[int, list[list[dict[str, Any]]]]) -> None:
    check_order_free(way)


@pytest.mark.long
@settings(max_examples=400)
@given(ways_to_send())
def test_no_order_out_of_very_many_changes_anything(way: tuple[int, list[list[dict[str, Any]]]]) -> None:
    check_order_free(way)
