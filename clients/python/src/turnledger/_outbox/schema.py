"""Open an outbox file: its schema, and the faults of the file and its disk."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from pathlib import Path

from ..errors import OutboxDamagedError

APPLICATION_ID = 0x544C4544
VERSION = 1
BUSY_TIMEOUT_MS = 5_000
# WAL needs memory that all processes share, which these file systems do not have.
_NETWORK_DISKS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "ceph", "glusterfs")
_log = logging.getLogger("turnledger")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS account (
  fingerprint TEXT PRIMARY KEY, base_url TEXT, environment TEXT, organization_id TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS turn (
  seq INTEGER PRIMARY KEY, account TEXT NOT NULL, turn_id TEXT NOT NULL, interaction_id TEXT,
  state INTEGER NOT NULL, owner TEXT NOT NULL, body TEXT NOT NULL, created_ms INTEGER NOT NULL,
  due_ms INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0, refusal TEXT
);
"""


def open_file(path: Path, *, fsync: bool) -> sqlite3.Connection:
    """Open or create the outbox at `path`; a damaged file is renamed and begun anew.

    Raises OSError or sqlite3.OperationalError if the file cannot be written.
    """
    try:
        return _open(path, fsync=fsync)
    except (sqlite3.DatabaseError, OutboxDamagedError) as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        renamed = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
        path.rename(renamed)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        _log.error(
            "The outbox %s is damaged. It was renamed to %s, and a new one was begun. "
            "Run `python -m turnledger adopt %s` to take over what can be read.",
            path,
            renamed.name,
            renamed,
        )
        return _open(path, fsync=fsync)


def open_memory() -> sqlite3.Connection:
    """Return an outbox that ends with the process."""
    connection = _connect(":memory:")
    connection.executescript(_SCHEMA)
    return connection


def is_on_network_disk(path: Path) -> bool:
    """Return True if the nearest existing folder of `path` is on a network disk."""
    folder = next(parent for parent in path.parents if parent.exists())
    try:
        lines = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return False
    mounts = sorted((line.split()[1:3] for line in lines), key=lambda mount: -len(mount[0]))
    for point, kind in mounts:
        if folder == Path(point) or Path(point) in folder.parents:
            return kind in _NETWORK_DISKS
    return False


def _open(path: Path, *, fsync: bool) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # SQLite would create it with the permissions of the umask.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = _connect(str(path))
    try:
        _require_ours(connection, path)
        connection.execute("PRAGMA journal_mode=WAL").fetchone()
        connection.execute(f"PRAGMA synchronous={'FULL' if fsync else 'NORMAL'}")
        # Only the sender checkpoints: a producer never waits for it.
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(where: str) -> sqlite3.Connection:
    connection = sqlite3.connect(where, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    return connection


def _require_ours(connection: sqlite3.Connection, path: Path) -> None:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables_count,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application_id == APPLICATION_ID and version == VERSION:
        return
    if application_id == 0 and tables_count == 0:
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={VERSION}")
        return
    raise OutboxDamagedError(f"{path} is no outbox of this version.")
