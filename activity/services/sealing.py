"""
Sealing: batches become part of the ledger proper, in one dense order, and the rollups with them.

One sealer per program at a time. What it does in one transaction: number the batches, chain their roots, add
their events to the four rollups and their members to the two rollups of sets. Nothing is updated but rollup cells;
a crash leaves everything as it was.

A cell costs the same whether one event is added to it or a hundred, so a busy program is not sealed after every commit:
a wake-up that comes within SEAL_GAP of the last seal comes again later (docs/adr/0005-leaves-seals-anchors.md).
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import accumulate
from time import monotonic

from django.db import connection, transaction

from activity.models import IngestBatch, Seal
from activity.models.ledger import POSITIONS
from activity.rules import chain_hash
from activity.selectors.ledger import head_of, runs
from activity.services.anchors import write_anchor
from activity.services.member_sets import SETS, add_to_sets
from activity.services.rollups import add_amounts, add_to_cells, count_events, group_members, read_portion
from partners.models import Program
from plum_site.lib import jobs
from plum_site.lib.crashpoints import crashpoint

EVENTS_AT_ONCE = 131_072  # sealed in one transaction: what is held in memory, some 200 bytes an event
BATCHES_AT_ONCE = 4096
SEAL = "activity.seal_ledger"
SEAL_GAP = timedelta(seconds=0.5)
LONGEST = timedelta(seconds=10)  # that one wake-up keeps a process of the worker
NO_CHAIN = bytes(32)


def seal_ledger(*, program_id: int, at: datetime) -> int:
    """
    Seal every batch of a program that is not sealed yet; returns how many there were.

    Safe to call at any time, by anyone, as often as one likes; waits for another sealer to end.
    Raises: nothing of its own.
    Writes: activity_seal, activity_daysegmentrollup, activity_dayofferrollup, activity_daypartnerrollup,
    activity_daysourcerollup, activity_daysegmentmembers, activity_daypartnermembers, var/anchors/.
    Source: docs/adr/0005-leaves-seals-anchors.md
    """
    return _seal_all(Program.objects.get(pk=program_id), at, waits=True) or 0


def seal_when_due(*, program_id: int, at: datetime) -> bool:
    """
    What a wake-up does: seal as `seal_ledger` does, unless somebody is sealing or the last seal is younger than SEAL_GAP.

    False if so: then it must be asked again, after SEAL_GAP, for batches that were committed meanwhile. What was committed
    while a pass took longer than SEAL_GAP follows at once, for LONGEST at most: the end of a burst waits for nobody.
    Raises: nothing of its own.
    Writes: what seal_ledger writes.
    Source: docs/adr/0005-leaves-seals-anchors.md
    """
    head = head_of(program_id)
    if head is not None and timedelta(0) <= at - head.sealed_at < SEAL_GAP:
        return False
    program, began, passed = Program.objects.get(pk=program_id), monotonic(), timedelta(0)
    while passed < LONGEST:
        sealed = _seal_all(program, at + passed, waits=False)
        before, passed = passed, timedelta(seconds=monotonic() - began)
        if not sealed or passed - before < SEAL_GAP:
            return sealed is not None
    return False


def _seal_all(program: Program, at: datetime, *, waits: bool) -> int | None:
    """How many batches were sealed; None if another sealer was at work and was not waited for."""
    sealed, more = 0, True
    while more:
        done = _seal_some(program, at, waits=waits)
        if done is None:
            return None
        seals, more = done
        sealed += len(seals)
        if not seals:
            break
        crashpoint("seal.after_commit")
        if not connection.in_atomic_block:
            write_anchor(program=program, seal=seals[-1])
        else:
            transaction.on_commit(partial(write_anchor, program=program, seal=seals[-1]))
    if sealed:
        jobs.wake_followers(SEAL, program_id=program.pk)
    return sealed


def _seal_some(program: Program, at: datetime, *, waits: bool) -> tuple[list[Seal], bool] | None:
    """The seals of one transaction, and whether it left something; what is committed meanwhile is the next wake-up's."""
    with transaction.atomic():
        crashpoint("seal.before_lock")
        if not _lock(program, waits=waits):
            return None
        crashpoint("seal.after_lock")
        batches, more = _waiting(program)
        if not batches:
            return [], False
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
        return stored, more


def _waiting(program: Program) -> tuple[list[IngestBatch], bool]:
    """The first batches that are not sealed, with EVENTS_AT_ONCE events at most or one alone, and whether there are others."""
    waiting = IngestBatch.objects.filter(program=program, seal__isnull=True).order_by("id")
    batches = list(waiting.only("id", "accepted_count", "root")[: BATCHES_AT_ONCE + 1])
    events = list(accumulate(batch.accepted_count for batch in batches[:BATCHES_AT_ONCE]))
    fitting = max(bisect_right(events, EVENTS_AT_ONCE), 1)
    return batches[:fitting], fitting < len(batches)


def _lock(program: Program, *, waits: bool) -> bool:
    """One sealer per program: whether it is this one. On SQLite the transaction itself is the lock."""
    if connection.vendor != "postgresql":
        return True
    function = "pg_advisory_xact_lock" if waits else "pg_try_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtext('activity_seal'), %s)", [program.pk])
        is_ours = cursor.fetchone()[0] is not False  # the one that waits says nothing
        # Sums in memory, and no compiled plans: making one takes longer than running it.
        cursor.execute("SET LOCAL work_mem = '64MB'; SET LOCAL jit = off")
    return is_ours


def _add_to_rollups(program: Program, batch_ids: Sequence[int]) -> None:
    ranges = " OR ".join(
        f"e.id BETWEEN {low * POSITIONS} AND {high * POSITIONS + POSITIONS - 1}" for low, high in runs(batch_ids)
    )
    # + 0: by the ids, whatever the planner believes of a table that it has not looked at lately; never by the program's time.
    condition = f"e.program_id + 0 = {int(program.pk)} AND ({ranges})"
    portion = read_portion(condition)
    groups, amounts = group_members(portion), add_amounts(portion)
    for table, counts in count_events(portion, groups).items():
        add_to_cells(program_id=program.pk, table=table, counts=counts, amounts=amounts[table])
        crashpoint("seal.after_cells")
        if table in groups:
            add_to_sets(program_id=program.pk, table=SETS[table], members=groups[table])
