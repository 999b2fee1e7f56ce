"""Lock the rows of a process as long as it lives; the system frees the lock when it dies.

Each owner holds `flock` on a file of its own beside the outbox. A frozen process keeps its lock, so
nothing is taken from it. Process ids are not used: containers that share a volume repeat them.
"""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: the outbox is kept in memory there
    fcntl = None  # type: ignore[assignment]

_MIDDLE = ".owner-"
# A frozen process must not keep others from starting for ever.
_MOST_WAIT_S = 5.0
_LOOK_AGAIN_S = 0.005


def can_lock() -> bool:
    """Return True if this system has the locks that the file needs."""
    return fcntl is not None


class Owner:
    """Hold the lock of one owner; `name` is what its rows carry."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.name = path.name.rpartition(_MIDDLE)[2]
        self._descriptor: int | None = descriptor

    @classmethod
    def create(cls, outbox: Path) -> "Owner":
        """Become an owner under a new name."""
        while True:
            path = outbox.with_name(outbox.name + _MIDDLE + secrets.token_hex(8))
            owner = cls.seize(path, os.O_CREAT | os.O_EXCL)
            # Another process may have taken the file for that of a dead owner, and removed it.
            if owner is not None:
                return owner

    @classmethod
    def seize(cls, path: Path, flags: int = 0) -> "Owner | None":
        """Take the lock of a dead owner; None if it lives, or if its file is gone."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
        except (FileNotFoundError, FileExistsError):
            return None
        try:
            if _has_locked(descriptor) and os.fstat(descriptor).st_ino == path.stat().st_ino:
                return cls(path, descriptor)
        except OSError:
            pass
        os.close(descriptor)
        return None

    def release(self, *, remove: bool) -> None:
        """Free the lock; `remove` the file if no row carries the name."""
        if self._descriptor is None:
            return
        if remove:
            self.path.unlink(missing_ok=True)
        self.leave_to_parent()

    def leave_to_parent(self) -> None:
        """Close this process's copy of the lock: after a fork the parent still holds its own."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def others(outbox: Path, own: str) -> Iterator[Path]:
    """Yield the lock files of all other owners."""
    beginning = outbox.name + _MIDDLE
    for path in outbox.parent.iterdir():
        if path.name.startswith(beginning) and path.name != beginning + own:
            yield path


def exists(outbox: Path, name: str) -> bool:
    """Return True if the owner has a lock file."""
    return bool(name) and outbox.with_name(outbox.name + _MIDDLE + name).exists()


@contextmanager
def alone(outbox: Path) -> Iterator[None]:
    """Create or replace the outbox while no other process does; wait five seconds at most."""
    outbox.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = outbox.with_name(outbox.name + ".setup")
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + _MOST_WAIT_S
        while not _has_locked(descriptor) and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN_S)
        yield
    finally:
        os.close(descriptor)


def _has_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
