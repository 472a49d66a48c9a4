"""A backup as docs/operations/backup.md says: consistent while Plum runs, and what it lacks is named after a restore."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, connections

from activity.models import Event
from activity.services import anchors, seal_ledger
from plum_site.lib import verify
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record


def command_of(document: Path) -> str:
    """The Python of the document's line for SQLite."""
    [line] = [line for line in document.read_text().splitlines() if line.strip().startswith(".venv/bin/python -c")]
    return shlex.split(line)[2]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(settings.DATABASES["default"]["ENGINE"].endswith("postgresql"), reason="pg_dump is PostgreSQL's own")
def test_what_a_restored_backup_lacks_is_named(checkout: Path, tmp_path: Path) -> None:
    program = make_stocked_program()
    live, copy = Path(connection.settings_dict["NAME"]), tmp_path / "plum-backup.sqlite3"
    record(program, [event(1), event(2)])
    seal_ledger(program_id=program.pk, at=RECORDED_AT)

    code = command_of(checkout / "docs/operations/backup.md")
    code = code.replace("'var/plum.sqlite3'", repr(str(live))).replace("'plum-backup.sqlite3'", repr(str(copy)))
    subprocess.run([sys.executable, "-c", code], check=True)
    record(program, [event(3)])
    seal_ledger(program_id=program.pk, at=RECORDED_AT)
    assert Event.objects.count() == 3

    connections.close_all()
    for suffix in ("-wal", "-shm"):
        Path(f"{live}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(copy, live)

    assert Event.objects.count() == 2
    lines = [line for found in verify.run("ledger") for line in found.violations]
    assert len(lines) == 1
    assert "seal 1, but seal 2 was anchored" in lines[0]

    anchors.anchor_file(program).rename(tmp_path / "before-restore.jsonl")
    assert record(program, [event(1), event(2), event(3)]).accepted == 1
    seal_ledger(program_id=program.pk, at=RECORDED_AT)
    assert [line for found in verify.run("ledger") for line in found.violations] == []
