"""Manage the folder that one run shares: the metrics and heartbeats of its workers.

`prometheus_client` reads its name from `PROMETHEUS_MULTIPROC_DIR`. A folder that the operator has
set is used and kept. Otherwise the run creates one in memory and deletes it at its end. The next
start deletes the folder of a killed run.
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
# prometheus_client's names and our own; other files in an operator's folder are not ours.
_STALE = ("counter_*.db", "gauge_*.db", "histogram_*.db", "summary_*.db", f"{_HEARTBEAT}[0-9]*")
# Locked until the run ends. Module state, because gunicorn reads its settings file again on HUP.
_own: dict[str, int] = {}


def open_folder() -> Path:
    """Return this run's folder without old counters; create and export it if none is set."""
    variables = Variables()
    name = variables.text(VARIABLE)
    if VARIABLE in variables.problems:
        refuse(VARIABLE, os.environ[VARIABLE], variables.problems[VARIABLE])
    if name is None:
        _delete_abandoned()
        name = tempfile.mkdtemp(prefix=_PREFIX, dir=MEMORY)
        _own[name] = _lock(Path(name))
    os.environ[VARIABLE] = name  # prometheus_client uses it unchanged
    folder = Path(name)
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        refuse(VARIABLE, name, "set a folder that can be created and written to, or unset it")
    for pattern in _STALE:
        for left in folder.glob(pattern):
            left.unlink()
    return folder


def close_folder() -> None:
    """Delete the folder if this run made it."""
    for name in _own:
        shutil.rmtree(name, ignore_errors=True)


def note_heartbeat(folder: Path, process_id: int) -> None:
    """Record that a worker is alive now."""
    now_s = time.monotonic()  # a jump of the wall clock must not look like a hung worker
    heartbeat = folder / f"{_HEARTBEAT}{process_id}"
    heartbeat.touch()
    os.utime(heartbeat, (now_s, now_s))


def heartbeat_age_s(folder: Path, process_id: int) -> float:
    """Return the seconds since the last heartbeat of a worker; 0 before its first."""
    try:
        return time.monotonic() - (folder / f"{_HEARTBEAT}{process_id}").stat().st_mtime
    except FileNotFoundError:
        return 0.0


def workers(folder: Path) -> list[int]:
    """Return the process ids of all workers with a heartbeat that were not removed."""
    names = [
        heartbeat.name.removeprefix(_HEARTBEAT) for heartbeat in folder.glob(f"{_HEARTBEAT}[0-9]*")
    ]
    return [int(name) for name in names if name.isdecimal()]


def remove_worker(folder: Path, process_id: int) -> None:
    """Delete the heartbeat and the live gauges of an ended worker; its counters stay."""
    # The library's `mark_process_dead` does this, but the parent must not import the library.
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
