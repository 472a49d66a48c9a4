"""`./plum doctor`: what Plum stands on, looked at one by one."""

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from plum_site.local.door import door
from plum_site.local.processes import running
from plum_site.local.services import free_port, port_owner


class Findings:
    """Prints each thing looked at as it is found, and counts."""

    def __init__(self) -> None:
        self.looked = self.problems = 0

    def note(self, name: str, fault: str, fine: str = "", remedy: str = "") -> None:
        """One line: a problem with its remedy if `fault` says anything, else what is fine."""
        self.looked += 1
        self.problems += bool(fault)
        line = f"  {'problem' if fault else 'ok     '}  {name}: {fault or fine}\n"
        sys.stdout.write(line + (f"           -> {remedy}\n" if fault and remedy else ""))
        sys.stdout.flush()


def doctor(options: argparse.Namespace) -> int:
    """Look at machine, environment, state folder and port, then ask Plum itself; 1 if there is a problem."""
    findings = Findings()
    free = shutil.disk_usage(door.ROOT).free // 2**20
    facts = f"Python {platform.python_version()}, glibc {platform.libc_ver()[1]}, {free} MB free"
    findings.note("machine", "; ".join(door.machine_problems("runtime")), facts)
    ready = door.environment_ready("runtime")
    fault = "" if ready else f"{door.VENV} is missing or not what requirements.lock says"
    findings.note("environment", fault, f"{door.VENV} matches the lock", "./plum setup")
    var = door.state_folder()
    look_at_rights(findings, var)
    web, owner = running(var, "web"), port_owner(options.port)
    fault = f"{options.port} is taken by {owner}" if owner and not web else ""
    findings.note("port", fault, f"in use by {web.url}" if web else f"{options.port} is free", f"./plum up --port {free_port()}")
    if ready:
        look_inside(findings, var)
    sys.stdout.write(f"{findings.looked} looked at, {findings.problems} with a problem.\n")
    return 1 if findings.problems else 0


def look_at_rights(findings: Findings, var: Path) -> None:
    """The state folder and the keys belong to this user and to nobody else."""
    private = [path for path in (var, var / "keys", *(var / "keys").glob("*")) if path.exists()]
    loose = [str(path) for path in private if path.stat().st_mode & 0o077]
    fault = f"readable by others: {', '.join(loose)}" if loose else ""
    findings.note("rights", fault, f"{var} and its keys are private", f"chmod go= {shlex.join(loose)}")
    foreign = [str(path) for path in private if path.stat().st_uid != os.geteuid()]
    fault = f"belongs to another user: {', '.join(foreign)}" if foreign else ""
    findings.note("owner", fault, "all of it is this user's", "run ./plum as that user, or set PLUM_VAR to a folder of your own")


def look_inside(findings: Findings, var: Path) -> None:
    """Database, broker, worker and beat, as `manage.py` sees them."""
    env, manage = door.environment(), [door.PYTHON, str(door.ROOT / "manage.py")]
    if not env.get("DATABASE_URL") and not (var / "plum.sqlite3").exists():
        findings.note("database", f"{var / 'plum.sqlite3'} does not exist yet", remedy="./plum up")
        return
    run = subprocess.run([*manage, "health", "--format", "json"], env=env, cwd=door.ROOT, capture_output=True, text=True)
    try:
        checks = json.loads(run.stdout)["checks"]
    except (ValueError, KeyError, TypeError):
        why = (run.stderr.strip().splitlines() or ["it gave no answer"])[-1]
        findings.note("health", why, remedy="./plum manage health shows all of it")
        return
    for item in checks:
        detail = str(item.get("detail") or "")
        findings.note(item["name"], "" if item["ok"] else detail or "not well", detail, item.get("remedy") or "./plum up")
