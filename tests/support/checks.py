"""`./plum check` and `./plum fix`: what machines can say of the code without running it."""

import os
import secrets
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from plum_site.local.door import door

ROOT: Path = door.ROOT
MANAGE = [sys.executable, "manage.py"]
RUFF = [sys.executable, "-m", "ruff"]
SHOWN_LINES = 80
SOURCES = [".", "plum"]  # the front door has no .py, so that it must be named
LINT_IMPORTS = (
    "import sys; from importlinter.cli import lint_imports_command; sys.argv[0] = 'lint-imports'; lint_imports_command()"
)


@dataclass
class Check:
    """One command that says yes or no. `environment` adds to the variables that all checks have."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen | None = None
    output: IO[bytes] | None = None
    began: float = 0.0
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether it said no."""
        return bool(self.process and self.process.returncode)

    def short(self) -> list[str]:
        """The command as a person would type it behind .venv/bin/."""
        return ["python", *self.command[1:]]

    def words(self) -> str:
        """What it printed."""
        assert self.output
        self.output.seek(0)
        return self.output.read().decode("utf-8", "replace").rstrip()


def template_folders() -> list[str]:
    """The template folders that hold a page."""
    return [str(folder.relative_to(ROOT)) for folder in sorted(ROOT.glob("*/templates")) if any(folder.rglob("*.html"))]


def production() -> dict[str, str]:
    """A throw-away production, complete enough to be checked; nothing in it exists."""
    return {
        "DJANGO_SETTINGS_MODULE": "plum_site.settings.prod",
        "DATABASE_URL": "postgres://plum@127.0.0.1/plum",
        "REDIS_URL": "redis://127.0.0.1:6379/0",
        "PLUM_BASE_URL": "https://plum.example.org",
        "PLUM_SMTP_HOST": "smtp.example.org",
        "PLUM_MAIL_FROM": "Plum <plum@example.org>",
        "PLUM_SECRET_KEY": secrets.token_urlsafe(64),
        "PLUM_MASTER_KEY": secrets.token_hex(32),
    }


def all_checks(*, architecture: bool) -> list[Check]:
    """Every check that has something to look at; architecture: also the tests of the code's own rules."""
    checks = [
        Check("types", [sys.executable, "-m", "mypy"]),
        Check("lint", [*RUFF, "check", "--output-format", "concise", *SOURCES]),
        Check("format", [*RUFF, "format", "--check", *SOURCES]),
        Check("import contracts", [sys.executable, "-c", LINT_IMPORTS]),
        Check("migrations made", [*MANAGE, "makemigrations", "--check", "--dry-run"]),
        Check("deployment", [*MANAGE, "check", "--deploy", "--fail-level", "WARNING"], production()),
    ]
    if any("django_migration_linter" in path.read_text(encoding="utf-8") for path in (ROOT / "plum_site/settings").glob("*.py")):
        checks.append(Check("migrations safe", [*MANAGE, "lintmigrations"]))
    folders = template_folders()
    if folders:
        checks.append(Check("template lint", [sys.executable, "-m", "djlint", "--lint", "--quiet", *folders]))
        checks.append(Check("template format", [sys.executable, "-m", "djlint", "--check", "--quiet", *folders]))
    if architecture and (ROOT / "tests/architecture").is_dir():
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:valkey", "-p", "no:cacheprovider", "tests/architecture"]
        checks.append(Check("architecture", command, {"DJANGO_SETTINGS_MODULE": "plum_site.settings.test"}))
    return checks


def run_checks(*, architecture: bool) -> tuple[int, int]:
    """Run all checks, as many at once as there are cores; print a table and what the failed ones said. (passed, failed)."""
    checks = all_checks(architecture=architecture)
    with tempfile.TemporaryDirectory(prefix="plum-check-") as scratch:
        shared = {**os.environ, "PLUM_VAR": scratch, "DJANGO_SETTINGS_MODULE": "plum_site.settings.dev", "PYTHONUNBUFFERED": "1"}
        for name in ("DATABASE_URL", "REDIS_URL"):
            shared.pop(name, None)
        waiting, active = list(checks), []
        while waiting or active:
            while waiting and len(active) < (os.cpu_count() or 1):
                active.append(start(waiting.pop(0), shared))
            for check in [check for check in active if check.process and check.process.poll() is not None]:
                check.seconds = time.monotonic() - check.began
                active.remove(check)
            time.sleep(0.05)
        rows = [("check", "result", "seconds")]
        rows += [(check.name, "failed" if check.failed else "ok", f"{check.seconds:.1f}") for check in checks]
        print("\n".join(door.table(rows)))
        for check in checks:
            if check.failed:
                lines = check.words().splitlines()
                print(f"\n---- {check.name}\n" + "\n".join(lines[:SHOWN_LINES]))
                if len(lines) > SHOWN_LINES:
                    print(f"... and {len(lines) - SHOWN_LINES} lines more. To see all: .venv/bin/{shlex.join(check.short())}")
    failed = sum(check.failed for check in checks)
    sys.stdout.flush()
    return len(checks) - failed, failed


def start(check: Check, shared: dict[str, str]) -> Check:
    """Begin one check; what it prints is kept for later."""
    check.output = tempfile.TemporaryFile()  # noqa: SIM115 - read when all have ended
    check.began = time.monotonic()
    check.process = subprocess.Popen(
        check.command,
        cwd=ROOT,
        env={**shared, **check.environment},
        stdin=subprocess.DEVNULL,
        stdout=check.output,
        stderr=subprocess.STDOUT,
        preexec_fn=door.die_with_parent(),
    )
    return check


def fix() -> int:
    """Let the tools mend what they can; 0 if they ran. What is left is for `./plum check` to say."""
    commands = [[*RUFF, "check", "--fix-only", *SOURCES], [*RUFF, "format", *SOURCES]]
    folders = template_folders()
    if folders:
        commands.append([sys.executable, "-m", "djlint", "--reformat", "--quiet", *folders])
    for command in commands:
        print(f"$ {' '.join(command[2:])}", flush=True)
        subprocess.run(command, cwd=ROOT, check=False)  # djlint's status 1 says that it reformatted
    print("Look at the changes: git diff. What no tool can mend: ./plum check")
    return 0
