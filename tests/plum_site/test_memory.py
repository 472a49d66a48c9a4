"""What is loaded is left out of garbage collection in every process that lives long or works much."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

MODULES = 100_000  # objects that a loaded Plum has at least
COUNT = "import gc; print(gc.get_freeze_count())"


@pytest.mark.parametrize(
    "loads",
    [
        "import plum_site.wsgi",
        "import django; from celery import signals; import plum_site.celery; django.setup(); signals.worker_init.send(None)",
        "from django.core.management import execute_from_command_line as run; import contextlib\n"
        "with contextlib.suppress(SystemExit): run(['manage.py', 'load_program', '--help'])\n",
    ],
    ids=["web", "worker", "command"],
)
def test_it_is_left_out(loads: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{loads}\n{COUNT}"], capture_output=True, text=True, check=True, env=os.environ
    )
    assert int(done.stdout.splitlines()[-1]) > MODULES
