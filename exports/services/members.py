"""What stands in the column `member`: the pseudonym of this export, or the outside id from the vault."""

import hmac
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection

from activity.models import VaultEntry
from activity.services import open_external_id
from exports.models import Export
from exports.selectors.rows import MEMBERS, Selection, members_statement
from plum_site.lib import keys

AT_ONCE = 2000
TOKEN_BYTES = 16
BLOCK = 64  # of SHA-256, as HMAC pads its key


def pseudonym_of(export: Export, member_key: bytes) -> str:
    """
    The pseudonym of a member in one export: the same throughout it, another one in every other export.

    Raises: nothing of its own.
    Writes: nothing.
    """
    return hmac.digest(_export_key(export), member_key, "sha256")[:TOKEN_BYTES].hex()


def prepare_members(*, export: Export, selection: Selection, still_here: Callable[[], None]) -> None:
    """
    Fill the temporary table that the rows take their member from; it goes with the connection.

    Raises: cryptography's InvalidTag, if the master key is not the one that outside ids were sealed with.
    Writes: a temporary table.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {MEMBERS}")
        cursor.execute(f"CREATE TEMPORARY TABLE {MEMBERS} (id bigint PRIMARY KEY, token text)")
        if export.is_identified:
            sql, params = members_statement(selection)
            cursor.execute(f"INSERT INTO {MEMBERS} (id) {sql}", params)
            for rows in _outside_ids(export):
                cursor.executemany(f"UPDATE {MEMBERS} SET token = %s WHERE id = %s", rows)
                still_here()
        else:
            _insert_pseudonyms(cursor, export)
        if connection.vendor == "postgresql":
            cursor.execute(f"ANALYZE {MEMBERS}")


def forget_members() -> None:
    """
    Remove the temporary table.

    Raises: nothing of its own.
    Writes: a temporary table.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {MEMBERS}")


def _insert_pseudonyms(cursor: Any, export: Export) -> None:
    """One statement over all members of the program: on PostgreSQL HMAC put together from sha256, which it has."""
    key = _export_key(export)
    source = "FROM activity_member WHERE program_id = %s"
    if connection.vendor == "postgresql":
        padded = key.ljust(BLOCK, b"\x00")
        outer, inner = bytes(byte ^ 0x5C for byte in padded), bytes(byte ^ 0x36 for byte in padded)
        hashed = "encode(substring(sha256(%s::bytea || sha256(%s::bytea || key)) FOR 16), 'hex')"
        cursor.execute(f"INSERT INTO {MEMBERS} (id, token) SELECT id, {hashed} {source}", [outer, inner, export.program_id])
        return
    connection.connection.create_function(
        "plum_pseudonym", 1, lambda member_key: hmac.digest(key, member_key, "sha256")[:TOKEN_BYTES].hex(), deterministic=True
    )
    cursor.execute(f"INSERT INTO {MEMBERS} (id, token) SELECT id, plum_pseudonym(key) {source}", [export.program_id])


def _outside_ids(export: Export) -> Iterator[list[tuple[str, int]]]:
    """The outside ids of the members in the temporary table, some at a time; whoever was erased has none."""
    after = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT id FROM {MEMBERS} WHERE id > %s ORDER BY id LIMIT %s", [after, AT_ONCE])
            ids = [row[0] for row in cursor.fetchall()]
        if not ids:
            return
        after = ids[-1]
        entries = VaultEntry.objects.filter(program_id=export.program_id, member_id__in=ids)
        yield [(open_external_id(program=export.program, entry=entry), entry.member_id) for entry in entries]


def _export_key(export: Export) -> bytes:
    return keys.derive("export-members", export.program.uuid.bytes + export.uuid.bytes)
