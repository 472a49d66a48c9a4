"""
Proving the ledger: every batch is hashed again from its rows and held against what was sealed.

Reads everything, writes nothing; what is wrong is named by place.
"""

from itertools import pairwise
from typing import NamedTuple

from django.db import connection

from activity.models import IngestBatch, LedgerPermit, Seal, VaultEntry
from activity.models.ledger import POSITIONS
from activity.rules import IncomingEvent, chain_hash, content_digest, unpack_members
from activity.services.anchors import Anchor, list_anchors
from activity.services.hashing import HashedBatch, Names, Row, hash_batches, instant_of
from activity.services.member_sets import SET_GRAINS, collect_members, list_sets, name_cell, sealed_windows
from activity.services.rollups import GRAINS, cell_columns, cells_sql
from activity.services.sealing import NO_CHAIN
from activity.services.vault import open_external_id
from partners.models import Program
from plum_site.lib import keys
from plum_site.lib.snapshot import snapshot

MOST_NAMED = 20  # places named per check; the count is of all


class Verdict(NamedTuple):
    """What one check looked at and what it found wrong, in the words of a person who must find the place."""

    name: str
    checked: int
    violations: list[str]


PROTECTED = ("activity_event", "activity_eventidentity", "activity_ingestbatch", "activity_seal", "activity_attributeset")


def verify_protection() -> list[Verdict]:
    """
    The triggers that refuse edits are in force on every table of the ledger and each of its partitions; no permit stands.

    Shape: one Verdict per check.
    Raises: nothing of its own.
    Writes: nothing.
    Source: docs/adr/0005-leaves-seals-anchors.md
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # A partition has the triggers of its table, under the same names.
            cursor.execute(
                "SELECT c.relname, t.tgname FROM pg_class c JOIN pg_trigger t ON t.tgrelid = c.oid "
                "WHERE t.tgenabled IN ('O', 'A') AND NOT t.tgisinternal"
            )
            verbs = ("edit", "truncate")
        else:
            cursor.execute("SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'")
            verbs = ("UPDATE", "DELETE")
        enabled = set(cursor.fetchall())
        tables = {table: table for table in PROTECTED}
        if connection.vendor == "postgresql":
            cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'activity_event'::regclass")
            tables |= {row[0]: "activity_event" for row in cursor.fetchall()}
    open_ = [
        f"rows of {table} can be changed: trigger {owner}_no_{verb} is missing or switched off"
        for table, owner in sorted(tables.items())
        for verb in verbs
        if not {(table, f"{owner}_no_{verb}"), (table, f"{table}_no_{verb}")} & enabled
    ]
    permits = [
        f"a permit of job {permit.job_id} stands since {permit.made_at:%Y-%m-%d %H:%M:%S}: {permit.reason}"
        for permit in LedgerPermit.objects.order_by("pk")
    ]
    return [Verdict("triggers refuse edits", len(tables) * len(verbs), open_), Verdict("no permit stands", len(permits), permits)]


def verify_ledger(*, program: Program) -> list[Verdict]:
    """
    Hash every event of a program again and compare batches, seals, chain, identities and the heads kept outside.

    Shape: one Verdict per check.
    Raises: nothing of its own.
    Writes: nothing.
    Source: docs/adr/0005-leaves-seals-anchors.md
    """
    anchors = list(list_anchors(program=program))  # before the view of the database, which then holds all of them
    with snapshot():
        batches = list(IngestBatch.objects.filter(program=program).order_by("id"))
        seals = list(Seal.objects.filter(program=program).order_by("number"))
        return [
            _verify_chain(seals, {batch.pk: batch for batch in batches}),
            _verify_batches(program, batches),
            _verify_identities(program),
            _verify_anchors(anchors, seals),
        ]


def _verify_chain(seals: list[Seal], batches: dict[int, IngestBatch]) -> Verdict:
    """Seals are dense from 1, each chained to the one before, each with the root its batch was written with."""
    wrong: list[str] = []
    chain, expected = NO_CHAIN, 1
    for seal in seals:
        batch = batches.get(seal.batch_id)
        if seal.number != expected:
            wrong.append(f"seal {expected} is missing: seal {seal.number} follows seal {expected - 1}")
        elif batch is None:
            wrong.append(f"seal {seal.number}: its batch {seal.batch_id} is missing")
        elif bytes(batch.root) != bytes(seal.root):
            wrong.append(f"seal {seal.number}: batch {seal.batch_id} carries another root than was sealed")
        elif chain_hash(chain, seal.number, seal.batch_id, batch.accepted_count, bytes(seal.root)) != bytes(seal.chain):
            wrong.append(f"seal {seal.number}: the chain breaks here; this seal, its batch or one before it was altered")
        chain, expected = bytes(seal.chain), seal.number + 1
    return Verdict("seals are dense and chained", len(seals), wrong)


def _verify_batches(program: Program, batches: list[IngestBatch]) -> Verdict:
    """Every batch's root, from its rows; a batch that differs is named, and in it the rows that are at fault where that shows."""
    names = Names(program)
    known = {batch.pk: batch for batch in batches}
    wrong: list[str] = []
    seen: set[int] = set()
    checked = 0
    for hashed in hash_batches(program, batches, names):
        batch_id, rows, root = hashed
        seen.add(batch_id)
        checked += len(rows)
        batch = known.get(batch_id)
        if batch is None:
            wrong.append(f"batch {batch_id}: {len(rows)} events lie in a batch that does not exist (first: event {rows[0][0]})")
        elif root != bytes(batch.root):
            wrong.append(_describe(program, hashed, names))
        elif len(rows) != batch.accepted_count:
            wrong.append(f"batch {batch_id}: it says that it accepted {batch.accepted_count} events, and holds {len(rows)}")
    for batch in batches:
        if batch.accepted_count and batch.pk not in seen:
            wrong.append(f"batch {batch.pk}: all of its {batch.accepted_count} events were deleted")
    return Verdict("events hash to their batch's root", checked, wrong)


def _describe(program: Program, hashed: HashedBatch, names: Names) -> str:
    """Which rows of a batch are at fault: missing, added, or saying something else than their identity remembers."""
    identities = _identities_of(program, hashed.batch_id)
    present = [row[0] for row in hashed.rows]
    faults = [f"event {row_id} was deleted" for row_id in sorted(identities.keys() - set(present))]
    faults += [f"event {row_id} was inserted" for row_id in sorted(set(present) - identities.keys())]
    faults += [f"event {row_id} stands there twice" for row_id, after in pairwise(present) if row_id == after]
    faults += [f"event {row[0]} was edited" for row in hashed.rows if _was_edited(program, row, names, identities.get(row[0]))]
    if not faults:
        faults = ["its rows were reordered, or edited in a field that only the batch's root covers"]
    return f"batch {hashed.batch_id}: " + "; ".join(faults[:MOST_NAMED])


def _identities_of(program: Program, batch_id: int) -> dict[int, bytes | None]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_id, content FROM activity_eventidentity WHERE program_id = %s AND event_id BETWEEN %s AND %s",
            [program.pk, batch_id * POSITIONS, batch_id * POSITIONS + POSITIONS - 1],
        )
        return {row_id: None if content is None else bytes(content) for row_id, content in cursor.fetchall()}


def _was_edited(program: Program, row: Row, names: Names, content: bytes | None) -> bool:
    entry = VaultEntry.objects.filter(member_id=row[2]).first() if content is not None else None
    if content is None or entry is None:
        return False
    occurred_at = instant_of(row)
    if occurred_at is None:
        return True
    event = IncomingEvent(
        event_id=row[3] or "",
        source=names.sources.get(row[4], ""),
        occurred_at=occurred_at,
        kind=row[8],
        status=row[9],
        member=open_external_id(program=program, entry=entry),
        offer=names.offers.get(row[11], ""),
        reason_code=row[10],
        spend_minor=row[14],
        spend_currency=row[15],
        reward_cost_minor=row[16],
        reward_cost_currency=row[17],
        transaction_ref=row[6],
        reverses=row[7],
        medium=row[18],
        position=row[19],
    )
    return content_digest(keys.program_key(program.uuid, "content"), event) != content


# No joins: events have no index by id, nor identities by event, and a plan that takes a table for empty would go through all of
# one for each row of the other. Identities below 0 are those of messages (activity.services.message_checks).
GONE = """
SELECT event_id FROM activity_eventidentity WHERE program_id = %(program)s AND event_id >= 0
EXCEPT SELECT id FROM activity_event WHERE program_id = %(program)s
"""
UNKNOWN = """
SELECT id FROM activity_event WHERE program_id = %(program)s
EXCEPT SELECT event_id FROM activity_eventidentity WHERE program_id = %(program)s
"""
TWICE = """
SELECT event_id FROM activity_eventidentity WHERE program_id = %(program)s AND event_id >= 0 GROUP BY event_id HAVING COUNT(*) > 1
"""
COUNTS = """
SELECT (SELECT COUNT(*) FROM activity_event WHERE program_id = %(program)s),
  (SELECT COUNT(*) FROM activity_eventidentity WHERE program_id = %(program)s AND event_id >= 0)
"""


def _verify_identities(program: Program) -> Verdict:
    """Each event has one identity and each identity one event: what is deleted or inserted with care still shows here."""
    with connection.cursor() as cursor:

        def read(sql: str) -> set[int]:
            cursor.execute(sql, {"program": program.pk})
            return {row[0] for row in cursor.fetchall()}

        cursor.execute(COUNTS, {"program": program.pk})
        events, identities = cursor.fetchone()
        gone, unknown = read(GONE), read(UNKNOWN)
        # Every identity beyond one for each event that is known, and one for each that is gone, repeats another one.
        twice = read(TWICE) if identities != events - len(unknown) + len(gone) else set()
    faults = [(row_id, "is known by its identity but is gone") for row_id in gone]
    faults += [(row_id, "has no identity: it did not come in through ingest") for row_id in unknown]
    faults += [(row_id, "has two identities") for row_id in twice]
    wrong = [f"event {row_id} (batch {row_id // POSITIONS}) {fault}" for row_id, fault in sorted(faults)]
    return Verdict("events and identities match one to one", events + len(gone), wrong)


def _verify_anchors(anchors: list[Anchor], seals: list[Seal]) -> Verdict:
    """Every head kept outside the database is still part of the ledger."""
    chains = {seal.number: bytes(seal.chain).hex() for seal in seals}
    last = seals[-1].number if seals else 0
    wrong: list[str] = []
    checked = 0
    for anchor in anchors:
        checked += 1
        if not anchor.is_genuine:
            wrong.append(f"line {anchor.line} of the anchor file is not a head signed with this installation's key")
        elif anchor.number > last:
            wrong.append(
                f"the ledger ends at seal {last}, but seal {anchor.number} was anchored: the tail was cut off after seal {last}"
            )
        elif chains.get(anchor.number) != anchor.chain:
            wrong.append(f"seal {anchor.number} is not the one that was anchored: the ledger was rewritten at or before it")
    return Verdict("anchored heads are in the ledger", checked, wrong)


def verify_rollups(*, program: Program) -> list[Verdict]:
    """
    Make every rollup cell and every set of members again from the sealed ledger and compare.

    Shape: one Verdict per rollup table.
    Raises: nothing of its own.
    Writes: nothing.
    Source: docs/adr/0008-rollup-cells.md, docs/adr/0011-member-sets.md
    """
    with snapshot():
        return [_verify_rollup(program, table) for table in GRAINS] + [_verify_sets(program, table) for table in SET_GRAINS]


def _verify_rollup(program: Program, table: str) -> Verdict:
    sealed = f"e.program_id = {int(program.pk)} AND EXISTS (SELECT 1 FROM activity_seal s WHERE s.batch_id = e.id / {POSITIONS})"
    *names, _count, _amount = cell_columns(table).split(", ")
    cell = ", ".join(names)
    wrong: list[str] = []
    with connection.cursor() as cursor:
        # Both sides in one heap, each cell looked at once: as many rows on either side, with the same sums.
        cursor.execute(
            f"SELECT {cell}, SUM(is_stored * event_count), SUM(is_stored * amount_minor), "
            "SUM((1 - is_stored) * event_count), SUM((1 - is_stored) * amount_minor) FROM ("
            f"SELECT 0 AS is_stored, ledger.* FROM ({cells_sql(table, sealed)}) AS ledger UNION ALL "
            f"SELECT 1, {cell_columns(table)} FROM {table} WHERE program_id = {int(program.pk)}) AS cells "
            f"GROUP BY {cell} HAVING SUM(1 - is_stored) <> 1 OR SUM(is_stored) <> 1 "
            "OR SUM((2 * is_stored - 1) * event_count) <> 0 OR SUM((2 * is_stored - 1) * amount_minor) <> 0"
        )
        for *values, has_count, has_amount, count, amount in sorted(cursor.fetchall(), key=str):
            named = zip(names, values, strict=True)
            where = ", ".join(f"{name} {value}" for name, value in named if name != "program_id" and value != "")
            wrong.append(
                f"{table} at {where}: {has_count} events and {has_amount} minor units, the ledger has {count} and {amount}"
            )
        cursor.execute(f"SELECT COUNT(*) FROM {table} WHERE program_id = {int(program.pk)}")
        checked = int(cursor.fetchone()[0])
    return Verdict(f"{table} equals the ledger", checked, wrong)


def _verify_sets(program: Program, table: str) -> Verdict:
    """A few days at a time, so that the members of a large ledger need not be held at once."""
    wrong: list[str] = []
    checked = 0
    for first, last, condition in sealed_windows(program.pk, "activity_daypartnerrollup", table):
        ledger = {cell: set(ids) for cell, ids in collect_members(table, condition)}
        stored = list_sets(table, program.pk, first, last)
        checked += len(ledger.keys() | stored.keys())
        for cell in sorted(ledger.keys() | stored.keys()):
            if fault := _set_fault(stored.get(cell), ledger.get(cell, set())):
                wrong.append(f"{table} at {name_cell(table, cell)}: {fault}")
    return Verdict(f"{table} equals the ledger", checked, wrong)


def _set_fault(stored: tuple[bytes, int] | None, ledger: set[int]) -> str:
    """What is wrong with one set; "" where it is right."""
    if stored is None:
        return f"no set, the ledger has {len(ledger)} members"
    packed, count = stored
    try:
        members = set(unpack_members(packed))
    except ValueError:
        return f"the set cannot be read, the ledger has {len(ledger)} members"
    if members != ledger:
        missing, foreign = len(ledger - members), len(members - ledger)
        return f"the set lacks {missing} and has {foreign} too many of the {len(ledger)} members in the ledger"
    return "" if count == len(members) else f"it says that it holds {count} members, and holds {len(members)}"
