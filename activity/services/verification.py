"""
Proving the ledger: every batch is hashed again from its rows and held against what was sealed.

Reads everything, writes nothing; what is wrong is named by place.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db import connection

from activity.models import AttributeSet, Event, EventIdentity, EventSource, IngestBatch, Member, Seal, VaultEntry
from activity.models.ledger import POSITIONS
from activity.rules import (
    IncomingEvent,
    business_half,
    chain_hash,
    content_digest,
    identity_half,
    leaf_hash,
    tree_root,
    unpack_members,
)
from activity.services.anchors import Anchor, list_anchors
from activity.services.member_sets import SET_GRAINS, collect_members, list_sets, name_cell, sealed_windows
from activity.services.people import canonical_values
from activity.services.rollups import GRAINS, cell_columns, cells_sql
from activity.services.sealing import NO_CHAIN
from activity.services.vault import open_external_id
from offers.models import Offer
from partners.models import Program
from plum_site.lib import keys
from plum_site.lib.snapshot import snapshot

NO_ROW = 1 << 63  # larger than any row id: the end of a stream
MOST_NAMED = 20  # places named per check; the count is of all


class Verdict(NamedTuple):
    """What one check looked at and what it found wrong, in the words of a person who must find the place."""

    name: str
    checked: int
    violations: list[str]


class _Names:
    """Row ids of one program as the outside knows them: what the leaves are made from."""

    def __init__(self, program: Program) -> None:
        self.offers = dict(Offer.objects.filter(program=program).values_list("pk", "external_id"))
        self.sources = dict(EventSource.objects.filter(program=program).values_list("pk", "code"))
        self.members = {pk: bytes(key) for pk, key in Member.objects.filter(program=program).values_list("pk", "key")}
        self.sets = {row.pk: canonical_values(row.values) for row in AttributeSet.objects.filter(program=program)}


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
    names = _Names(program)
    known = {batch.pk: batch for batch in batches}
    wrong: list[str] = []
    seen: set[int] = set()
    checked = 0
    for batch_id, rows in _events_by_batch(program):
        seen.add(batch_id)
        checked += len(rows)
        batch = known.get(batch_id)
        if batch is None:
            wrong.append(f"batch {batch_id}: {len(rows)} events lie in a batch that does not exist (first: event {rows[0][0]})")
        elif tree_root([_leaf(row, names) for row in rows]) != bytes(batch.root):
            wrong.append(_describe(program, batch, rows, names))
    for batch in batches:
        if batch.accepted_count and batch.pk not in seen:
            wrong.append(f"batch {batch.pk}: all of its {batch.accepted_count} events were deleted")
    return Verdict("events hash to their batch's root", checked, wrong)


COLUMNS = (
    "id",
    "nonce",
    "member_id",
    "event_key",
    "source_id",
    "occurred_at",
    "transaction_ref",
    "reverses",
    "kind",
    "status",
    "reason_code",
    "offer_id",
    "local_date",
    "attribute_set_id",
    "spend_minor",
    "spend_currency",
    "reward_cost_minor",
    "reward_cost_currency",
    "medium",
    "position",
    "identity_hash",
)


def _events_by_batch(program: Program) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    rows = Event.objects.filter(program=program).order_by("id").values_list(*COLUMNS)
    batch_id = -1
    members: list[tuple[Any, ...]] = []
    for row in rows.iterator(chunk_size=POSITIONS):
        if row[0] // POSITIONS != batch_id:
            if members:
                yield batch_id, members
            batch_id, members = row[0] // POSITIONS, []
        members.append(row)
    if members:
        yield batch_id, members


def _leaf(row: tuple[Any, ...], names: _Names) -> bytes:
    nonce = bytes(row[1])
    # A kept hash stands for fields that were blanked; where they are filled, they are what is hashed.
    is_erased = row[20] is not None and row[2] is None and row[3] is None
    identity = row[20] if is_erased else _identity(row, nonce, names)
    business = business_half(
        nonce,
        row[8],
        row[9],
        row[10],
        names.offers.get(row[11], ""),
        row[12].isoformat(),
        names.sets.get(row[13], ""),
        *row[14:20],
    )
    return leaf_hash(bytes(identity), business)


def _identity(row: tuple[Any, ...], nonce: bytes, names: _Names) -> bytes:
    return identity_half(
        nonce, names.members.get(row[2], b""), row[3] or "", names.sources.get(row[4], ""), row[5], row[6], row[7]
    )


def _describe(program: Program, batch: IngestBatch, rows: list[tuple[Any, ...]], names: _Names) -> str:
    """Which rows of a batch are at fault: missing, added, or saying something else than their identity remembers."""
    identities = _identities_of(program, batch.pk)
    present = {row[0] for row in rows}
    faults = [f"event {row_id} was deleted" for row_id in sorted(identities.keys() - present)]
    faults += [f"event {row_id} was inserted" for row_id in sorted(present - identities.keys())]
    faults += [f"event {row[0]} was edited" for row in rows if _was_edited(program, row, names, identities.get(row[0]))]
    if not faults:
        faults = ["its rows were reordered, or edited in a field that only the batch's root covers"]
    return f"batch {batch.pk}: " + "; ".join(faults[:MOST_NAMED])


def _identities_of(program: Program, batch_id: int) -> dict[int, bytes | None]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_id, content FROM activity_eventidentity WHERE program_id = %s AND event_id BETWEEN %s AND %s",
            [program.pk, batch_id * POSITIONS, batch_id * POSITIONS + POSITIONS - 1],
        )
        return {row_id: None if content is None else bytes(content) for row_id, content in cursor.fetchall()}


def _was_edited(program: Program, row: tuple[Any, ...], names: _Names, content: bytes | None) -> bool:
    entry = VaultEntry.objects.filter(member_id=row[2]).first() if content is not None else None
    if content is None or entry is None:
        return False
    event = IncomingEvent(
        event_id=row[3] or "",
        source=names.sources.get(row[4], ""),
        occurred_at=row[5],
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


def _verify_identities(program: Program) -> Verdict:
    """Each event has one identity and each identity one event: what is deleted or inserted with care still shows here."""
    # Below 0 are those of messages (activity.services.message_checks).
    own = EventIdentity.objects.filter(program_id=program.pk, event_id__gte=0)
    known = own.order_by("event_id").values_list("event_id", flat=True)
    stored = Event.objects.filter(program=program).order_by("id").values_list("id", flat=True)
    # Two sorted streams, compared as one merges them: the ledger is too large for a set, and identities have no index by event.
    identities, events = known.iterator(chunk_size=POSITIONS), stored.iterator(chunk_size=POSITIONS)
    wrong: list[str] = []
    checked, previous = 0, -1
    identity, event = next(identities, NO_ROW), next(events, NO_ROW)
    while min(identity, event) != NO_ROW:
        checked += 1
        if identity == previous:
            wrong.append(f"event {identity} (batch {identity // POSITIONS}) has two identities")
            identity = next(identities, NO_ROW)
        elif identity < event:
            wrong.append(f"event {identity} (batch {identity // POSITIONS}) is known by its identity but is gone")
            previous, identity = identity, next(identities, NO_ROW)
        elif event < identity:
            wrong.append(f"event {event} (batch {event // POSITIONS}) has no identity: it did not come in through ingest")
            event = next(events, NO_ROW)
        else:
            previous, identity, event = identity, next(identities, NO_ROW), next(events, NO_ROW)
    return Verdict("events and identities match one to one", checked, wrong)


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
    columns = cell_columns(table)
    ledger, stored = cells_sql(table, sealed), f"SELECT {columns} FROM {table} WHERE program_id = {int(program.pk)}"
    differing: dict[tuple[Any, ...], dict[str, tuple[Any, ...]]] = defaultdict(dict)
    with connection.cursor() as cursor:
        for side, first, second in (("ledger", ledger, stored), ("rollup", stored, ledger)):
            cursor.execute(f"SELECT * FROM ({first}) AS a EXCEPT SELECT * FROM ({second}) AS b")
            for row in cursor.fetchall():
                differing[tuple(row[:-2])][side] = tuple(row[-2:])
        cursor.execute(f"SELECT COUNT(*) FROM {table} WHERE program_id = {int(program.pk)}")
        checked = int(cursor.fetchone()[0])
    names = columns.split(", ")
    wrong = []
    for cell, sides in sorted(differing.items(), key=str):
        where = ", ".join(
            f"{name} {value}" for name, value in zip(names, cell, strict=False) if name != "program_id" and value != ""
        )
        count, amount = sides.get("ledger", (0, 0))
        has_count, has_amount = sides.get("rollup", (0, 0))
        wrong.append(f"{table} at {where}: {has_count} events and {has_amount} minor units, the ledger has {count} and {amount}")
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
