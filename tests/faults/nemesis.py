"""What is done to a running lab. Each fault returns when everything that it has killed is started again."""

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from random import Random

import psycopg

from tests.faults.lab import Lab, offspring, wait_for

Fault = Callable[[Lab, Random], None]
AWAY = 1.5  # seconds for which a server is gone
REFUSED = ("40001", "40P01", "55P03")  # serialization failure, deadlock, lock not available


def kill_web_process(lab: Lab, chance: Random) -> None:
    """One of the web server's processes; its master forks another (F01)."""
    lab.kill_one("web", chance.choice)


def kill_web_server(lab: Lab, chance: Random) -> None:
    """The web server as a whole, started again as systemd would (F01)."""
    lab.kill("web")
    lab.start_web()


def kill_worker(lab: Lab, chance: Random) -> None:
    """A worker with all its processes, whatever they seal at the moment (F02)."""
    name = chance.choice(["worker", "second-worker"])
    lab.kill(name)
    lab.start_worker(name)


def flush_broker(lab: Lab, chance: Random) -> None:
    """Everything the broker holds is gone (F06)."""
    lab.flush_broker()


def kill_broker(lab: Lab, chance: Random) -> None:
    """The broker dies, stays away and comes back empty (F07)."""
    lab.kill("valkey")
    time.sleep(AWAY)
    lab.start_broker()


def server_processes(lab: Lab) -> list[int]:
    """The postmaster and everything it has forked."""
    assert lab.postgres is not None
    assert lab.postgres.child is not None
    return [lab.postgres.child.pid, *offspring(lab.postgres.child.pid)]


def restart_postgres(lab: Lab, processes: list[int]) -> None:
    """Start PostgreSQL again once the last process of the old one is gone."""
    assert lab.postgres is not None
    lab.postgres.stop()
    wait_for(lambda: not any(map(is_alive, processes)), f"the end of {processes}")
    lab.postgres.start()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be noticed does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def stop_postgres_at_once(lab: Lab, chance: Random) -> None:
    """`pg_ctl stop -m immediate` (F09)."""
    assert lab.postgres is not None
    processes = server_processes(lab)
    lab.postgres.stop(signal.SIGQUIT)
    restart_postgres(lab, processes)


def stop_postgres_fast(lab: Lab, chance: Random) -> None:
    """`pg_ctl stop -m fast` (F09)."""
    assert lab.postgres is not None
    processes = server_processes(lab)
    lab.postgres.stop(signal.SIGINT)
    restart_postgres(lab, processes)


def kill_postgres(lab: Lab, chance: Random) -> None:
    """kill -9 of every process of PostgreSQL (F09)."""
    processes = server_processes(lab)
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    restart_postgres(lab, processes)


def kill_postmaster(lab: Lab, chance: Random) -> None:
    """kill -9 of the postmaster alone: the others notice, and end (F09)."""
    processes = server_processes(lab)
    os.kill(processes[0], signal.SIGKILL)
    restart_postgres(lab, processes)


def kill_backend(lab: Lab, chance: Random) -> None:
    """kill -9 of one connection's process: PostgreSQL throws all out and recovers by itself (F09)."""
    [*backends] = lab.query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
    os.kill(chance.choice(backends)[0], signal.SIGKILL)


def freeze_postgres(lab: Lab, chance: Random) -> None:
    """Every process of PostgreSQL stands still for a while (F10)."""
    processes = server_processes(lab)
    try:
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(AWAY)
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


def take_all_connections(lab: Lab, chance: Random) -> None:
    """Nobody gets a connection any more, and one web process needs new ones (F10)."""
    assert lab.postgres is not None
    with contextlib.ExitStack() as taken:
        lab.kill_one("web", chance.choice)
        until = time.monotonic() + AWAY
        while time.monotonic() < until:
            try:
                taken.enter_context(psycopg.connect(lab.postgres.url))
            except psycopg.OperationalError:
                time.sleep(0.05)


def refuse_writes(lab: Lab, chance: Random) -> None:
    """Every fifth batch and every fifth seal is refused, as where transactions get into each other's way (F11)."""
    with refused_writes(lab, "activity_ingestbatch", "activity_seal"):
        time.sleep(2 * AWAY)


@contextlib.contextmanager
def refused_writes(lab: Lab, *tables: str) -> Iterator[None]:
    """Triggers that raise each of REFUSED in turn, at every fifth row."""
    assert lab.postgres is not None
    cases = " ".join(f"WHEN {number} THEN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{code}';" for number, code in numbered())
    body = (
        f"DECLARE n bigint := nextval('harm'); BEGIN IF n % 5 = 0 THEN CASE (n / 5) % 3 {cases} END CASE; END IF; RETURN NEW; END"
    )
    lab.postgres.psql(f"CREATE SEQUENCE harm; CREATE FUNCTION harm() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    try:
        for table in tables:
            lab.postgres.psql(f"CREATE TRIGGER harm BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION harm()")
        yield
    finally:
        lab.postgres.psql("DROP FUNCTION harm CASCADE; DROP SEQUENCE harm")


def numbered() -> list[tuple[int, str]]:
    """The refusals with their numbers."""
    return list(enumerate(REFUSED))


def hold_lock(lab: Lab, chance: Random, seconds: float = AWAY) -> None:
    """Another program writes to the SQLite file and does not come to its end (F13)."""
    with contextlib.closing(sqlite3.connect(lab.var / "plum.sqlite3", timeout=30, isolation_level=None)) as line:
        line.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        line.execute("ROLLBACK")


EVERYWHERE: dict[str, Fault] = {
    "web process killed": kill_web_process,
    "web server killed": kill_web_server,
    "worker killed": kill_worker,
    "broker flushed": flush_broker,
    "broker killed": kill_broker,
}
ON_SQLITE: dict[str, Fault] = {"lock held": hold_lock}
ON_POSTGRESQL: dict[str, Fault] = {
    "PostgreSQL stopped fast": stop_postgres_fast,
    "PostgreSQL stopped at once": stop_postgres_at_once,
    "PostgreSQL killed": kill_postgres,
    "postmaster killed": kill_postmaster,
    "backend killed": kill_backend,
    "PostgreSQL frozen": freeze_postgres,
    "no connection left": take_all_connections,
    "writes refused": refuse_writes,
}


def faults_of(lab: Lab) -> dict[str, Fault]:
    """Every fault that a lab can suffer, by name."""
    return EVERYWHERE | (ON_POSTGRESQL if lab.postgres else ON_SQLITE)
