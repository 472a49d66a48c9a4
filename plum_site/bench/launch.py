"""
A benchmark in a process of its own, on a durable PostgreSQL of its own, so that nothing else is touched or in its way.

The child is `manage.py bench NAME --here`: settings name the database before anything is imported, and the memory that
is measured is that of nothing but the benchmark.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings

from plum_site.local.door import door
from plum_site.local.servers import start_postgres


def run_apart(*, name: str, events: int, rounds: int, engine: str) -> dict[str, Any]:
    """The report of one benchmark; RuntimeError where the child ended without one. What it says goes to standard error."""
    with tempfile.TemporaryDirectory(prefix="plum-bench-", ignore_cleanup_errors=True) as scratch:
        Path(scratch).chmod(0o711)  # a PostgreSQL that runs as another user has to get through
        var = Path(scratch) / "var"
        var.mkdir(mode=0o700)
        environment = {**os.environ, "PLUM_VAR": str(var)}
        environment.pop("DATABASE_URL", None)
        stop = None
        if engine == "postgresql":
            environment["DATABASE_URL"], stop = start_postgres(Path(scratch), durable=True)
        try:
            _manage(environment, "migrate", "--verbosity", "0")
            text = _manage(
                environment, "bench", name, "--here", "--events", str(events), "--rounds", str(rounds), "--format", "json"
            )
        finally:
            if stop is not None:
                stop()
    report: dict[str, Any] = json.loads(text)
    return report


def _manage(environment: dict[str, str], *arguments: str) -> str:
    """One management command to its end; its standard output."""
    done = subprocess.run(
        [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *arguments],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        preexec_fn=door.die_with_parent(),
    )
    if not done.stdout.strip() and arguments[0] == "bench":
        raise RuntimeError(f"manage.py {' '.join(arguments)} ended with status {done.returncode}; what it said stands above.")
    if done.returncode and arguments[0] != "bench":
        raise RuntimeError(f"manage.py {arguments[0]} ended with status {done.returncode}; what it said stands above.")
    return done.stdout
