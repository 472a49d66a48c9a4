"""The database itself refuses to edit what is only appended, on both engines, row by row and table by table."""

from collections.abc import Iterator
from datetime import date

import pytest
from django.db import IntegrityError, connection, models, transaction

from activity.models import (
    AttributeSet,
    Event,
    EventIdentity,
    IngestBatch,
    LedgerPermit,
    MemberMessage,
    MessageBatch,
    MessageOffer,
    Seal,
)
from exports.choices import ExportState
from exports.models import Export, ExportDownload
from offers.choices import DraftState
from offers.models import (
    CatalogDay,
    CatalogTrial,
    CatalogTrialOffer,
    Listing,
    ListingDraft,
    ListingDraftTransition,
    OfferTerms,
    OfferTransition,
    RankingRevision,
)
from partners.models import PartnerTransition
from plum_site.lib import append_only
from plum_site.lib.models import AuditEvent, User
from reviews.choices import CycleState, RestatementState
from reviews.models import (
    ActionNote,
    ActionTransition,
    ApprovalPolicy,
    ApprovalRequest,
    CycleTransition,
    Decision,
    Flag,
    FlagTransition,
    LadderHold,
    LadderMove,
    LadderVersion,
    PartnerAnswer,
    Playbook,
    PushRecipient,
    PushStop,
    ReplacementContact,
    ReplacementFile,
    ReplacementTransition,
    Restatement,
    ReviewCycle,
    ReviewPolicy,
    RuleVersion,
    Scorecard,
)
from tests.support.rows import AT, LATER, Rows

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

# model: a column that an attacker might change, and to what
ALWAYS: dict[type[models.Model], dict[str, object]] = {
    AuditEvent: {"actor": "user:2"},
    PartnerTransition: {"to_state": "active"},
    OfferTransition: {"to_state": "live"},
    Listing: {"title": "other"},
    ListingDraftTransition: {"to_state": "published"},
    OfferTerms: {"text": "other"},
    CatalogDay: {"started_count": 0},
    CatalogTrialOffer: {"is_fresh": True},
    RankingRevision: {"offer_ids": [2, 1]},
    IngestBatch: {"root": b"r" * 32},
    Seal: {"chain": b"c" * 32},
    MessageBatch: {"rejected_count": 1, "received_count": 1},
    AttributeSet: {"values": {"country": "DE"}},
    ActionTransition: {"comment": "edited"},
    ActionNote: {"text": "edited"},
    PartnerAnswer: {"id": 9999},
    PushStop: {"reason": "other"},
    ApprovalPolicy: {"push_limit": 1},
    ReplacementTransition: {"comment": "edited"},
    ReplacementContact: {"text": "edited"},
    ReplacementFile: {"content": b"other"},
    Playbook: {"lines": []},
    LadderVersion: {"rule": {}},
    LadderMove: {"version": 7},
    FlagTransition: {"comment": "edited"},
    CycleTransition: {"actor": "user:2"},
    ReviewPolicy: {"minimum_events": 0},
    RuleVersion: {"threshold": 0},
    ExportDownload: {"what": "other"},
}
UNLESS_PERMITTED: dict[type[models.Model], dict[str, object]] = {
    Event: {"spend_minor": 1, "spend_currency": "EUR"},
    EventIdentity: {"content": b"c" * 8},
    MemberMessage: {"event_key": None},
    MessageOffer: {"offer_id": 0},
}
ONCE_CLOSED: dict[type[models.Model], dict[str, object]] = {
    ReviewCycle: {"digest": "other"},
    Scorecard: {"score": 100},
    Flag: {"observed": 1},
    Decision: {"kind": "pass"},
}
FROZEN = {"cutoff": 1, "consolidated_at": AT, "digest": "d", "closed_at": AT, "closed_by": "user:1"}
ONCE_EXPIRED: dict[type[models.Model], dict[str, object]] = {Export: {"asked_by": "user:2"}}
EXPIRED = {
    "state": ExportState.EXPIRED,
    "finished_at": AT,
    "expires_at": LATER,
    "cutoff": 1,
    "rows": 1,
    "bytes": 1,
    "sha256": "h",
}
ONCE_ANSWERED: dict[type[models.Model], dict[str, object]] = {Restatement: {"reason": "other"}}
ANSWERED = {"state": RestatementState.REFUSED, "answered_by": "user:2", "answered_at": AT}
ONCE_IN_FORCE: dict[type[models.Model], dict[str, object]] = {ApprovalRequest: {"answer": "other"}}
IN_FORCE = {"state": "in_force", "answered_at": LATER}
ONCE_DISCARDED: dict[type[models.Model], dict[str, object]] = {ListingDraft: {"title": "other"}}
ONCE_SETTLED: dict[type[models.Model], dict[str, object]] = {
    PushRecipient: {"settled_at": LATER},
    LadderHold: {"reason": "other"},
    CatalogTrial: {"share_percent": 20},
}
SETTLED: dict[type[models.Model], dict[str, object]] = {
    PushRecipient: {"state": "queued", "settled_at": AT},
    LadderHold: {"ended_at": AT, "ended_by": "user:1"},
    CatalogTrial: {"ended_at": AT, "ended_by": "user:1"},
}
PROTECTED = ALWAYS | ONCE_SETTLED | UNLESS_PERMITTED | ONCE_CLOSED | ONCE_EXPIRED | ONCE_ANSWERED | ONCE_IN_FORCE | ONCE_DISCARDED


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def scratch_table() -> Iterator[str]:
    editor = connection.schema_editor()
    editor.execute("CREATE TABLE scratch (id integer, state text)", params=None)
    editor.execute("CREATE TABLE scratch_permit (id integer)", params=None)
    editor.execute("INSERT INTO scratch VALUES (1, 'open'), (2, 'closed')", params=None)
    yield "scratch"
    editor.execute("DROP TABLE scratch", params=None)
    editor.execute("DROP TABLE scratch_permit", params=None)


def run(sql: str) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.rowcount


def assert_refused(sql: str, table: str = "scratch") -> None:
    with pytest.raises(IntegrityError, match=f"{table} is append-only"):
        run(sql)


def key_of(row: models.Model) -> dict[str, object]:
    """What finds the row again, whatever its key is made of."""
    return {"program_id": row.program_id, "key": row.key} if isinstance(row, EventIdentity) else {"pk": row.pk}


def edit(row: models.Model, changes: dict[str, object]) -> int:
    with transaction.atomic():
        return type(row)._base_manager.filter(**key_of(row)).update(**changes)


def delete(row: models.Model) -> None:
    with transaction.atomic():
        found = type(row)._base_manager.filter(**key_of(row))
        found._raw_delete(found.db)


def test_update_and_delete_fail_and_insert_passes(scratch_table: str) -> None:
    append_only.install(connection.schema_editor(), scratch_table)

    assert run("INSERT INTO scratch VALUES (3, 'open')") == 1
    assert_refused("UPDATE scratch SET state = 'x' WHERE id = 1")
    assert_refused("DELETE FROM scratch WHERE id = 1")
    assert_refused("DELETE FROM scratch")


def test_a_permit_lets_edits_pass_while_it_is_there(scratch_table: str) -> None:
    append_only.install(connection.schema_editor(), scratch_table, permit_table="scratch_permit")

    assert_refused("DELETE FROM scratch WHERE id = 1")
    run("INSERT INTO scratch_permit VALUES (1)")
    assert run("UPDATE scratch SET state = 'x' WHERE id = 1") == 1
    assert run("DELETE FROM scratch WHERE id = 1") == 1
    run("DELETE FROM scratch_permit")
    assert_refused("DELETE FROM scratch WHERE id = 2")


def test_a_condition_limits_the_refusal_to_some_rows(scratch_table: str) -> None:
    append_only.install(connection.schema_editor(), scratch_table, when="OLD.state = 'closed'")

    assert run("UPDATE scratch SET state = 'still open' WHERE id = 1") == 1
    assert_refused("UPDATE scratch SET state = 'open' WHERE id = 2")
    assert_refused("DELETE FROM scratch")


def test_removing_the_protection_gives_edits_back(scratch_table: str) -> None:
    append_only.install(connection.schema_editor(), scratch_table)
    append_only.remove(connection.schema_editor(), scratch_table)

    assert run("UPDATE scratch SET state = 'x'") == 2
    assert run("DELETE FROM scratch") == 2


@pytest.mark.postgres
def test_truncate_fails(scratch_table: str) -> None:
    append_only.install(connection.schema_editor(), scratch_table)

    assert_refused("TRUNCATE scratch")


@pytest.mark.parametrize(("model", "changes"), ALWAYS.items(), ids=str)
def test_history_is_never_edited(model: type[models.Model], changes: dict[str, object], rows: Rows) -> None:
    row = rows.make(model)

    with pytest.raises(IntegrityError, match="append-only: UPDATE refused"):
        edit(row, changes)
    with pytest.raises(IntegrityError, match="append-only: DELETE refused"):
        delete(row)


@pytest.mark.parametrize(("model", "changes"), UNLESS_PERMITTED.items(), ids=str)
def test_the_ledger_is_edited_only_under_a_permit(model: type[models.Model], changes: dict[str, object], rows: Rows) -> None:
    row = rows.make(model)

    with pytest.raises(IntegrityError, match="append-only: UPDATE refused"):
        edit(row, changes)
    with pytest.raises(IntegrityError, match="append-only: DELETE refused"):
        delete(row)

    permit = LedgerPermit.objects.create(reason="erasure", job_id=1, made_at=AT)
    assert edit(row, changes) == 1
    permit.delete()
    with pytest.raises(IntegrityError, match="append-only: DELETE refused"):
        delete(row)


@pytest.mark.parametrize(("model", "changes"), ONCE_CLOSED.items(), ids=str)
def test_closed_stays_closed(model: type[models.Model], changes: dict[str, object], rows: Rows) -> None:
    row = rows.the(model)
    assert edit(row, changes) == 1

    assert edit(rows.the(ReviewCycle), {"state": CycleState.CLOSED, **FROZEN}) == 1

    with pytest.raises(IntegrityError, match=r"UPDATE into what is closed refused|append-only: UPDATE refused"):
        edit(row, changes)
    with pytest.raises(IntegrityError, match="append-only: DELETE refused"):
        delete(row)


@pytest.mark.parametrize(("model", "changes"), ONCE_EXPIRED.items(), ids=str)
def test_what_has_expired_stays_as_it_was(model: type[models.Model], changes: dict[str, object], rows: Rows) -> None:
    row = rows.the(model)
    assert edit(row, changes) == 1

    assert edit(row, EXPIRED) == 1

    with pytest.raises(IntegrityError, match="append-only: UPDATE refused"):
        edit(row, changes)
    with pytest.raises(IntegrityError, match="append-only: DELETE refused"):
        delete(row)


@pytest.mark.parametrize(("model", "changes"), ONCE_IN_FORCE.items(), ids=str)
def test_what_is_in_force_was_asked_for_as_it_was(model: type[models.Model], changes: dict[str, object], rows: Rows) -> None:
    row = rows.the(model)
    for values in ({"asker": rows.make(User)}, {"push_limit": 0}, {"solo_mode": True}, {"due_at": AT}, {"approvals": {}}):
        with pytest.raises(IntegrityError, match=r"UPDATE into what is closed refused|violates|CHECK constraint"):
            edit(row, values)
    assert edit(row, IN_FORCE) == 1

    with pytest.raises(IntegrityError, match="append-only: UPDATE refused"):
        edit(row, changes)
    with pytest.raises(IntegrityError, match="append-only: DELETE refused"):
        delete(row)


@pytest.mark.parametrize(("model", "changes"), ONCE_SETTLED.items(), ids=str)
def test_what_was_settled_stays_as_it_was(model: type[models.Model], changes: dict[str, object], rows: Rows) -> None:
    row = rows.the(model)
    assert edit(row, SETTLED[model]) == 1

    with pytest.raises(IntegrityError, match="append-only: UPDATE refused"):
        edit(row, changes)
    with pytest.raises(IntegrityError, match="append-only: DELETE refused"):
        delete(row)


@pytest.mark.parametrize("changes", [{"arm": "held_out", "state": "held_out"}, {"channel": "webhook"}], ids=str)
def test_who_is_in_a_push_and_how_is_decided_once(changes: dict[str, object], rows: Rows) -> None:
    with pytest.raises(IntegrityError, match="UPDATE of what is fixed refused"):
        edit(rows.the(PushRecipient), changes)


@pytest.mark.parametrize(("model", "changes"), ONCE_ANSWERED.items(), ids=str)
def test_what_was_answered_stays_as_it_was(model: type[models.Model], changes: dict[str, object], rows: Rows) -> None:
    row = rows.the(model)
    assert edit(row, changes) == 1

    assert edit(row, ANSWERED) == 1

    with pytest.raises(IntegrityError, match="append-only: UPDATE refused"):
        edit(row, changes)
    with pytest.raises(IntegrityError, match="append-only: DELETE refused"):
        delete(row)


@pytest.mark.parametrize("ended", ["published", "discarded"])
@pytest.mark.parametrize(("model", "changes"), ONCE_DISCARDED.items(), ids=str)
def test_a_draft_that_has_ended_stays_as_it_was(
    model: type[models.Model], changes: dict[str, object], ended: str, rows: Rows
) -> None:
    row = rows.make(model)
    assert edit(row, changes) == 1

    assert edit(row, {"state": DraftState(ended), "listing": rows.the(Listing)}) == 1

    with pytest.raises(IntegrityError, match="append-only: UPDATE refused"):
        edit(row, {"state": DraftState.DRAFT})
    with pytest.raises(IntegrityError, match="append-only: DELETE refused"):
        delete(row)


@pytest.mark.parametrize("model", [Scorecard, Flag, Decision], ids=str)
def test_nothing_is_added_to_what_is_closed(model: type[models.Model], rows: Rows) -> None:
    rows.the(Scorecard if model is not Scorecard else ReviewCycle)
    edit(rows.the(ReviewCycle), {"state": CycleState.CLOSED, **FROZEN})

    with pytest.raises(IntegrityError, match="INSERT into what is closed refused"), transaction.atomic():
        rows.make(model)


def test_a_scorecard_is_not_moved_into_a_closed_cycle(rows: Rows) -> None:
    card = rows.make(Scorecard)
    closed = rows.make(ReviewCycle, month_start_date=date(2026, 6, 1), state=CycleState.CLOSED, **FROZEN)

    with pytest.raises(IntegrityError, match=r"UPDATE into what is closed refused"):
        edit(card, {"cycle": closed})


@pytest.mark.postgres
@pytest.mark.parametrize("model", PROTECTED, ids=str)
def test_no_protected_table_can_be_truncated(model: type[models.Model]) -> None:
    assert_refused(f"TRUNCATE {model._meta.db_table} CASCADE", table="")


@pytest.mark.postgres
def test_every_partition_of_the_ledger_is_guarded_against_truncate() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'activity_event'::regclass")
        partitions = [name for (name,) in cursor]

    assert "activity_event_default" in partitions
    for partition in partitions:
        assert_refused(f"TRUNCATE {partition}", table="activity_event")


def test_protected_tables_are_exactly_these() -> None:
    """A new append-only table needs a line above, so that its protection is attacked."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE '%\\_no\\_edit'")
        else:
            cursor.execute(
                "SELECT tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%\\_no\\_UPDATE' ESCAPE '\\'"
            )
        tables = {name for (name,) in cursor if not name.startswith("activity_event_")}

    assert tables == {model._meta.db_table for model in PROTECTED}
