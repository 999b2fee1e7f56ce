"""The workers of a running gunicorn, and their end."""

import os
import signal
from pathlib import Path

from tests.servers import RunningService


def worker_ids(service: RunningService) -> set[int]:
    """Its worker processes as the kernel lists them, without those that have ended."""
    master = service.process_id
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return {int(child) for child in children if _is_alive(int(child))}


def kill_worker(worker_id: int) -> None:
    """Kill -9."""
    os.kill(worker_id, signal.SIGKILL)


def drain_worker(worker_id: int) -> None:
    """SIGTERM."""
    os.kill(worker_id, signal.SIGTERM)


def _is_alive(process_id: int) -> bool:
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
