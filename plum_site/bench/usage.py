"""What processes spend and hold, as the kernel counts it."""

import os
from collections.abc import Iterable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
KILOBYTE = 1024


def processor_seconds(main: int) -> float:
    """
    What a process and all its descendants have used of the processor so far, those that have ended included.

    Only the difference of two readings says something: descendants that had ended before the first one count in both.
    """
    total = 0
    for pid in family(main):
        fields = read_stat(pid)
        if fields:
            own, ended = fields[11:13], fields[13:15]  # utime, stime; cutime, cstime
            total += sum(map(int, own)) + sum(map(int, ended))
    return total / TICKS


def family(main: int) -> list[int]:
    """A process and its living descendants."""
    parents = {int(path.name): read_stat(int(path.name)) for path in Path("/proc").glob("[0-9]*")}
    found, waiting = [], [main]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += [other for other, fields in parents.items() if fields and int(fields[1]) == pid]
    return found


def read_stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty where the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def resident(pid: int | str, line: str) -> int:
    """One line of a process's status in kilobytes, such as VmRSS or VmHWM (the peak)."""
    for text in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        name, _, value = text.partition(":")
        if name == line:
            return int(value.split()[0])
    raise LookupError(f"/proc/{pid}/status has no {line} on this machine")


def largest_peak(pids: Iterable[int]) -> float:
    """The highest peak of memory among some processes, in MB."""
    return max(resident(pid, "VmHWM") for pid in pids) / KILOBYTE


def server_process(backend: int) -> int | None:
    """The process of the PostgreSQL server that a backend belongs to; None where it runs on another machine."""
    fields = read_stat(backend)
    try:
        name = Path(f"/proc/{backend}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return int(fields[1]) if fields and name.startswith("postgres") else None
