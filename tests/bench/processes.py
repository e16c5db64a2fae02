"""What the processes of a system cost, as Linux tells it. Elsewhere: None, and the table says so."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")


def cpu_seconds(pids: Iterable[int], proc: Path = PROC) -> float | None:
    """CPU time, user and system, that these processes have had since they began."""
    ticks = 0
    for pid in pids:
        try:
            # the name of a program may hold spaces and parentheses: the fields after it are counted from its end
            fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident(pids: Iterable[int], proc: Path = PROC) -> float | None:
    """MB of memory that these processes hold, shared pages counted for each."""
    kilobytes = 0
    for pid in pids:
        try:
            lines = (proc / str(pid) / "status").read_text().splitlines()
        except OSError:
            return None
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return kilobytes / 1024


def family(pid: int, proc: Path = PROC) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        for task in (proc / str(each) / "task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue  # it ended meanwhile
    return found
