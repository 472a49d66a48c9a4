"""
Sealing: batches become part of the ledger proper, in one dense order, and the rollups with them.

One sealer per program at a time. What it does in one transaction: number the batches, chain their roots, add
their events to the three rollups and their members to the two rollups of sets. Nothing is updated but rollup cells;
a crash leaves everything as it was.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from django.db import connection, transaction

from activity.models import IngestBatch, Seal
from activity.models.ledger import POSITIONS
from activity.rules import chain_hash
from activity.services.anchors import write_anchor
from activity.services.member_sets import add_to_sets
from partners.models import Program
from plum_site.lib.crashpoints import crashpoint

BATCHES_AT_ONCE = 64
NO_CHAIN = bytes(32)

GRAINS = {
    "activity_daysegmentrollup": {"offer_type": "o.offer_type", "attribute_set_id": "e.attribute_set_id"},
    "activity_dayofferrollup": {"offer_id": "e.offer_id"},
    "activity_daypartnerrollup": {"partner_id": "o.partner_id"},
}
# Each event makes a cell that counts it, and one more for each amount that it carries.
MEASURES = (
    (1, "''", "0", "TRUE"),
    (2, "e.spend_currency", "e.spend_minor", "e.spend_minor IS NOT NULL"),
    (3, "e.reward_cost_currency", "e.reward_cost_minor", "e.reward_cost_minor IS NOT NULL"),
)


def cells_sql(table: str, condition: str) -> str:
    """
    The SELECT that makes the cells of one rollup table from the events that meet `condition`.

    Columns: program_id, local_date, kind, status, measure, currency, the grain's own, event_count, amount_minor.
    """
    own = ", ".join(GRAINS[table].values())
    parts = [
        f"SELECT e.program_id, e.local_date, e.kind, e.status, {measure} AS measure, {currency} AS currency, {own}, "
        f"COUNT(*) AS event_count, SUM({amount}) AS amount_minor "
        f"FROM activity_event e JOIN offers_offer o ON o.id = e.offer_id WHERE ({condition}) AND {carries} "
        f"GROUP BY e.program_id, e.local_date, e.kind, e.status, {own}" + ("" if measure == 1 else f", {currency}")
        for measure, currency, amount, carries in MEASURES
    ]
    return " UNION ALL ".join(parts)


def cell_columns(table: str) -> str:
    """The columns of a rollup table, in the order of `cells_sql`."""
    return ", ".join(
        ["program_id", "local_date", "kind", "status", "measure", "currency", *GRAINS[table], "event_count", "amount_minor"]
    )


def seal_ledger(*, program_id: int, at: datetime) -> int:
    """
    Seal every batch of a program that is not sealed yet; returns how many there were.

    Safe to call at any time, by anyone, as often as one likes.
    Raises: nothing of its own.
    Writes: activity_seal, activity_daysegmentrollup, activity_dayofferrollup, activity_daypartnerrollup,
    activity_daysegmentmembers, activity_daypartnermembers, var/anchors/.
    Source: docs/adr/0005-leaves-seals-anchors.md
    """
    program = Program.objects.get(pk=program_id)
    sealed = 0
    while seals := _seal_some(program, at):
        sealed += len(seals)
        crashpoint("seal.after_commit")
        if not connection.in_atomic_block:
            write_anchor(program=program, seal=seals[-1])
        else:
            transaction.on_commit(partial(write_anchor, program=program, seal=seals[-1]))
    return sealed


def _seal_some(program: Program, at: datetime) -> list[Seal]:
    with transaction.atomic():
        crashpoint("seal.before_lock")
        _lock(program)
        crashpoint("seal.after_lock")
        waiting = IngestBatch.objects.filter(program=program, seal__isnull=True).order_by("id")
        batches = list(waiting.only("id", "accepted_count", "root")[:BATCHES_AT_ONCE])
        if not batches:
            return []
        last = Seal.objects.filter(program=program).order_by("-number").first()
        number, chain = (last.number, bytes(last.chain)) if last else (0, NO_CHAIN)
        seals = []
        for batch in batches:
            number += 1
            root = bytes(batch.root)
            chain = chain_hash(chain, number, batch.pk, batch.accepted_count, root)
            seals.append(Seal(program=program, number=number, batch=batch, root=root, chain=chain, sealed_at=at))
        _add_to_rollups(program, [batch.pk for batch in batches])
        crashpoint("seal.after_sets")
        stored = Seal.objects.bulk_create(seals)
        crashpoint("seal.before_commit")
        return stored


def _lock(program: Program) -> None:
    """One sealer per program; on SQLite the transaction itself is the lock."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('activity_seal'), %s)", [program.pk])


def _add_to_rollups(program: Program, batch_ids: Sequence[int]) -> None:
    ranges = " OR ".join(
        f"e.id BETWEEN {low * POSITIONS} AND {high * POSITIONS + POSITIONS - 1}" for low, high in _runs(batch_ids)
    )
    condition = f"e.program_id = {int(program.pk)} AND ({ranges})"
    with connection.cursor() as cursor:
        for table in GRAINS:
            cell = ", ".join(["program_id", "local_date", *GRAINS[table], "kind", "status", "measure", "currency"])
            # WHERE TRUE: SQLite cannot tell an upsert's ON from a join's without it.
            cursor.execute(
                f"INSERT INTO {table} ({cell_columns(table)}) "
                f"SELECT * FROM ({cells_sql(table, condition)}) AS delta WHERE TRUE "
                f"ON CONFLICT ({cell}) DO UPDATE SET event_count = {table}.event_count + excluded.event_count, "
                f"amount_minor = {table}.amount_minor + excluded.amount_minor"
            )
            crashpoint("seal.after_rollup")
    add_to_sets(program_id=program.pk, condition=condition)


def _runs(batch_ids: Sequence[int]) -> list[tuple[int, int]]:
    """Ids that follow each other, as (first, last)."""
    runs: list[tuple[int, int]] = []
    for batch_id in batch_ids:
        if runs and runs[-1][1] == batch_id - 1:
            runs[-1] = (runs[-1][0], batch_id)
        else:
            runs.append((batch_id, batch_id))
    return runs
