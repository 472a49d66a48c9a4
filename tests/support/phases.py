"""`./plum test`: brings up what the tests need, runs them phase by phase, ends with one line that counts them."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from plum_site.local.door import door
from plum_site.local.processes import process_facts
from tests.faults.figures import PROPERTY, add_up, describe
from tests.support import chromium
from tests.support.checks import run_checks

PHASES = {
    "unit": "not postgres and not faults and not browser",
    "postgres": "postgres or both_engines",
    "faults": "faults",
    "browser": "browser",
}
SERVERS = {"unit": {"valkey"}, "postgres": {"valkey", "postgres"}, "faults": {"valkey", "postgres"}, "browser": {"valkey"}}
NOTHING_COLLECTED = 5
MANY_TESTS = 300  # below this, starting a second process costs more than it saves
LIMIT_SECONDS = 1800
PATIENT = ["-o", "faulthandler_timeout=1500"]  # such a test may take longer than one that hangs is given otherwise
PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Count:
    """How many tests passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other: "Count") -> None:
        """Add another count to this one."""
        self.passed, self.failed, self.skipped = (
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
        )

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def test(*, quick: bool, long: bool, only: str | None, arguments: list[str]) -> int:
    """Run the phases asked for; 0 if nothing failed and something ran."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # what a test leaves behind becomes ours to end
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    total, began = Count(), time.monotonic()
    phases = [only] if only else ["unit"] if quick else list(PHASES)
    if not (only or quick or arguments):
        print("==== check", flush=True)
        total.add(Count(*run_checks(architecture=False)))
    ran = Count()
    needed = set().union(*(SERVERS[phase] for phase in phases))
    with (
        tempfile.TemporaryDirectory(prefix="plt-", ignore_cleanup_errors=True) as scratch,
        servers(Path(scratch), needed) as urls,
    ):
        Path(scratch).chmod(0o711)  # a PostgreSQL that a test starts as another user has to get through
        for phase in phases:
            ran.add(run_phase(phase, Path(scratch), urls, quick=quick, long=long, arguments=arguments))
    total.add(ran)
    if ran == Count():
        print("No test ran: nothing was selected.")
    print(f"\n{time.monotonic() - began:.0f} seconds in all.")
    print(total, flush=True)
    return 1 if total.failed or ran == Count() else 0


@contextmanager
def servers(scratch: Path, names: set[str]):
    """The URLs of real servers, by name, while the block runs."""
    command = [sys.executable, "-m", "tests.support.services", str(scratch), *sorted(names)]
    with subprocess.Popen(
        command,
        cwd=door.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=door.die_with_parent(),
    ) as helper:
        try:
            line = helper.stdout.readline()
            if not line:
                raise door.Stop("The test servers did not start; what they said stands above. No test was run.")
            yield json.loads(line)
        finally:
            helper.stdin.close()
            helper.wait(60)


def environment(phase: str, scratch: Path, urls: dict[str, str]) -> dict[str, str]:
    """The variables of one phase. A database that the caller works with is never touched."""
    # Short names: tests put unix sockets in there, whose paths may not exceed 107 bytes.
    var, temporary = scratch / f"v-{phase}", scratch / f"t-{phase}"
    var.mkdir(mode=0o700)
    temporary.mkdir(mode=0o711)
    env = {**os.environ, "PLUM_VAR": str(var), "TMPDIR": str(temporary), "REDIS_URL": urls["valkey"]}
    env["DJANGO_SETTINGS_MODULE"] = "plum_site.settings.test"
    env.pop("DATABASE_URL", None)
    if "postgres" in urls:
        env["PLUM_TEST_POSTGRES_URL"] = urls["postgres"]
    if phase == "postgres":
        env["DATABASE_URL"] = urls["postgres"]
    if phase == "browser":
        env["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's own event loop lives in the thread of the test
    if not os.access(os.path.expanduser("~"), os.W_OK):
        env["HOME"] = str(var)
    return env


def run_phase(phase: str, scratch: Path, urls: dict[str, str], *, quick: bool, long: bool, arguments: list[str]) -> Count:
    """Run one phase to its end, then end whatever it left behind."""
    words = [f"({PHASES[phase]})", *(["not slow"] if quick else []), *([] if long else ["not long"])]
    expression = " and ".join(words)
    print(f"\n==== {phase}: {expression}", flush=True)
    env = environment(phase, scratch, urls)
    pytest = [sys.executable, "-m", "pytest", "-p", "no:valkey", "-m", expression, *(["--long"] if long else [])]
    if long or phase == "faults":
        pytest += PATIENT
    pytest.append(f"--basetemp={env['TMPDIR']}/b")
    if phase == "browser":
        collected = count_collected(pytest, env, arguments)
        path = chromium.find() if collected else None
        if collected and not path:
            print(f"browser: {collected} tests skipped: no Chromium is here and none could be installed")
            return Count(skipped=collected)
        env.update({"PLUM_CHROMIUM": path} if path else {})
    elif phase == "faults" and "-n" not in arguments and (os.cpu_count() or 1) > 1:
        pytest += ["-n", "2", "--dist", "loadgroup"]  # they wait for most of their time; labs on a stocked program stay together
    elif phase in ("unit", "postgres") and "-n" not in arguments and (os.cpu_count() or 1) > 1 and count_written() >= MANY_TESTS:
        pytest += ["-n", "2"]
    report = scratch / f"{phase}.xml"
    process = subprocess.Popen([*pytest, f"--junitxml={report}", *arguments], cwd=door.ROOT, env=env, stdin=subprocess.DEVNULL)
    try:
        code = process.wait(LIMIT_SECONDS * (4 if long else 1))
    except subprocess.TimeoutExpired:
        print(f"{phase}: ended after {LIMIT_SECONDS} seconds without a result", flush=True)
        process.kill()
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        end_left_behind(phase)
        raise
    end_left_behind(phase)
    count = read_report(report)
    if said := read_figures(report):
        print(f"{phase}: {describe(add_up(said))}", flush=True)
    if code not in (0, NOTHING_COLLECTED) and not count.failed:
        count.failed = 1  # it broke before or after the tests themselves
    return count


def count_collected(pytest: list[str], env: dict[str, str], arguments: list[str]) -> int:
    """How many tests a pytest command would run, one to a line whatever the arguments say of its output."""
    run = subprocess.run(
        [*pytest, "--collect-only", *arguments, "--verbosity=-1"],
        cwd=door.ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    return sum("::" in line for line in run.stdout.splitlines())


def count_written() -> int:
    """Roughly how many tests there are, without importing them."""
    return sum(path.read_text(encoding="utf-8").count("def test_") for path in (door.ROOT / "tests").rglob("test_*.py"))


def read_report(path: Path) -> Count:
    """The counts of a JUnit report; zeros where it was not written."""
    try:
        suites = ElementTree.parse(path).getroot().iter("testsuite")
    except (OSError, ElementTree.ParseError):
        return Count()
    count = Count()
    for suite in suites:
        tests, failures, errors, skipped = (int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped"))
        count.add(Count(max(0, tests - failures - errors - skipped), failures + errors, skipped))
    return count


def read_figures(path: Path) -> list[str]:
    """What fault tests counted, as it stands in a JUnit report."""
    try:
        properties = ElementTree.parse(path).getroot().iter("property")
    except (OSError, ElementTree.ParseError):
        return []
    return [str(found.get("value")) for found in properties if found.get("name") == PROPERTY]


def children() -> dict[int, str]:
    """This process's children, orphans that became its own included: command lines by number."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        facts = process_facts(folder.name)
        if facts and facts.parent == os.getpid():
            found[int(folder.name)] = facts.line
    return found


def end_left_behind(phase: str) -> None:
    """End the processes that the tests of a phase left running, after a moment to end by themselves, and name them."""
    until = time.monotonic() + 3
    while True:
        left = {pid: line for pid, line in children().items() if "tests.support.services" not in line}
        for pid in [pid for pid, line in left.items() if not line]:
            os.waitpid(pid, 0)  # it has ended already and only waits to be noticed
            del left[pid]
        if not left or time.monotonic() > until:
            break
        time.sleep(0.1)
    for pid, line in left.items():
        print(f"{phase}: left behind and ended: {line[:150]} (pid {pid})", flush=True)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
