"""
Putting the database back after a test that really commits.

The template is a copy of the freshly migrated database, made before the first such test and copied back after each:
a file on SQLite, a template database on PostgreSQL. Append-only triggers refuse the flush that Django would do.
"""

import os
import shutil
from pathlib import Path

from django.db import connection, connections

from activity.services import partitions

_made: list[str] = []


def make() -> None:
    """Copy the present database, once per run; it must be as migrations left it."""
    if _made:
        return
    name = str(connection.settings_dict["NAME"])
    template = f"{name}_template"
    connections.close_all()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connections.close_all()
        shutil.copyfile(name, template)
    else:
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{template}"')
            cursor.execute(f'CREATE DATABASE "{template}" TEMPLATE "{name}"')
    _made.append(template)


def restore() -> None:
    """Bring the template back in place of the database, whoever is still connected to it."""
    name = str(connection.settings_dict["NAME"])
    template = _made[0]
    connections.close_all()
    if connection.vendor == "sqlite":
        shutil.copyfile(template, f"{name}.new")
        for suffix in ("-wal", "-shm"):
            Path(name + suffix).unlink(missing_ok=True)
        os.replace(f"{name}.new", name)
    else:
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    partitions._known.clear()  # those that the test made are gone


def drop() -> None:
    """Remove the template, if there is one."""
    while _made:
        template = _made.pop()
        if connection.vendor == "sqlite":
            Path(template).unlink(missing_ok=True)
        else:
            with connection._nodb_cursor() as cursor:
                cursor.execute(f'DROP DATABASE IF EXISTS "{template}"')
