"""Several reads that must agree with each other: all of them see the database as it was at one moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.db import connection, transaction


@contextmanager
def snapshot(*, read_only: bool = True) -> Iterator[None]:
    """
    A view of one moment; inside a transaction that is open already, that one's view.

    read_only: False lets it make a temporary table, which a read-only transaction of PostgreSQL refuses.
    Blocks nobody: PostgreSQL reads at REPEATABLE READ, SQLite in a deferred transaction, which a writer does not wait for.
    """
    if connection.in_atomic_block:
        yield
        return
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ {'READ ONLY' if read_only else 'READ WRITE'}")
            yield
        return
    wrapper = cast(Any, connection)
    mode, wrapper.transaction_mode = wrapper.transaction_mode, "DEFERRED"
    try:
        with transaction.atomic():
            yield
    finally:
        wrapper.transaction_mode = mode
