"""How the running system is: one look, used by the `health` command, `./plum doctor`, `/readyz` and the console."""

import shutil
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from activity.selectors import count_unsealed
from activity.selectors.quarantine import summarise_quarantine
from activity.selectors.sources import list_silent_sources
from partners.selectors import list_programs
from plum_site.connections import NAMES, find_room
from plum_site.lib import jobs
from plum_site.lib.choices import JobState, OutboxState
from plum_site.lib.mail import CHANNEL, describe_server
from plum_site.lib.models import Heartbeat, Job, Outbox
from plum_site.lib.outbox import list_late
from plum_site.lib.wakeups import broker_fault
from plum_site.verify import LATE

SILENT = timedelta(seconds=60)  # a part that has shown no life for so long is taken for stopped
UNSEALED_LIMIT = timedelta(seconds=60)
RECENT = timedelta(days=7)  # messages given up longer ago no longer trouble anybody
DISK_FLOOR = 500_000_000  # bytes
START = "./plum up (or start the service that runs it)"


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, whether it is well, what was seen, and what to do where it is not."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Health:
    """Everything that was looked at. `figures` are for programs, `checks` for people."""

    figures: dict[str, Any]
    checks: list[Check]

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return all(check.ok for check in self.checks)

    @property
    def ready(self) -> bool:
        """Whether requests can be served: the database, its tables and room on the disk. Needs no broker."""
        return all(check.ok for check in self.checks if check.name in ("database", "migrations", "disk"))

    def as_json(self) -> dict[str, Any]:
        """The figures, and the checks as a list."""
        return {"ok": self.ok, "ready": self.ready, **self.figures, "checks": [asdict(check) for check in self.checks]}


def find_readiness() -> Health:
    """Look at what serving requests needs and nothing else: database, tables, disk."""
    figures: dict[str, Any] = {"database": False, "migrated": False}
    checks: list[Check] = []
    _look_at_database(figures, checks)
    _look_at_disk(figures, checks)
    return Health(figures, checks)


def find_health() -> Health:
    """
    Look at database, tables, disk, connections, broker, worker, beat, ledger, sources, jobs, messages and the last
    verification.
    """
    found = find_readiness()
    figures, checks = dict(found.figures), list(found.checks)
    if figures["database"]:
        _look_at_connections(figures, checks)
    _look_at_broker(figures, checks)
    if figures["migrated"]:
        at = jobs.database_now()
        _look_at_parts(figures, checks, at)
        _look_at_ledger(figures, checks, at)
        _look_at_sources(figures, checks, at)
        _look_at_jobs(figures, checks, at)
        _look_at_messages(figures, checks, at)
        _look_at_verification(figures, checks)
    return Health(figures, checks)


def _look_at_database(figures: dict[str, Any], checks: list[Check]) -> None:
    try:
        waiting = _list_unapplied()
    except DatabaseError as error:
        checks.append(Check("database", False, str(error).strip(), "is it running, and is DATABASE_URL right?"))
        return
    figures |= {"database": True, "migrated": not waiting}
    detail = f"not applied: {', '.join(waiting[:5])}" if waiting else "all applied"
    checks.append(Check("database", True, f"{connection.vendor} answers"))
    checks.append(Check("migrations", not waiting, detail, "./plum manage migrate"))


def _list_unapplied() -> list[str]:
    connection.ensure_connection()
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _look_at_disk(figures: dict[str, Any], checks: list[Check]) -> None:
    free = shutil.disk_usage(settings.VAR).free
    figures["disk_free_bytes"] = free
    checks.append(Check("disk", free >= DISK_FLOOR, f"{free // 1_000_000:,} MB free under {settings.VAR}", "make room there"))


def _look_at_connections(figures: dict[str, Any], checks: list[Check]) -> None:
    room = find_room()
    figures["connections"] = None if room is None else asdict(room)
    if room is None:
        checks.append(Check("connections", True, "SQLite: one file, and no limit to who opens it"))
        return
    detail = f"{room.open_now} open, at most {room.at_most}; the server takes {room.limit}"
    detail += f", {room.elsewhere} of them are taken by other databases" if room.elsewhere else ""
    remedy = f"raise max_connections of the server, or lower {NAMES} (docs/operations/settings.md)"
    checks.append(Check("connections", room.fits, detail, remedy))


def _look_at_broker(figures: dict[str, Any], checks: list[Check]) -> None:
    fault = broker_fault()
    figures["broker"] = not fault
    detail = fault or "answers"
    checks.append(Check("broker", not fault, detail, f"{START}; nothing is lost meanwhile, jobs wait in the database"))


def _look_at_parts(figures: dict[str, Any], checks: list[Check], at: datetime) -> None:
    beats = {row.name: row.at for row in Heartbeat.objects.all()}
    for name in ("worker", "beat"):
        age = max(0.0, (at - beats[name]).total_seconds()) if name in beats else None
        figures |= {name: age is not None and age <= SILENT.total_seconds(), f"{name}_age_seconds": age}
        detail = "has never run" if age is None else f"last showed life {age:,.0f} s ago"
        checks.append(Check(name, figures[name], detail, START))


def _look_at_ledger(figures: dict[str, Any], checks: list[Check], at: datetime) -> None:
    since = [unsealed for program in list_programs() if (unsealed := count_unsealed(program.pk).since)]
    age = max(0.0, (at - min(since)).total_seconds()) if since else 0.0
    figures["unsealed_age_seconds"] = age
    detail = f"the oldest unsealed batch is {age:,.0f} s old" if since else "everything is sealed"
    checks.append(Check("ledger", age <= UNSEALED_LIMIT.total_seconds(), detail, "are worker and beat running?"))


def _look_at_sources(figures: dict[str, Any], checks: list[Check], at: datetime) -> None:
    """Silence and waiting are a program's matter, not a fault of this system: they are told and fail nothing."""
    programs = list(list_programs())
    silent = [f"{program.code}: {source.code}" for program in programs for source in list_silent_sources(program, at)]
    waiting = [summarise_quarantine(program.pk) for program in programs]
    oldest = min((one.oldest_at for one in waiting if one.oldest_at), default=None)
    figures["silent_sources"] = silent
    figures["quarantine"] = {"waiting": sum(one.count for one in waiting), "oldest_at": oldest}
    detail = f"silent: {', '.join(silent[:5])}" if silent else "none is silent"
    if oldest is not None:
        detail += (
            f"; {figures['quarantine']['waiting']:,} events wait in quarantine, the oldest since {oldest:%Y-%m-%d %H:%M} UTC"
        )
    checks.append(Check("sources", True, detail))


def _look_at_jobs(figures: dict[str, Any], checks: list[Check], at: datetime) -> None:
    waiting = Job.objects.filter(state=JobState.DUE, due_at__lte=at)
    counts = {
        "due": waiting.count(),
        "running": Job.objects.filter(state=JobState.RUNNING).count(),
        "dead": Job.objects.filter(state=JobState.DEAD).count(),
        "late": waiting.filter(due_at__lt=at - LATE).count(),
    }
    figures["jobs"] = counts
    detail = ", ".join(f"{count} {name}" for name, count in counts.items())
    remedy = "./plum manage verify jobs names them; ./plum manage retry_jobs tries dead ones again"
    checks.append(Check("jobs", not counts["dead"] and not counts["late"], detail, remedy))


def _look_at_messages(figures: dict[str, Any], checks: list[Check], at: datetime) -> None:
    waiting = Outbox.objects.filter(state=OutboxState.WAITING)
    counts = {
        "waiting": waiting.count(),
        "late": list_late(at, LATE).count(),
        # Mail alone: a receiver of webhooks that fails is its program's matter, and stands on the webhook's page.
        "given_up": Outbox.objects.filter(channel=CHANNEL, state=OutboxState.DEAD, due_at__gte=at - RECENT).count(),
    }
    figures["messages"] = counts
    failing = waiting.filter(channel=CHANNEL, attempts__gt=0).exclude(error="").order_by("-due_at").first()
    detail = f"to {describe_server()}; {counts['waiting']} wait, {counts['late']} late, {counts['given_up']} given up in 7 days"
    if failing is not None:
        detail += f"; the last answer: {failing.error[:200]}"
    remedy = "Outgoing messages in the console say why; docs/operations/mail.md"
    checks.append(Check("mail", not counts["late"] and not counts["given_up"], detail, remedy))


def _look_at_verification(figures: dict[str, Any], checks: list[Check]) -> None:
    last = Job.objects.filter(name="plum.verify", state=JobState.DONE).order_by("-finished_at").first()
    figures["last_verification"] = None
    if last is None or last.finished_at is None or not last.result:
        checks.append(Check("verification", True, "has not run yet; it does every night"))
        return
    count = last.result["violations"]
    figures["last_verification"] = {"at": last.finished_at, "violations": count, "first": last.result["first"]}
    when = f"{last.finished_at:%Y-%m-%d %H:%M} UTC"
    detail = f"{count} violations on {when}: {'; '.join(last.result['first'][:3])}" if count else f"nothing wrong on {when}"
    checks.append(Check("verification", not count, detail, "./plum manage verify all"))
