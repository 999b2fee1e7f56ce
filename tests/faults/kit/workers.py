"""Find and end the workers of a running service, and find their shared folder in memory."""

import os
import signal
import time
from pathlib import Path

from tests.servers import RunningService, ServerKind, wait_until

REPLACED_WITHIN_S = 30
# A worker without a heartbeat for thirty seconds is replaced.
SILENT_S = 31


def worker_ids(service: RunningService) -> set[int]:
    """Return its worker processes, without ended ones."""
    return set(workers_by_age(service))


def workers_by_age(service: RunningService) -> list[int]:
    """Return its worker processes from /proc, oldest first, without ended ones.

    Linux lists children in the order of their start. Their ids begin again at 1 after the greatest.
    """
    parent = service.process_id
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in children if is_running(int(child))]


def kill_worker(worker_id: int) -> None:
    """Kill a process with kill -9."""
    os.kill(worker_id, signal.SIGKILL)


def reload_workers(service: RunningService) -> None:
    """Send SIGHUP and wait until new workers have replaced all old ones."""
    before = worker_ids(service)
    os.kill(service.process_id, signal.SIGHUP)
    wait_until(lambda: has_replaced(service, before, before), REPLACED_WITHIN_S)


def has_replaced(service: RunningService, before: set[int], ended: set[int]) -> bool:
    """Return True once as many workers as `before` run, and none of those `ended`."""
    now = worker_ids(service)
    return len(now) == len(before) and not now & ended


def folder_of(service: RunningService) -> Path:
    """Return the folder in memory of the service, which holds the lock in it."""
    for descriptor in Path(f"/proc/{service.process_id}/fd").iterdir():
        held = descriptor.readlink()
        if held.name == "lock" and held.parent.name.startswith(f"turnledger-{os.getuid()}-"):
            return held.parent
    raise AssertionError("the service holds no folder")


def make_silent(service: RunningService, worker_id: int) -> None:
    """Stop the worker, and date its last heartbeat back by so many seconds."""
    os.kill(worker_id, signal.SIGSTOP)
    sign = folder_of(service) / f"alive_{worker_id}"
    if service.kind is ServerKind.GUNICORN:  # its file has no name
        (sign,) = (
            descriptor
            for descriptor in Path(f"/proc/{worker_id}/fd").iterdir()
            if "wgunicorn" in str(descriptor.readlink())
        )
    seen_s = time.monotonic() - SILENT_S
    os.utime(sign, (seen_s, seen_s))


def is_running(process_id: int) -> bool:
    """Return True unless the process has ended; a zombie has ended."""
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
