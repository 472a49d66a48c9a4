"""kill -9 in the middle of an export: nothing half-written can be taken, and the next attempt writes every row."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.lab import ROOT, Lab, wait_for
from tests.faults.load import PROGRAM, load_arguments, make_events, make_folder

pytestmark = pytest.mark.faults
EVENTS = 40_000
ASK = """
import django; django.setup()
from datetime import date
from partners.models import Program
from plum_site.lib.clock import now
from exports.services import request_export
program = Program.objects.get(code="kills")
period = {"starts_date": date(2015, 1, 1), "ends_date": date(2031, 1, 1)}
export = request_export(program_id=program.pk, **period, format="csv", filters={}, actor="system", at=now())
print(export.uuid)
"""


def test_a_killed_worker_leaves_nothing_half_and_the_next_one_writes_all(lab: Lab, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "load", list(make_events(EVENTS)))
    assert lab.manage_json(*load_arguments(folder, "calm"))["events"]["accepted"] == EVENTS
    asked = subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, env=lab.environment, capture_output=True, text=True, check=True)
    uuid = asked.stdout.strip()
    root = lab.var / "media" / "exports"
    package = root / PROGRAM / "events" / uuid
    lab.start_broker()
    lab.start_worker()
    lab.start_beat()

    wait_for(lambda: bool(list(root.glob(f".part/{uuid}-1/data/*.csv"))), lambda: lab.log("worker")[-2000:], 60)
    lab.kill("worker")

    is_half = not package.exists()
    assert is_half, "it was written before the kill: more events are needed"
    assert lab.query("SELECT state, attempt, package FROM exports_export") == [("running", 1, "")]
    assert not list(root.glob(".part/*/datapackage.json"))
    lab.start_worker()
    began = time.monotonic()
    wait_for(lambda: lab.query("SELECT state FROM exports_export") == [("ready",)], lambda: lab.log("worker")[-2000:], 120)

    assert lab.query("SELECT attempt, rows FROM exports_export") == [(2, EVENTS)], time.monotonic() - began
    assert lab.manage_json("export", "verify", str(package))["rows"] == EVENTS
    assert not list(root.glob(".part/*"))
    manifest = json.loads((package / "datapackage.json").read_text(encoding="utf-8"))
    assert manifest["plum"]["rows"] == EVENTS
