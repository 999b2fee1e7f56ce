"""Owners of rows: each process holds an OS lock for as long as it lives.

Process ids say less: containers that share a volume repeat them.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

try:
    import fcntl
except ImportError:  # no file locks on this system: the outbox is in memory
    fcntl = None  # type: ignore[assignment]

CAN_LOCK = fcntl is not None


class Owner:
    """The lock of this process beside the outbox `path`."""

    def __init__(self, path: Path) -> None:
        self.id = secrets.token_hex(8)
        self._path = _lock_path(path, self.id)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """End the ownership; rows that are left belong to nobody."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def forget(self) -> None:
        """Close the lock in a forked child. The parent keeps it: they share the open file."""
        os.close(self._descriptor)


class DeadOwner:
    """The lock of an owner that has ended; hold it while its rows are taken over."""

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self._path = path
        self._descriptor = descriptor

    def release(self) -> None:
        """Remove the lock."""
        self._path.unlink(missing_ok=True)
        if self._descriptor is not None:
            os.close(self._descriptor)


def find_dead(path: Path, owner_id: str) -> DeadOwner | None:
    """Return the lock of an owner that has ended; None if it lives."""
    lock = _lock_path(path, owner_id)
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return DeadOwner(lock, None)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return DeadOwner(lock, descriptor)


def _lock_path(path: Path, owner_id: str) -> Path:
    return path.with_name(f"{path.name}.owner-{owner_id}")
