"""How many connections to the database this installation may open, and whether the server has room for them."""

from dataclasses import dataclass

from django.conf import settings
from django.db import connection

COMMANDS = 8  # room for people and schedules that run manage.py beside it; a load of four processes has six
NAMES = "PLUM_WEB_PROCESSES, PLUM_WEB_THREADS, PLUM_WORKER_PROCESSES, PLUM_MACHINES"


@dataclass(frozen=True)
class Room:
    """
    Connections of the server. at_most: what this installation may open; open_now: what is open to its database;
    elsewhere: what others hold of the same server; limit: what the server lets ordinary users open in all.
    """

    at_most: int
    open_now: int
    elsewhere: int
    limit: int

    @property
    def fits(self) -> bool:
        """Whether every part can be busy at once and still gets its connection."""
        return self.at_most + self.elsewhere <= self.limit


def count_at_most() -> int:
    """
    Connections, if every part is busy at once: each thread of the web part has one, each job and the renewal of its lease,
    the worker itself, and beat.
    """
    web = settings.WEB_PROCESSES * settings.WEB_THREADS
    worker = settings.WORKER_PROCESSES * 2 + 1
    return settings.MACHINES * (web + worker) + 1 + COMMANDS


def find_room() -> Room | None:
    """What the server says; None on SQLite, where a connection is an open file."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE datname = current_database()), count(*) FILTER (WHERE datname <> current_database()), "
            "(SELECT sum(CASE name WHEN 'max_connections' THEN setting::int ELSE -setting::int END) FROM pg_settings "
            "WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')) "
            "FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
        open_now, elsewhere, limit = cursor.fetchone()
    return Room(count_at_most(), open_now, elsewhere, limit)
