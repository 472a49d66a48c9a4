"""
What somebody with the database in hand can do to a program, past every trigger; `tests/support/mutations.py` says what they do.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection

from activity.models import Event, IngestBatch, Seal
from activity.models.ledger import POSITIONS
from activity.rules import chain_hash, pack_members
from activity.services import hashing
from activity.services.anchors import _signed_bytes, anchor_file
from exports.models import Export
from exports.services.places import package_folder
from partners.models import Program
from reviews.models import ReviewCycle


@dataclass
class World:
    """One program with three sealed batches of three events, a closed review of June and an export of it; and another program."""

    program: Program
    other: Program
    export: Export
    cycle: ReviewCycle
    names: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        batches = list(IngestBatch.objects.filter(program=self.program).order_by("pk").values_list("pk", flat=True))
        rows = list(Event.objects.filter(program=self.program).order_by("id").values_list("id", flat=True))
        self.names |= {
            "program": self.program.pk, "other": self.other.pk, "cycle": self.cycle.pk, "export": self.export.pk,
            "uuid": self.export.uuid, "first_batch": batches[0], "batch": batches[1], "last_batch": batches[2],
            "first": rows[0], "before": rows[3], "row": rows[4], "after": rows[5], "last": rows[8],
            "free": batches[1] * POSITIONS + 100, "nowhere": 999 * POSITIONS, "low": batches[1] * POSITIONS,
            "high": batches[1] * POSITIONS + POSITIONS - 1, "tail": batches[2] * POSITIONS,
            "stranger": IngestBatch.objects.get(program=self.other).pk * POSITIONS + 100,
            "stranger_batch": IngestBatch.objects.get(program=self.other).pk,
        }  # fmt: skip

    def say(self, text: str) -> str:
        """A statement, or the words that are expected, with the names of this world."""
        return text.format(**self.names)


Act = str | list[str] | Callable[[World], None]


@dataclass(frozen=True)
class Mutation:
    """What is done, in SQL or by hand; the area of `verify` that finds it, and words of the sentence that names the place."""

    what: str
    act: Act
    area: str
    place: str


def do(world: World, act: Act) -> None:
    """Carry one mutation out with every trigger out of the way; fails where it changes nothing."""
    if callable(act):
        act(world)
        return
    for statement in [act] if isinstance(act, str) else act:
        run(world.say(statement))


def run(statement: str) -> None:
    """One statement that must change something."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        assert cursor.rowcount != 0, statement


def let_through() -> None:
    """Switch every trigger off until the end of the transaction, as a superuser can."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL session_replication_role = replica")
            return
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TRIGGER {name}")


def rewrite_history(world: World) -> None:
    """An amount changed with its batch's root, and every seal from there on made again: consistent in itself."""
    run(world.say("UPDATE activity_event SET spend_minor = spend_minor + 1 WHERE id = {row}"))
    names = hashing.Names(world.program)
    batches = list(IngestBatch.objects.filter(program=world.program).order_by("id"))
    roots = {each.batch_id: each.root for each in hashing.hash_batches(world.program, batches, names)}
    chain = bytes(32)
    for seal in Seal.objects.filter(program=world.program).order_by("number").select_related("batch"):
        root = roots[seal.batch_id]
        assert root is not None
        chain = chain_hash(chain, seal.number, seal.batch_id, seal.batch.accepted_count, root)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE activity_ingestbatch SET root = %s WHERE id = %s", [root, seal.batch_id])
            cursor.execute("UPDATE activity_seal SET root = %s, chain = %s WHERE id = %s", [root, chain, seal.pk])


def edit_anchor(change: Callable[[list[str]], list[str]]) -> Callable[[World], None]:
    """The anchor file of the program, its lines changed."""

    def act(world: World) -> None:
        path = anchor_file(world.program)
        path.write_text("".join(line + "\n" for line in change(path.read_text().splitlines())))

    return act


def sign_with_another_key(lines: list[str]) -> list[str]:
    head = json.loads(lines[1])
    del head["signature"]
    head["signature"] = Ed25519PrivateKey.generate().sign(_signed_bytes(head)).hex()
    return [lines[0], json.dumps(head), *lines[2:]]


def edit_file(name: str, change: Callable[[bytes], bytes] | None) -> Callable[[World], None]:
    """A file of the export, changed; None removes it."""

    def act(world: World) -> None:
        [path] = package_folder(world.export).glob(name)
        if change is None:
            path.unlink()
        else:
            path.write_bytes(change(path.read_bytes()))

    return act


def set_bytes(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE activity_daypartnermembers SET members = %s WHERE program_id = %s AND kind = 5",
            [pack_members([10**6]), world.program.pk],
        )
        assert cursor.rowcount == 1


def disable_trigger(table: str) -> Callable[[World], None]:
    """The protection of a table taken away and not put back."""

    def act(world: World) -> None:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {table}_no_edit")
            else:
                cursor.execute(f"DROP TRIGGER IF EXISTS {table}_no_UPDATE")

    return act
