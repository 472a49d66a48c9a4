"""The front door's own rules: the environment it makes, the state it keeps private, what it says when it cannot go on."""

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest

from plum_site.local.door import door
from plum_site.local.services import free_port, port_owner
from plum_site.local.up import choose_port, hold_state
from tests.faults.figures import add_up, describe
from tests.support.phases import Count, read_figures, read_report


@pytest.fixture
def plum(checkout, tmp_path):
    """Run ./plum with a fresh state folder; its completed process."""

    def run(*arguments, **env):
        folder = {**os.environ, "PLUM_VAR": str(tmp_path / "var"), **env}
        return subprocess.run(
            [checkout / "plum", *arguments], env=folder, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def steps():
    """Steps that write to a text one can read."""
    steps = door.Steps(StringIO())
    steps.title, steps.began = "Trial", time.monotonic()
    return steps


@pytest.fixture
def bare_checkout(tmp_path, monkeypatch):
    """The front door of a checkout that holds the two locks and nothing else."""
    for lock in door.LOCKS.values():
        (tmp_path / lock).write_text("uv==1.0 \\\n    --hash=sha256:00\n", encoding="utf-8")
    monkeypatch.setattr(door, "ROOT", tmp_path)
    monkeypatch.setattr(door, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(door, "PYTHON", str(tmp_path / ".venv/bin/python"))
    monkeypatch.setattr(door, "STAMP", tmp_path / ".venv/plum-stamp.json")
    return tmp_path


def make_environment(checkout, kind):
    """A complete environment of that kind, as far as the front door can see."""
    programs = checkout / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "uv"):
        (programs / name).touch(mode=0o755)
    door.STAMP.write_text(json.dumps(door.wanted_stamp(kind)), encoding="utf-8")


# ---------------------------------------------------------------- commands


def test_help_names_every_command(plum):
    said = plum().stdout
    for command in ("up", "down", "status", "doctor", "setup", "manage", "test", "check", "fix"):
        assert re.search(rf"^ +{command}\b", said, re.MULTILINE), command
    assert "examples:" in said


@pytest.mark.slow
@pytest.mark.parametrize("command", ["up", "status", "doctor", "setup", "test", "check", "fix"])
def test_each_command_has_help(plum, command):
    run = plum(command, "--help")
    assert run.returncode == 0
    assert f"./plum {command}" in run.stdout


@pytest.mark.slow
def test_manage_keeps_standard_output_and_exit_status(plum):
    run = plum("manage", "help", "--commands")
    assert run.returncode == 0
    assert "migrate" in run.stdout.split()
    assert plum("manage", "no_such_command").returncode == 1


def test_status_of_nothing(plum, tmp_path):
    run = plum("status", "--json")
    assert run.returncode == 3
    assert json.loads(run.stdout) == {"running": False, "state_folder": str(tmp_path / "var"), "url": None, "processes": []}


def test_down_of_nothing_says_so(plum):
    run = plum("down")
    assert run.returncode == 0
    assert "Nothing of Plum runs" in run.stdout


# ---------------------------------------------------------------- the environment


@pytest.mark.parametrize(("made", "asked", "ready"), [
    ("runtime", "runtime", True), ("runtime", "dev", False), ("dev", "runtime", True), ("dev", "dev", True),
])  # fmt: skip
def test_a_dev_environment_serves_both(bare_checkout, made, asked, ready):
    make_environment(bare_checkout, made)
    assert door.environment_ready(asked) is ready


def test_an_environment_is_stale_when_lock_python_or_place_changed(bare_checkout, monkeypatch):
    make_environment(bare_checkout, "runtime")
    for key, other in [("runtime", "another lock"), ("python", "3.99"), ("base", "/elsewhere"), ("at", "/moved")]:
        stamp = door.wanted_stamp("runtime")
        door.STAMP.write_text(json.dumps({**stamp, key: other}), encoding="utf-8")
        assert not door.environment_ready("runtime"), key
    (bare_checkout / ".venv/bin/python").unlink()
    door.STAMP.write_text(json.dumps(stamp), encoding="utf-8")
    assert not door.environment_ready("runtime")


def test_an_interrupted_installation_leaves_no_stamp_and_starts_afresh(bare_checkout, steps, monkeypatch):
    make_environment(bare_checkout, "runtime")
    (bare_checkout / "requirements.lock").write_text("uv==2.0 \\\n    --hash=sha256:11\n", encoding="utf-8")
    ran = []

    def interrupted(command, env, **_):
        ran.append(list(map(str, command)))
        raise KeyboardInterrupt

    monkeypatch.setattr(steps, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        door.ensure_environment("runtime", steps)
    assert ran.pop()[1:3] == ["pip", "sync"]  # it was complete before: only the difference is installed
    assert not door.environment_ready("runtime")
    with pytest.raises(KeyboardInterrupt):
        door.ensure_environment("runtime", steps)
    assert ran.pop()[1:3] == ["-m", "venv"]
    assert not door.VENV.exists()


def test_pip_installs_where_uv_cannot(bare_checkout, steps, monkeypatch):
    ran = []

    def without_uv(command, env, **_):
        ran.append(" ".join(map(str, command)))
        if "venv" in ran[-1].split():
            (bare_checkout / ".venv/bin").mkdir(parents=True)
            (bare_checkout / ".venv/bin/python").touch(mode=0o755)
        if " pip sync " in ran[-1]:
            raise door.Stop("uv broke")

    monkeypatch.setattr(steps, "run", without_uv)
    assert door.ensure_environment("dev", steps)
    assert ran[-1].endswith(f"-m pip install --require-hashes -r {bare_checkout}/requirements-dev.lock")
    assert door.environment_ready("dev")
    assert not door.ensure_environment("dev", steps)


def test_a_machine_that_cannot_is_left_untouched(bare_checkout, steps, monkeypatch):
    monkeypatch.setattr(door.platform, "libc_ver", lambda: ("glibc", "2.17"))
    monkeypatch.setattr(door.shutil, "disk_usage", lambda _: SimpleNamespace(free=5 * 2**20))
    monkeypatch.setattr(door.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1))
    with pytest.raises(door.Stop) as stop:
        door.ensure_environment("dev", steps)
    said = str(stop.value)
    assert "nothing was changed" in said
    assert "glibc 2.34 or newer" in said
    assert f"apt-get install -y python3.{sys.version_info[1]}-venv" in said
    assert "1600 MB of free disk" in said
    assert sorted(path.name for path in bare_checkout.iterdir()) == ["requirements-dev.lock", "requirements.lock"]


def test_an_old_python_gives_way_to_a_newer_one_or_explains(monkeypatch):
    monkeypatch.setattr(door.sys, "version_info", (3, 9, 18))
    called = []
    monkeypatch.setattr(door.os, "execv", lambda *call: called.append(call[0]))
    monkeypatch.setattr(door, "other_python", lambda: "/opt/python3.12")
    door.require_python()
    assert called == ["/opt/python3.12"]
    monkeypatch.setattr(door, "other_python", lambda: None)
    with pytest.raises(SystemExit, match=r"3.11, 3.12 or 3.13.*\n.*apt-get install -y python3 python3-venv"):
        door.require_python()


def test_a_python_on_path_that_does_not_start_is_passed_over(tmp_path, monkeypatch):
    for number, works in [(13, False), (12, True)]:
        program = tmp_path / f"python3.{number}"
        program.write_text(f"#!/bin/sh\nexit {0 if works else 127}\n", encoding="utf-8")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert door.other_python() == str(tmp_path / "python3.12")


# ---------------------------------------------------------------- the locks


def pinned(text):
    """The names and versions of a requirements file or a lock."""
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?==([^\s;\\]+)", text, re.MULTILINE))


def test_locks_hold_every_requirement_with_hashes_and_no_address(checkout):
    locked = {}
    for name in ("requirements", "requirements-dev"):
        text = (checkout / f"{name}.lock").read_text(encoding="utf-8")
        locked[name] = pinned(text)
        asked = {key.lower(): value for key, value in pinned((checkout / f"{name}.txt").read_text(encoding="utf-8")).items()}
        assert asked.items() <= locked[name].items()
        assert "://" not in text
        assert all("--hash=sha256:" in stanza for stanza in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:])
    assert locked["requirements"].items() <= locked["requirements-dev"].items()
    assert re.search(r"^uv==", (checkout / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)


def test_each_requirement_has_one_reason(checkout):
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (checkout / name).read_text(encoding="utf-8").splitlines():
            assert not line or line.startswith(("#", "-r ")) or re.fullmatch(r"\S+==\S+ +# .{5,}", line), line


# ---------------------------------------------------------------- state


@pytest.fixture
def short_folder(monkeypatch):
    """A temporary folder with a name that leaves room for sockets, in place of the system's own."""
    folder = Path(tempfile.mkdtemp())
    monkeypatch.setattr(door.tempfile, "gettempdir", lambda: str(folder))
    yield folder
    shutil.rmtree(folder)


def test_state_and_sockets_are_private(tmp_path, short_folder, monkeypatch):
    monkeypatch.setenv("PLUM_VAR", str(tmp_path / "a" / "var"))
    var = door.state_folder()
    sockets = door.socket_folder(var)
    for folder in (var, var / "run", var / "log", sockets):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert re.fullmatch(r"plum-[0-9a-f]{10}", sockets.name)
    sockets.chmod(0o755)
    with pytest.raises(door.Stop, match="not a private folder"):
        door.socket_folder(var)


def test_a_planted_socket_folder_is_refused(short_folder):
    sockets = door.socket_folder(Path("/some/var"))
    sockets.rmdir()
    sockets.symlink_to(short_folder)
    with pytest.raises(door.Stop, match="not a private folder"):
        door.socket_folder(Path("/some/var"))


def test_a_socket_path_that_is_too_long_is_refused(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr(door.tempfile, "gettempdir", lambda: str(long))
    with pytest.raises(door.Stop, match="TMPDIR=/tmp"):
        door.socket_folder(Path("/some/var"))


def test_given_urls_win_over_the_embedded_parts(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUM_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("REDIS_URL", "redis://other:6379/0")
    monkeypatch.setenv("DATABASE_URL", "postgres://other/plum")
    env = door.environment()
    assert (env["REDIS_URL"], env["DATABASE_URL"]) == ("redis://other:6379/0", "postgres://other/plum")
    monkeypatch.setenv("REDIS_URL", "")
    monkeypatch.delenv("DATABASE_URL")
    env = door.environment()
    assert env["REDIS_URL"] == f"redis+socket://{door.socket_folder(tmp_path / 'var')}/valkey.sock"
    assert "DATABASE_URL" not in env


def test_bytecode_is_kept_even_where_python_is_told_to_write_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUM_VAR", str(tmp_path / "var"))
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    env = door.environment()
    assert env["PYTHONPYCACHEPREFIX"] == str(door.VENV / "bytecode")
    assert "PYTHONDONTWRITEBYTECODE" not in env
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE")
    assert "PYTHONPYCACHEPREFIX" not in door.environment()


def test_a_second_up_on_the_same_state_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "plum.pid").write_text("4711 1 2 http://127.0.0.1:8000\n", encoding="utf-8")
    held = hold_state(tmp_path)
    with pytest.raises(door.Stop, match=r"pid 4711, http://127\.0\.0\.1:8000"):
        hold_state(tmp_path)
    held.close()
    hold_state(tmp_path).close()


# ---------------------------------------------------------------- ports, steps, words


def test_a_taken_port_is_named_with_its_owner_and_another_one():
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert f"(pid {os.getpid()})" in port_owner(port)
        with pytest.raises(door.Stop, match=rf"Port {port} is taken by .*pid {os.getpid()}.*--port \d+"):
            choose_port(SimpleNamespace(port=port, once=False))
    assert port_owner(port) == ""


def test_a_failed_step_says_what_ran_and_what_it_said(steps):
    command = [sys.executable, "-c", "import sys; print('half'); print('because', file=sys.stderr); sys.exit(3)"]
    with pytest.raises(door.Stop, match=r"(?s)Trial failed: .* ended with status 3\.\nhalf\nbecause"):
        steps.run(command, os.environ)


def test_a_step_returns_standard_output_and_shows_progress_as_it_comes(steps):
    command = [sys.executable, "-c", "import sys; print('1 of 2', file=sys.stderr); print('{}')"]
    assert steps.run(command, os.environ, live=True) == "{}\n"
    assert steps.stream.getvalue() == "        1 of 2\n"


def test_a_step_ends_its_command_when_a_service_has_died(steps):
    began = time.monotonic()

    def watch():
        raise door.Stop("worker ended by itself")

    with pytest.raises(door.Stop, match="worker ended"):
        steps.run([sys.executable, "-c", "import time; time.sleep(60)"], os.environ, watch=watch)
    assert time.monotonic() - began < 10


def test_a_secret_stays_out_of_the_transcript(steps, tmp_path):
    path = tmp_path / "plum.log"
    steps.transcript(path)
    steps.run([sys.executable, "-c", "print('se' + 'cret-link')"], os.environ, secret=True)
    steps.say("secret-link", secret=True)
    steps.close()
    assert "secret-link" not in path.read_text(encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_summary_counts_as_people_do(tmp_path):
    report = tmp_path / "unit.xml"
    report.write_text('<testsuites><testsuite tests="9" failures="2" errors="1" skipped="3"/></testsuites>', encoding="utf-8")
    assert read_report(report) == Count(passed=3, failed=3, skipped=3)
    assert str(read_report(tmp_path / "none.xml")) == "0 passed, 0 failed, 0 skipped"


def test_what_fault_tests_counted_is_added_up_over_the_run(tmp_path):
    said = (
        '{"acknowledged": 5, "lost": 0, "doubled": 0, "faults": 2, "survived": 2, "kinds": {"kill": 2}, "recoveries": [0.5]}',
        '{"acknowledged": 7, "lost": 1, "doubled": 0, "faults": 3, "survived": 2, "kinds": {"cut": 2}, "recoveries": [3.0]}',
    )
    cases = "".join(f"<testcase><properties><property name='faults' value='{one}'/></properties></testcase>" for one in said)
    report = tmp_path / "report.xml"
    report.write_text(
        f"<testsuites><testsuite>{cases}<properties><property name='other' value='1'/></properties></testsuite></testsuites>"
    )

    assert describe(add_up(read_figures(report))) == (
        "12 acknowledged, 1 lost, 0 doubled, 4 of 5 faults survived (2 cut, 2 kill); recovery median 3.0 s, longest 3.0 s"
    )
    assert read_figures(tmp_path / "none.xml") == []
