"""Open the outbox's SQLite file: created for its owner alone, replaced if it is damaged."""

import ctypes
import os
import secrets
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from ..errors import OutboxDamagedError, OutboxError
from . import statements

_SUFFIXES = ("", "-wal", "-shm")
_DAMAGED = ("malformed", "not a database")


class NotOurs(OutboxError):
    """Report a file that is no outbox, or one of a newer version."""


def connect(path: Path, *, fsync: bool) -> sqlite3.Connection:
    """Open the outbox, and create it if it is not there.

    Raises OutboxError if it cannot be used, sqlite3.DatabaseError if it is damaged.
    """
    try:
        _create_private(path)
        connection = sqlite3.connect(
            path,
            timeout=statements.BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
    except (OSError, sqlite3.OperationalError) as error:
        raise OutboxError(f"The outbox {path} cannot be opened: {error}.") from error
    try:
        _prepare(connection, path, fsync=fsync)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_existing(path: Path) -> sqlite3.Connection:
    """Open a file as it is; create none."""
    return sqlite3.connect(path.absolute().as_uri() + "?mode=rw", uri=True, isolation_level=None)


def is_damage(error: sqlite3.Error) -> bool:
    """Return True if the file itself is broken; a full disk and a lock are no damage."""
    text = str(error)
    return isinstance(error, sqlite3.DatabaseError) and any(word in text for word in _DAMAGED)


def is_full(error: sqlite3.Error) -> bool:
    """Return True if the disk has no room."""
    return "is full" in str(error)


def is_locked(error: sqlite3.Error) -> bool:
    """Return True if another process has held its lock for too long."""
    return "is locked" in str(error)


def abandon(connection: sqlite3.Connection) -> None:
    """Leave a connection open until the process ends, whatever drops its last reference."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def set_aside(path: Path) -> Path:
    """Rename a damaged outbox with its log; `adopt` reads it from there."""
    moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    target = path.with_name(f"{path.name}.damaged-{moment}-{secrets.token_hex(2)}")
    try:
        # The log first: a new file must never meet the log of the old one.
        for suffix in reversed(_SUFFIXES):
            source = path.with_name(path.name + suffix)
            if source.exists():
                source.replace(target.with_name(target.name + suffix))
    except OSError as error:
        raise OutboxDamagedError(
            f"The outbox {path} is damaged and cannot be renamed: {error}. Move it away by hand."
        ) from error
    return target


def inode_of(path: Path) -> int | None:
    """Return the number of the file at the path; None if there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _create_private(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # An existing file is never opened here: closing it would free SQLite's locks on it.
    if not path.exists():
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _prepare(connection: sqlite3.Connection, path: Path, *, fsync: bool) -> None:
    application_id = _pragma(connection, "application_id")
    version = _pragma(connection, "user_version")
    if application_id != statements.APPLICATION_ID and _is_used(connection, application_id):
        raise NotOurs(f"{path} belongs to another program. Choose another file for the outbox.")
    if version > statements.VERSION:
        raise NotOurs(f"{path} was written by a newer turnledger. Update this one.")
    for setting in statements.SETTINGS:
        connection.execute(setting)
    connection.execute(f"PRAGMA synchronous={'FULL' if fsync else 'NORMAL'}")
    if version < statements.VERSION:
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements.CREATE:
            connection.execute(statement)
        connection.execute("COMMIT")


def _is_used(connection: sqlite3.Connection, application_id: int) -> bool:
    # Another process may be creating the outbox: then tables and id appear in one commit.
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return application_id != 0 or (tables > 0 and _pragma(connection, "application_id") == 0)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
