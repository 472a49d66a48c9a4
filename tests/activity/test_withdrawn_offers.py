"""What members do with an offer that was paused or retired: new unlocks are marked or refused, all else is honoured."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from activity.choices import Kind
from activity.models import Event, QuarantinedEvent
from activity.rules import check_event
from activity.services.loading import NewProgram, load_folder
from activity.services.rehearsal import foresee_events
from offers.models import Offer
from offers.selectors import load_catalog
from offers.services import change_offer_state
from partners.models import Partner, Program
from partners.services import change_partner_state, update_program
from tests.activity.test_api_events import send
from tests.factories.events import make_event
from tests.factories.ledger import event, make_stocked_program, record, write_folder
from tests.factories.tokens import make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

PAUSED_AT = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)
RESUMED_AT = datetime(2026, 6, 15, 16, 0, tzinfo=UTC)
LATE = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
BEFORE, AFTER, LATER = "2026-06-15T09:59:59.999999Z", "2026-06-15T10:00:00Z", "2026-06-15T17:00:00Z"
LATE_REDEEMED = {"spend_amount": "10.00", "spend_currency": "EUR", "transaction_ref": "T1"}


def withdraw(program: Program, offer: str = "O1", *, name: str = "pause", at: datetime = PAUSED_AT) -> None:
    pk = Offer.objects.get(program=program, external_id=offer).pk
    change_offer_state(offer_id=pk, name=name, actor="system", at=at, comment="stock is gone")


def refuse_late_unlocks(program: Program) -> None:
    update_program(program_id=program.pk, changes={"refuses_withdrawn_unlocks": True}, actor="system", at=PAUSED_AT)


@pytest.fixture
def program() -> Program:
    return make_stocked_program()


def test_an_unlock_after_the_pause_is_recorded_and_marked(program: Program) -> None:
    withdraw(program)

    receipt = record(program, [event(1, "unlocked", occurred_at=BEFORE), event(2, "unlocked", occurred_at=AFTER)])

    assert [result.warning for result in receipt.results] == ["", "after_withdrawal"]
    assert (receipt.accepted, receipt.rejected) == (2, 0)
    assert Event.objects.filter(kind=Kind.UNLOCKED).count() == 2


def test_a_program_may_refuse_them_and_keeps_what_came_before(program: Program) -> None:
    withdraw(program)
    refuse_late_unlocks(program)

    receipt = record(program, [event(1, "unlocked", occurred_at=BEFORE), event(2, "unlocked", occurred_at=AFTER)])

    assert [(result.outcome, result.code, result.field) for result in receipt.results] == [
        ("accepted", "", ""),
        ("rejected", "offer_withdrawn", "offer"),
    ]
    assert list(Event.objects.values_list("event_key", flat=True)) == ["e1"]


@pytest.mark.parametrize("name", ["pause", "retire"])
@pytest.mark.parametrize("is_strict", [False, True])
def test_what_members_hold_is_honoured(program: Program, name: str, is_strict: bool) -> None:
    withdraw(program, name=name)
    refuse_late_unlocks(program)

    receipt = record(
        program,
        [
            event(1, "viewed", occurred_at=LATER),
            event(2, "activated", occurred_at=LATER),
            event(3, "redeemed", occurred_at=LATER, **LATE_REDEEMED),
            event(4, "redeemed", occurred_at=LATER, status="reversed", **LATE_REDEEMED),
            event(5, "unlocked", occurred_at=LATER, status="failed", reason_code="withdrawn"),
        ],
        strict=is_strict,
    )

    assert (receipt.accepted, receipt.rejected) == (5, 0)
    assert {result.warning for result in receipt.results} <= {"", "outside_offer_dates"}


@pytest.mark.parametrize("name", ["pause", "retire"])
def test_a_partner_withdraws_all_its_offers(program: Program, name: str) -> None:
    partner = Partner.objects.get(program=program, external_id="P1")
    change_partner_state(partner_id=partner.pk, name=name, actor="system", at=PAUSED_AT, comment="insolvent")
    refuse_late_unlocks(program)

    receipt = record(
        program,
        [
            event(1, "unlocked", offer="O1", occurred_at=AFTER),
            event(2, "unlocked", offer="O2", occurred_at=AFTER),
            event(3, "unlocked", offer="O3", occurred_at=AFTER),
            event(4, "redeemed", offer="O1", occurred_at=AFTER, **LATE_REDEEMED),
            event(5, "redeemed", offer="O1", occurred_at=LATER, status="reversed", **LATE_REDEEMED),
        ],
    )

    assert [result.code for result in receipt.results] == ["offer_withdrawn", "offer_withdrawn", "", "", ""]


def test_an_offer_that_is_back_takes_unlocks_again(program: Program) -> None:
    withdraw(program)
    withdraw(program, name="resume", at=RESUMED_AT)
    refuse_late_unlocks(program)

    receipt = record(
        program,
        [event(number, "unlocked", occurred_at=instant) for number, instant in enumerate((BEFORE, AFTER, LATER))],
    )

    assert [result.code for result in receipt.results] == ["", "offer_withdrawn", ""]


def test_what_was_recorded_stays_a_duplicate_and_what_was_refused_is_none(program: Program) -> None:
    withdraw(program)
    late = event(1, "unlocked", occurred_at=AFTER)
    record(program, [late])
    refuse_late_unlocks(program)

    again = record(program, [late, event(2, "unlocked", occurred_at=AFTER), event(2, "unlocked", occurred_at=AFTER)])

    assert [(result.outcome, result.code) for result in again.results] == [
        ("duplicate", ""),
        ("rejected", "offer_withdrawn"),
        ("rejected", "offer_withdrawn"),
    ]
    assert record(program, [{**late, "medium": "mail"}]).results[0].outcome == "conflict"


def test_a_stranger_does_not_wait_for_an_unlock_that_is_refused(at: datetime) -> None:
    program = make_stocked_program(creates_unknown_members=False)
    withdraw(program)
    refuse_late_unlocks(program)

    receipt = record(program, [event(1, "unlocked", member="stranger", occurred_at=AFTER)])

    assert receipt.results[0].code == "offer_withdrawn"
    assert not QuarantinedEvent.objects.exists()


@pytest.mark.parametrize("refuses", [False, True])
def test_a_preview_says_what_recording_will_say(program: Program, refuses: bool) -> None:
    withdraw(program)
    if refuses:
        refuse_late_unlocks(program)
    program.refresh_from_db()
    sent = [event(1, "unlocked", occurred_at=AFTER), event(1, "unlocked", occurred_at=AFTER), event(2, "activated")]
    checked = [check_event(fields, source="file", at=LATE) for fields in sent]

    foreseen = foresee_events(program=program, events=checked, catalog=load_catalog(program.pk))
    recorded = record(program, sent)

    def said(results: Any) -> list[tuple[str, str, str]]:
        return [(result.outcome, result.code, result.warning) for result in results]

    assert said(foreseen.results) == said(recorded.results)


@pytest.mark.parametrize("single", [True, False], ids=["single", "batch"])
def test_over_http_the_item_says_so(program: Program, single: bool) -> None:
    withdraw(program)
    client = make_client(program, "events:write")
    late = make_event(1, "unlocked", time=AFTER)

    other = make_event(2, "unlocked", time=AFTER)
    marked = send(client, late if single else [late], "application/json")
    refuse_late_unlocks(program)
    refused = send(client, other if single else [other], "application/json")

    assert marked.body["results"] == [{"index": 0, "id": "e1", "status": "accepted", "warning": "after_withdrawal"}]
    [item] = refused.body["results"]
    assert (item["status"], item["code"], item["pointer"]) == ("rejected", "offer_withdrawn", "/data/offer")
    assert Event.objects.count() == 1


@pytest.mark.parametrize("refuses", [False, True])
def test_from_a_file_too(program: Program, tmp_path: Path, refuses: bool) -> None:
    withdraw(program)
    if refuses:
        refuse_late_unlocks(program)
    folder = write_folder(tmp_path / "data", [event(1, "unlocked", occurred_at=AFTER), event(2, "activated", occurred_at=LATER)])

    at = LATE + timedelta(hours=1 + refuses)  # the file of what was not taken has its instant in its name
    report = load_folder(folder=folder, new_program=NewProgram("acme"), actor="system", at=at)

    if refuses:
        assert (report.accepted, report.rejected) == (1, 1)
        assert "offer_withdrawn" in Path(report.rejects_file).read_text(encoding="utf-8")
    else:
        assert (report.accepted, report.warnings["after_withdrawal"]) == (2, 1)


def test_withdrawal_is_to_the_microsecond_while_live_counts_days(program: Program) -> None:
    """The day of the pause is a live day of the offer; its last unlock came before the pause all the same."""
    withdraw(program)

    facts = load_catalog(program.pk)["O1"]

    assert facts.live == ((None, date(2026, 6, 16)),)
    assert facts.withdrawn == ((PAUSED_AT, None),)
