"""What Linux tells of processes: CPU time and resident memory."""

import os
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(process_id: int) -> float:
    """CPU seconds of a process so far, its own and the system's for it."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def rss_mb(process_id: int, *, is_peak: bool = False) -> float:
    """Megabytes that a process has in memory now, or had at most."""
    name = "VmHWM:" if is_peak else "VmRSS:"
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1_024
