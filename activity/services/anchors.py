"""
Signed heads of the ledger, kept outside the database: one line per sealing, under `var/anchors/`.

A ledger that is cut short, or rewritten from some point on, is consistent in itself; only a head from outside
shows it. Each line is JSON with the program, the seal number, the chain hash, the time and an Ed25519 signature.
"""

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from django.conf import settings

from activity.models import Seal
from partners.models import Program
from plum_site.lib import keys
from plum_site.lib.crashpoints import crashpoint


class Anchor(NamedTuple):
    """One head as it was written down; `is_genuine` is false where the signature does not fit."""

    line: int
    number: int
    chain: str
    is_genuine: bool


def anchor_file(program: Program) -> Path:
    """Where the heads of one program are kept."""
    return Path(settings.VAR) / "anchors" / f"{program.uuid}.jsonl"


def signed_head(*, program: Program, number: int, chain: bytes, at: datetime) -> dict[str, str | int]:
    """
    A head of the ledger that anyone with the public key can check.

    Raises: nothing of its own.
    Writes: nothing.
    """
    head: dict[str, str | int] = {"program": str(program.uuid), "number": number, "chain": chain.hex(), "at": at.isoformat()}
    return head | {"signature": keys.signing_key().sign(_signed_bytes(head)).hex()}


def write_anchor(*, program: Program, seal: Seal) -> None:
    """
    Append the head after one seal to the program's anchor file, synced to disk.

    Raises: OSError where the state folder cannot be written.
    Writes: var/anchors/.
    """
    path = anchor_file(program)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = json.dumps(signed_head(program=program, number=seal.number, chain=bytes(seal.chain), at=seal.sealed_at)) + "\n"
    with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="ascii") as file:
        file.write(line)
        file.flush()
        crashpoint("seal.before_anchor_is_synced")
        os.fsync(file.fileno())
    crashpoint("seal.after_anchor")


def list_anchors(*, program: Program) -> Iterator[Anchor]:
    """
    The heads written down for a program, oldest first; a line cut short by a crash counts as not genuine.

    Raises: nothing of its own.
    Writes: nothing.
    """
    path = anchor_file(program)
    if not path.exists():
        return
    public_key = keys.signing_key().public_key()
    with path.open(encoding="ascii", errors="replace") as file:
        for line, text in enumerate(file, start=1):
            try:
                head = json.loads(text)
                signature = bytes.fromhex(head.pop("signature"))
                public_key.verify(signature, _signed_bytes(head))
                yield Anchor(line, int(head["number"]), str(head["chain"]), head["program"] == str(program.uuid))
            except (ValueError, KeyError, AttributeError, TypeError, InvalidSignature):
                yield Anchor(line, 0, "", False)


def _signed_bytes(head: dict[str, str | int]) -> bytes:
    return json.dumps(head, sort_keys=True, separators=(",", ":")).encode()
