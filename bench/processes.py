"""Read from Linux, for processes: CPU time, resident memory, whether they are at rest."""

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.servers import wait_until

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_LOOK_EVERY_S = 0.1
# A tenth of a core; the clock of CPU time ticks every hundredth of a second.
_AT_REST_S = 0.01


def cpu_s(process_id: int) -> float:
    """Return CPU seconds of a process so far, in user and system mode."""
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def rss_mb(process_id: int, *, is_peak: bool = False) -> float:
    """Return resident megabytes of a process, now or at their peak."""
    name = "VmHWM:" if is_peak else "VmRSS:"
    lines = Path(f"/proc/{process_id}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1_024


def children(process_id: int) -> list[int]:
    """Return the running children of a process."""
    return [
        int(each)
        for each in Path(f"/proc/{process_id}/task/{process_id}/children")
        .read_text(encoding="utf-8")
        .split()
    ]


def family_cpu_s(process_id: int) -> float:
    """Return CPU seconds of a process and of its children."""
    return sum(map(cpu_s, [process_id, *children(process_id)]))


def await_rest(process_id: int, timeout_s: float = 10) -> None:
    """Wait until a process and its children have next to nothing to do any more.

    A closed loop ends with a request under way on each connection, and nobody waits for its answer:
    the next measurement must not include it. AssertionError if there is no end within `timeout_s`.
    """
    seen_s = [-math.inf]  # the first look has no figure

    def is_at_rest() -> bool:
        seen_s.append(family_cpu_s(process_id))
        return seen_s[-1] - seen_s[-2] <= _AT_REST_S

    wait_until(is_at_rest, timeout_s, every_s=_LOOK_EVERY_S)


def largest_child_mb(process_id: int) -> float:
    """Return megabytes of the largest worker of a server, or of the server if it has none."""
    return max(map(rss_mb, children(process_id) or [process_id]))


def cpu_meter(watched: Mapping[str, int]) -> Callable[[float], dict[str, float]]:
    """Start to count; return a function for the CPU seconds since then, for each 1,000.

    `watched` are heads of families by name.
    """
    before_s = {name: family_cpu_s(process) for name, process in watched.items()}

    def spent(count: float) -> dict[str, float]:
        return {
            f"cpu_s_{name}": (family_cpu_s(process) - before_s[name]) / count * 1_000
            for name, process in watched.items()
        }

    return spent
