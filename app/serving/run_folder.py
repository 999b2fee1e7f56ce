"""Keep the folder in memory that one run of the service shares: metrics and heartbeats of workers.

`prometheus_client` takes its name from `PROMETHEUS_MULTIPROC_DIR`. A folder that the operator has
chosen is used and kept; otherwise the run makes one and deletes it at its end. The next start
deletes what a killed run has left behind.
"""

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from app.serving.web import refuse
from config.variables import Variables

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only probed, and folders in it have private names
MEMORY = str(_SHARED_MEMORY) if os.access(_SHARED_MEMORY, os.W_OK) else None
_PREFIX = f"turnledger-{os.getuid()}-"
_HEARTBEAT = "alive_"
# prometheus_client's names and our own; what else lies in an operator's folder is not ours.
_STALE = ("counter_*.db", "gauge_*.db", "histogram_*.db", "summary_*.db", f"{_HEARTBEAT}[0-9]*")
# Held by the run as long as it lives. Module state, because gunicorn reads its file anew on HUP.
_own: dict[str, int] = {}


def open_folder() -> Path:
    """Return this run's folder, empty of counters; choose and export it first if there is none."""
    variables = Variables()
    name = variables.text(VARIABLE)
    if VARIABLE in variables.problems:
        refuse(VARIABLE, os.environ[VARIABLE], variables.problems[VARIABLE])
    if name is None:
        _delete_abandoned()
        name = tempfile.mkdtemp(prefix=_PREFIX, dir=MEMORY)
        _own[name] = _lock(Path(name))
    os.environ[VARIABLE] = name  # prometheus_client takes it as it stands
    folder = Path(name)
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        refuse(VARIABLE, name, "set a folder that can be made and written to, or unset it")
    for pattern in _STALE:
        for left in folder.glob(pattern):
            left.unlink()
    return folder


def close_folder() -> None:
    """Delete the folder if this run made it."""
    for name in _own:
        shutil.rmtree(name, ignore_errors=True)


def note_heartbeat(folder: Path, process_id: int) -> None:
    """Note that a worker is alive now."""
    now_s = time.monotonic()  # a step of the wall clock must not look like a hung worker
    heartbeat = folder / f"{_HEARTBEAT}{process_id}"
    heartbeat.touch()
    os.utime(heartbeat, (now_s, now_s))


def heartbeat_age_s(folder: Path, process_id: int) -> float:
    """Return how long ago the last heartbeat of a worker was; 0 before its first."""
    try:
        return time.monotonic() - (folder / f"{_HEARTBEAT}{process_id}").stat().st_mtime
    except FileNotFoundError:
        return 0.0


def workers(folder: Path) -> list[int]:
    """Return the process ids of all workers that have had a heartbeat and are not forgotten."""
    names = [
        heartbeat.name.removeprefix(_HEARTBEAT) for heartbeat in folder.glob(f"{_HEARTBEAT}[0-9]*")
    ]
    return [int(name) for name in names if name.isdecimal()]


def forget_worker(folder: Path, process_id: int) -> None:
    """Delete what a worker that has ended reported of its present state."""
    # Not by the library's `mark_process_dead`: the parent must not import it.
    for left in [
        *folder.glob(f"gauge_live*_{process_id}.db"),
        folder / f"{_HEARTBEAT}{process_id}",
    ]:
        left.unlink(missing_ok=True)


def _lock(folder: Path) -> int:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _delete_abandoned() -> None:
    for lock in Path(MEMORY or tempfile.gettempdir()).glob(f"{_PREFIX}*/lock"):
        with suppress(OSError):  # another run holds it
            os.close(_lock(lock.parent))
            shutil.rmtree(lock.parent, ignore_errors=True)
