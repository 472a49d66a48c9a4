"""The comparison after a fault: what clients hold acknowledged against what the ledger holds, and the ledger against a twin."""

import json
import subprocess
import sys
from typing import Any

from tests.faults.clients import read_acknowledged
from tests.faults.figures import Figures
from tests.faults.lab import ROOT, Lab, wait_for

STORED = (
    "SELECT s.code, e.event_key, COUNT(*) FROM activity_event e JOIN activity_eventsource s ON s.id = e.source_id "
    "GROUP BY s.code, e.event_key"
)
UNSEALED = "SELECT COUNT(*) FROM activity_ingestbatch b LEFT JOIN activity_seal s ON s.batch_id = b.id WHERE s.id IS NULL"
PREPARE = "import django; django.setup(); from tests.faults import {0}; {0}."


def call(lab: Lab, function: str, *values: object, module: str = "stock") -> str:
    """Run one function of a module of tests.faults in a process of the lab; what it prints."""
    code = f"{PREPARE.format(module)}{function}({', '.join(map(repr, values))})"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=lab.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def call_at_once(lab: Lab, function: str, *values: object, module: str, processes: int = 2) -> list[str]:
    """
    Run one function in several processes that begin at the same time, for which it waits with `dying.wait_to_begin`; what each
    printed afterwards.
    """
    command = [sys.executable, "-c", f"{PREPARE.format(module)}{function}({', '.join(map(repr, values))})"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(command, cwd=ROOT, env=lab.environment, **pipes) for _ in range(processes)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n", worker.communicate()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate(timeout=180) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * processes, said
    return [printed.strip() for printed, _ in said]


def digest(lab: Lab) -> dict[str, str]:
    """Hashes of what the ledger of a lab holds."""
    found: dict[str, str] = json.loads(call(lab, "digest"))
    return found


def seal(lab: Lab, seconds: float = 60) -> None:
    """Wait until the worker has sealed everything."""
    wait_for(lambda: lab.count(UNSEALED) == 0, lambda: f"the sealer: {lab.log('worker')[-2000:]}", seconds)


def check(lab: Lab, twin: Lab, figures: Figures, *, allowed: frozenset[str] = frozenset()) -> None:
    """
    Nothing acknowledged is missing, nothing is stored twice, everything verifies, and a twin that was left in peace,
    given what this ledger holds, comes to the same events, rollups and figures. `allowed`: sources that kept no file.
    """
    acknowledged = read_acknowledged(lab)
    stored = {(source, event_id): count for source, event_id, count in lab.query(STORED)}
    lost = acknowledged.keys() - stored.keys()
    doubled = {key: count for key, count in stored.items() if count > 1}
    surplus = {key for key in stored.keys() - acknowledged.keys() if key[0] not in allowed}
    figures.report(acknowledged=len(acknowledged), lost=len(lost), doubled=len(doubled))
    assert (sorted(lost)[:5], doubled) == ([], {})
    assert surplus == set(), "every request was repeated until it was acknowledged"
    assert lab.count("SELECT COUNT(*) FROM activity_eventidentity") == len(stored)
    seal(lab)
    verify(lab)
    if not allowed:
        assert digest(lab) == replayed(twin, list(acknowledged.values()))


def verify(lab: Lab) -> None:
    """`verify all` finds nothing."""
    done = lab.manage("verify", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def replayed(twin: Lab, events: list[dict[str, Any]]) -> dict[str, str]:
    """The digest of a lab in which only these events were ever recorded, without a fault."""
    file = twin.folder / "events"
    file.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    call(twin, "replay", str(file))
    return digest(twin)
