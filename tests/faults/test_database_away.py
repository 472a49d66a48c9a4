"""A database that is locked or whose disk is full: 503 with Retry-After, never a 500; nothing is lost, all recovers alone."""

import contextlib
import http.client
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.checker import check
from tests.faults.clients import Load
from tests.faults.figures import Figures
from tests.faults.lab import Lab, wait_for
from tests.faults.nemesis import hold_lock

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("stocked")]

MEBIBYTE = 1 << 20
HEADROOM = 24 * MEBIBYTE  # of the small disk, at the start
REFUSALS = 5


def ask(lab: Lab, path: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of one GET."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", lab.port, timeout=20)) as line:
        line.request("GET", path)
        answer = line.getresponse()
        return answer.status, dict(answer.headers), answer.read().decode()


def test_a_writer_that_holds_sqlite_for_too_long_is_told_to_the_others(make_lab: object, twin: Lab, figures: Figures) -> None:
    """F13: whoever waits longer than PLUM_SQLITE_WAIT_SECONDS is told 503; who only reads is served all the while."""
    lab: Lab = make_lab("sqlite")  # type: ignore[operator]
    lab.settings["PLUM_SQLITE_WAIT_SECONDS"] = "1"
    lab.start_all()
    with Load(lab, lab.token, 3) as load:
        load.wait_for_success(0)
        figures.tried("lock held for too long")
        hold_lock(lab, random.Random(1), 4)
        assert ask(lab, "/healthz")[0] == 200
        figures.survived(seconds=load.wait_for_success(time.monotonic()))

    assert set(load.answers) == {"200", "503"}, load.bodies[-3:]
    assert {word for client in load.clients for word in client.retry_after} == {"2"}
    assert all('"code":"unavailable"' in body for body in load.bodies)
    assert max(client.longest for client in load.clients) < 4, "nobody waits for as long as the lock is held"
    check(lab, twin, figures)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """An empty file system in memory that PostgreSQL's own account may reach; its size is set by `settle`."""
    folder = tempfile.mkdtemp(prefix="plum-disk-")
    mount = ["mount", "-t", "tmpfs", "-o", "mode=0711", "tmpfs", folder]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        os.rmdir(folder)
        pytest.skip(f"no small disk can be made here: {done.stderr.strip()}")
    yield Path(folder)
    subprocess.run(["umount", "-l", folder], check=True)
    os.rmdir(folder)


def settle(lab: Lab, disk: Path) -> None:
    """Move the database of a lab to a disk that has HEADROOM left."""
    if lab.postgres:
        lab.postgres.stop()
        subprocess.run(["cp", "-a", str(lab.postgres.data), str(disk / "data")], check=True)
        shutil.rmtree(lab.postgres.data)
        lab.postgres.data = disk / "data"
    else:
        shutil.copytree(lab.var, disk / "var")
        lab.var = disk / "var"
    size = shutil.disk_usage(disk).used + HEADROOM
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)
    if lab.postgres:
        lab.postgres.settings |= {"max_wal_size": "32MB", "min_wal_size": "32MB"}
        lab.postgres.start()


def fill(ballast: Path) -> None:
    """Leave no byte on the disk."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 12))


def test_a_full_disk_refuses_and_forgets_nothing(both: Lab, twin: Lab, figures: Figures, small_disk: Path) -> None:
    """F14, the disk of the database. Should PostgreSQL itself end over it, it is started again, as a service manager would."""
    settle(both, small_disk)
    both.start_all()
    with Load(both, both.token, 3) as load:
        load.wait_for_success(0)
        figures.tried("disk full")
        refused = load.answers["503"]
        fill(small_disk / "ballast")
        wait_for(lambda: load.answers["503"] >= refused + REFUSALS, lambda: f"refusals: {load.answers}", 40)
        if not both.postgres:  # its disk is not Plum's to look at
            status, headers, _ = ask(both, "/readyz")
            assert (status, "Retry-After" in headers) == (503, True)
        (small_disk / "ballast").unlink()
        if both.postgres and both.postgres.child and both.postgres.child.poll() is not None:
            both.postgres.start()
        figures.survived(seconds=load.wait_for_success(time.monotonic()))
        time.sleep(1)

    assert set(load.answers) == {"200", "503"}, load.bodies[-3:]
    assert {word for client in load.clients for word in client.retry_after} == {"2"}
    check(both, twin, figures)
