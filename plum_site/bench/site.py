"""
A Plum that runs for a benchmark: broker, web and worker as `./plum up` starts them, on the benchmark's database.

Nothing is left out that a request meets in production but the proxy: the worker seals when it is woken over the broker.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from plum_site.bench import client
from plum_site.bench.traffic import Prepared
from plum_site.bench.usage import processor_seconds
from plum_site.local.door import door
from plum_site.local.servers import end, start_valkey
from plum_site.local.services import free_port, mailbox_answers, web_command, worker_command

PATIENCE = 60


def database_url() -> str:
    """The address of the database that this process uses, for its children."""
    place = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{place['NAME']}"
    person = quote(str(place["USER"]), safe="") + (f":{quote(str(place['PASSWORD']), safe='')}" if place["PASSWORD"] else "")
    port = f":{place['PORT']}" if place["PORT"] else ""
    return f"postgres://{person}@{quote(str(place['HOST']), safe='')}{port}/{quote(str(place['NAME']), safe='')}"


class Site:
    """The processes by name. Each dies with this process; `stop` ends them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[str, int] = {}
        self.environment = {
            **os.environ,
            "DATABASE_URL": database_url(),
            "PLUM_VAR": str(settings.VAR),
            "DJANGO_SETTINGS_MODULE": "plum_site.settings.dev",
            "PLUM_BASE_URL": "http://127.0.0.1:8000",
        }

    def start_web(self, name: str = "web", application: str = "plum_site.wsgi:application") -> int:
        """A web part on a free port of loopback; returns its port when all its processes run."""
        port = self.ports[name] = free_port()
        self._start(name, web_command(f"127.0.0.1:{port}", self.environment, sys.executable, application))
        self._wait_for(name, lambda: self.log(name).count("Booting worker") == int(settings.WEB_PROCESSES))
        return port

    def start_beat(self) -> None:
        """The one that sweeps every ten seconds."""
        self._start("beat", [sys.executable, "-m", "celery", "-A", "plum_site.celery", "beat", "--loglevel", "INFO"])
        self._wait_for("beat", lambda: "beat: Starting" in self.log("beat"))

    def start_mailbox(self) -> Path:
        """A mail server that keeps every mail as a file; the folder. To be started before what sends mail."""
        socket, mails = self.folder / "mail.sock", self.folder / "mails"
        self._start("mailbox", [sys.executable, "-m", "plum_site.local.mailbox", str(socket), str(mails)])
        self._wait_for("mailbox", lambda: mailbox_answers(socket))
        self.environment["PLUM_SMTP_HOST"] = f"unix:{socket}"
        return mails

    def start_worker(self) -> None:
        """A worker that is woken over the broker."""
        self._start("worker", worker_command(self.environment, sys.executable))
        self._wait_for("worker", lambda: " ready." in self.log("worker"))

    def processor_seconds(self, name: str) -> float:
        """What that part and all its processes have used so far."""
        return processor_seconds(self.children[name].pid)

    def log(self, name: str) -> str:
        """What that part has said."""
        return self._path(name).read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """End every part; the web parts first, so that nothing new comes in."""
        for child in self.children.values():
            if child.poll() is None:
                end(child, signal.SIGTERM)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _start(self, name: str, command: list[str]) -> None:
        with self._path(name).open("wb") as log:
            self.children[name] = subprocess.Popen(
                command,
                cwd=settings.BASE_DIR,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=door.die_with_parent(signal.SIGTERM),
            )

    def _wait_for(self, name: str, answers: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        while not answers():
            if self.children[name].poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"The {name} of the benchmark did not start. Nothing was measured: {self.log(name)[-3000:]}")
            time.sleep(0.05)


@contextmanager
def running_site(folder: Path, *, mails: bool = False) -> Iterator[Site]:
    """Broker, web (as `web`) and worker until the block is left; with a mailbox and beat too, if mails are wanted."""
    site = Site(folder)
    site.environment["REDIS_URL"], stop_broker = start_valkey(folder)
    try:
        if mails:
            site.start_mailbox()
            site.start_beat()
        site.start_web()
        site.start_worker()
        yield site
    finally:
        site.stop()
        stop_broker()


def send(prepared: Prepared, *, port: int, connections: int, first: int = 0, count: int | None = None) -> dict[str, Any]:
    """
    Send prepared requests from a process of its own; what `client.main` says of it.

    Raises RuntimeError with the first answer that was none of 200 and 201.
    """
    order = {
        "port": port,
        "connections": connections,
        "first": first,
        "count": prepared.count - first if count is None else count,
        "requests": str(prepared.requests),
        "offsets": str(prepared.offsets),
    }
    done = subprocess.run(
        [sys.executable, "-I", client.__file__],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=door.die_with_parent(signal.SIGKILL),
    )
    if done.returncode:
        raise RuntimeError(f"The client of the benchmark ended with status {done.returncode}: {done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    if answer["fault"]:
        raise RuntimeError(f"Not every request was taken ({answer['statuses']}); the first one: {answer['fault']}")
    return answer
