"""One event from the HTTP request to the scorecard of its month: the steps of docs/tour.md, with nothing put in by hand."""

import json
from datetime import UTC, date, datetime

import pytest
import time_machine
from django.db import IntegrityError, transaction

import plum_site.tasks  # noqa: F401 - registers what workers run
from activity.models import DayOfferRollup, Event, EventIdentity, IngestBatch, Member, Seal, VaultEntry
from activity.selectors import head_of, summarise
from activity.services import anchors
from plum_site import schedule
from plum_site.lib import jobs, verify
from plum_site.lib.models import AuditEvent, Job, User
from reviews.choices import CycleState, DecisionKind, Standing
from reviews.models import ReviewCycle, Scorecard
from reviews.services import close_cycle, decide, replay
from tests.factories.events import make_event
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import make_program
from tests.factories.tokens import make_client

pytestmark = pytest.mark.slow

JUNE, JULY = date(2026, 6, 1), date(2026, 7, 1)
BEGUN_AT = datetime(2026, 6, 1, tzinfo=UTC)
SENT_AT = datetime(2026, 6, 20, 9, 0, tzinfo=UTC)
READY_AT = datetime(2026, 7, 3, 9, 0, tzinfo=UTC)  # the third of the next month, the ready day of the program


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_engines
def test_one_redemption_from_the_till_to_a_closed_review(monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[dict[str, object]] = []
    monkeypatch.setattr(jobs.SENDER, "add", lambda arguments, priority=0: woken.append(arguments))
    program = make_program(at=BEGUN_AT, recorded_stages=["viewed", "unlocked", "activated", "redeemed"])
    partner = make_partner(program, "P1")
    make_offer(program, "O1")

    # 1. In
    earlier = [
        make_event(number, kind, time=f"2026-06-19T0{number}:00:00Z")
        for number, kind in enumerate(("viewed", "unlocked", "activated"), start=1)
    ]
    redemption = make_event(
        4, "redeemed", time="2026-06-19T10:00:00+02:00", spend={"amount": "24.90", "currency": "EUR"}, transaction_ref="TILL-7"
    )
    with time_machine.travel(SENT_AT, tick=False):
        till = make_client(program, "events:write", at=SENT_AT)

        def send(*events: dict[str, object]) -> dict[str, object]:
            body = json.dumps(events)
            return till.post("/api/v1/events", body, content_type="application/cloudevents-batch+json").json()

        # 2. Check
        refused = send(make_event(5, "redeemed", time="2026-06-20T09:30:00Z"))
        assert refused["rejected"] == 1
        assert refused["results"][0]["code"] == "time_in_future"
        assert not Event.objects.exists()

        # 3. Record
        answer = send(*earlier, redemption)
        assert (answer["accepted"], answer["results"]) == (4, [])
        again = send(redemption)
        assert (again["duplicate"], again["accepted"]) == (1, 0)
        other = send(redemption | {"data": redemption["data"] | {"transaction_ref": "TILL-8"}})
        assert (other["conflict"], other["accepted"]) == (1, 0)

    event = Event.objects.get(event_key="e4")
    assert (event.spend_minor, event.spend_currency, event.local_date) == (2490, "EUR", date(2026, 6, 19))
    assert EventIdentity.objects.filter(event_id=event.pk).count() == 1
    assert [batch.received_count for batch in IngestBatch.objects.order_by("pk")] == [1, 4, 1, 1]
    assert b"M1" not in bytes(VaultEntry.objects.get().external_id_sealed)
    assert len(bytes(Member.objects.get().key)) == 16

    # 4. Keep
    for change in ({"spend_minor": 1}, {"member": None}, {"occurred_at": READY_AT}):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            Event.objects.filter(pk=event.pk).update(**change)

    # 5. Wake
    wake_up = {"name": "activity.seal_ledger", "ids": {"program_id": program.pk}}
    assert woken.count(wake_up) == 1, "only what was accepted wakes the sealer"
    woken.clear()
    schedule.plan_due(SENT_AT)
    assert wake_up in woken, "a lost wake-up is found by the sweep"

    # 6. Seal
    with time_machine.travel(SENT_AT, tick=False):
        jobs.run_wakeable("activity.seal_ledger", {"program_id": program.pk})
    assert list(Seal.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3, 4]
    assert [anchor.is_genuine for anchor in anchors.list_anchors(program=program)][-1] is True
    assert DayOfferRollup.objects.get(kind=event.kind, measure=2).amount_minor == 2490

    # 7. Read
    summary = summarise(program=program, starts_date=JUNE, ends_date=JULY, by=["partner"])
    [row] = summary.rows
    assert (row["partner"], row["redemptions"], row["redemption_rate"], row["spend"]) == ("P1", 1, 1.0, {"EUR": "24.90"})
    assert summary.as_of == head_of(program.pk).number == 4

    # 8. Review
    schedule.plan_due(READY_AT)
    months = Job.objects.filter(name="reviews.consolidate_month", created_at=READY_AT).order_by("pk")
    assert [job.arguments["month"] for job in months] == ["2026-06-01", "2026-07-01"]
    assert [jobs.run_job(job.pk, READY_AT) for job in months] == ["done", "done"]
    cycle = ReviewCycle.objects.get(program=program, month_start_date=JUNE)
    assert (cycle.state, cycle.cutoff) == (CycleState.READY, 4)
    card = Scorecard.objects.get(cycle=cycle)
    assert (card.partner, card.standing) == (partner, Standing.INSUFFICIENT_DATA)
    assert (card.metrics["redemptions"], card.metrics["net_spend"]) == (1, {"EUR": "24.90"})

    # 9. Decide
    ada = User.objects.create(username="ada")
    assert (card.decision.kind, card.decision.decided_by) == (DecisionKind.EXEMPT, "policy:1"), "too little to judge, no flag"
    decide(scorecard_id=card.pk, kind=DecisionKind.MONITOR, actor=ada, at=READY_AT, comment="A partner's first month.")
    closed = close_cycle(cycle_id=cycle.pk, actor=ada, at=READY_AT)
    assert (closed.state, closed.closed_by) == (CycleState.CLOSED, f"user:{ada.pk}")
    for row in (closed, card, card.decision):
        with pytest.raises(IntegrityError), transaction.atomic():
            type(row).objects.filter(pk=row.pk)._raw_delete("default")
    assert AuditEvent.objects.filter(action="reviews.close_cycle", actor=f"user:{ada.pk}").count() == 1

    # 10. Prove
    proof = replay(cycle_id=cycle.pk)
    assert (proof.digest, proof.recomputed, proof.stored) == (cycle.digest,) * 3
    assert proof.differences == []
    with time_machine.travel(READY_AT, tick=False):
        found = [finding for area in ("ledger", "rollups", "cycles", "tenancy", "audit") for finding in verify.run(area)]
    assert len(found) > 10
    assert {finding.check: finding.violations for finding in found if finding.violations} == {}
