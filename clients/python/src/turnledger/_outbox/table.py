"""Hold the outbox's rows in SQLite, by one connection that each process keeps."""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from .._core.values import Account, Row, State
from ..errors import OutboxError, OutboxFullError
from . import rules, statements
from .database import (
    abandon,
    connect,
    connect_existing,
    inode_of,
    is_damage,
    is_full,
    is_locked,
    set_aside,
)
from .owners import Owner, alone, exists, others
from .transactions import make_room, transaction

_log = logging.getLogger("turnledger")
_T = TypeVar("_T")
# A commit of one row writes one page of 4 KiB, and one of many rows about one for ten of them.
_CHECKPOINT_PAGES = 1_024
_ROWS_OF_A_PAGE = 10


class SqliteTable:
    """Read and write the table; its user holds a lock around each call."""

    def __init__(self, path: Path, account: Account, *, fsync: bool) -> None:
        self._path = path
        self._account = account
        self._mine = (account.fingerprint, account.fingerprint)
        self._fsync = fsync
        self._connection: sqlite3.Connection | None = None
        self._owner: Owner | None = None
        self._begin()

    def _begin(self) -> None:
        self._owner = None
        self._name = ""
        self._inode: int | None = None
        self._numbers = rules.Numbers()
        self._has_searched = False
        self._pages = 0
        self._waits_briefly = False

    def insert(
        self, turn_id: str, state: State, body: str, interaction_id: str | None, now_ms: int
    ) -> int:
        """Add a row of this process; return its seq."""
        return self._run(
            lambda connection: self._insert(
                connection, (turn_id, interaction_id, int(state)), body, now_ms
            )
        )

    def _insert(
        self,
        connection: sqlite3.Connection,
        turn: tuple[str, str | None, int],
        body: str,
        now_ms: int,
    ) -> int:
        account, name = self._account.fingerprint, self._name
        self._pages += 1
        while True:
            seq = self._numbers.following(now_ms)
            try:
                connection.execute(statements.INSERT, (seq, account, *turn, name, body, now_ms))
            except sqlite3.IntegrityError:  # another process has used the number
                self._numbers.skip()
            else:
                return seq

    def end(self, seq: int, state: State, body: str) -> bool:
        """Replace state and body; return False if the row is gone."""
        self._pages += 1
        values = (int(state), body, seq)
        return self._run(
            lambda connection: (
                connection.execute(statements.END, (*values, self._name)).rowcount > 0
            )
        )

    def delete(self, seqs: Sequence[int]) -> None:
        """Remove rows."""
        self._change_each(statements.DELETE, [(seq,) for seq in seqs])

    def postpone(self, seqs: Sequence[int], due_ms: int) -> None:
        """Save when rows are due, and count one more try."""
        self._change_each(statements.POSTPONE, [(due_ms, seq) for seq in seqs])

    def refuse(self, pairs: Sequence[tuple[int, str]]) -> None:
        """Save why rows are never sent again."""
        self._change_each(statements.REFUSE, [(reason, seq) for seq, reason in pairs])

    def read(self, seqs: Sequence[int]) -> list[Row]:
        """Return the rows that are there, oldest first."""
        return self._rows(statements.select_rows(len(seqs)), seqs)

    def refused(self) -> list[Row]:
        """Return this account's refused rows, oldest first."""
        return self._rows(statements.REFUSED, self._mine)

    def count(self) -> int:
        """Count all rows, also those of other accounts and processes."""
        return int(self._all(statements.COUNT)[0][0])

    def states(self) -> dict[int, int]:
        """Count this account's rows by their state."""
        return dict(self._all(statements.COUNTS, self._mine))

    def make_room(self, count: int) -> int:
        """Remove refused rows, then uncharged ones, oldest first; return how many."""
        return self._run(lambda connection: make_room(connection, count))

    def take_over(self) -> list[int]:
        """Become the owner of rows of dead processes; return those to send."""
        self._run(lambda _: None)  # opens the file
        paths = others(self._path, self._name)
        seized = [owner for path in paths if (owner := Owner.seize(path))]
        names = [owner.name for owner in seized] + self._names_without_file()
        try:
            return self._run(lambda connection: self._take(connection, names)) if names else []
        finally:
            for owner in seized:
                owner.release(remove=self._is_empty(owner.name))

    def needs_identity(self) -> bool:
        """Return True until this key's organization is known."""
        return self._all(statements.IDENTITY, self._mine[:1]) == [(None,)]

    def identify(self, organization_id: str, environment: str) -> None:
        """Save the organization and environment of this key."""
        account = self._account
        self._all(statements.IDENTIFY, (organization_id, environment, account.fingerprint))
        self._has_searched = False

    def checkpoint(self) -> None:
        """Copy the log into the database after each 4 MiB of this process.

        Another connection does it, so that no caller waits for the disk.
        """
        if self._pages < _CHECKPOINT_PAGES:
            return
        self._pages = 0
        try:
            with closing(connect_existing(self._path)) as connection:
                connection.execute(statements.CHECKPOINT).fetchall()
        except sqlite3.Error as error:
            _log.debug("No checkpoint", extra={"error": str(error)})

    def adopt(
        self,
        accounts: Sequence[tuple[Any, ...]],
        turns: Sequence[tuple[Any, ...]],
        now_ms: int,
    ) -> None:
        """Add rows of another file; they keep their account."""
        self._run(lambda connection: self._adopt(connection, accounts, turns, now_ms))

    def suspend(self) -> None:
        """Close the connection, and open it again at the next call."""
        if self._connection is not None:
            if inode_of(self._path) == self._inode:
                self._connection.close()
            else:  # closing would remove the log of the file that is there now
                abandon(self._connection)
            self._connection = None

    def restart(self) -> None:
        """Begin as a new process without rows."""
        if self._owner is not None:
            self._owner.leave_to_parent()
        # Only if the fork came in the middle of a call; SQLite forbids to close it here.
        if self._connection is not None:
            abandon(self._connection)
            self._connection = None
        self._begin()

    def close(self) -> None:
        """Free the file; its lock stays behind if rows are left."""
        if self._owner is not None:
            try:
                self._owner.release(remove=self._is_empty(self._owner.name))
            finally:
                self.suspend()
                self._begin()

    def _run(self, action: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run on an open file; replace it once if it is damaged."""
        try:
            result = action(self._connection or self._connect())
        except sqlite3.Error as error:
            if not is_damage(error):
                if is_locked(error):
                    self._wait_at_most(statements.BRIEF_TIMEOUT_S)
                raise _translated(error) from error
        else:
            if self._waits_briefly:
                self._wait_at_most(statements.BUSY_TIMEOUT_S)
            return result
        self._replace()
        try:
            return action(self._connection or self._connect())
        except sqlite3.Error as error:
            raise _translated(error) from error

    def _wait_at_most(self, seconds: float) -> None:
        """Wait so long for other processes.

        One that is frozen in a transaction costs each caller little after the first.
        """
        if self._connection is not None:
            self._connection.execute(f"PRAGMA busy_timeout={int(seconds * 1000)}")
            self._waits_briefly = seconds < statements.BUSY_TIMEOUT_S

    def _connect(self) -> sqlite3.Connection:
        try:
            with alone(self._path):
                connection = self._connect_alone()
                if self._owner is None:
                    self._owner = Owner.create(self._path)
                    self._name = self._owner.name
        except OSError as error:
            raise OutboxError(f"The outbox {self._path} cannot be opened: {error}.") from error
        account = self._account
        if account.fingerprint:
            connection.execute(statements.ADD_ACCOUNT, (account.fingerprint, account.base_url))
        self._connection = connection
        self._waits_briefly = False
        return connection

    def _connect_alone(self) -> sqlite3.Connection:
        try:
            connection = connect(self._path, fsync=self._fsync)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._set_aside()
            connection = connect(self._path, fsync=self._fsync)
        self._inode = inode_of(self._path)
        return connection

    def _replace(self) -> None:
        with alone(self._path):
            is_there = inode_of(self._path) == self._inode
            self.suspend()
            # Otherwise another process has replaced it.
            if is_there:
                self._set_aside()

    def _set_aside(self) -> None:
        target = set_aside(self._path)
        _log.error(
            "The outbox was damaged and renamed: run `python -m turnledger adopt`",
            extra={"file": str(target)},
        )

    def _take(self, connection: sqlite3.Connection, names: Sequence[str]) -> list[int]:
        seqs: list[int] = []
        with transaction(connection):
            for name in names:
                found = connection.execute(statements.OWNED, (name, *self._mine)).fetchall()
                seqs.extend(seq for (seq,) in found)
                if found:
                    connection.execute(
                        statements.TAKE_OVER,
                        (self._name, self._account.fingerprint, name, *self._mine),
                    )
        return seqs

    def _names_without_file(self) -> list[str]:
        """Return owners whose lock was removed; searched once, for it reads the whole table."""
        if self._has_searched:
            return []
        self._has_searched = True
        names = (name for (name,) in self._all(statements.OWNERS, self._mine))
        return [name for name in names if not exists(self._path, name)]

    def _is_empty(self, name: str) -> bool:
        """Return True if no row needs the owner's lock file. If unsure, it stays."""
        try:
            return self._all(statements.LEFT_BY, (name,)) == [(0,)]
        except OutboxError:
            return False

    def _adopt(
        self,
        connection: sqlite3.Connection,
        accounts: Sequence[tuple[Any, ...]],
        turns: Sequence[tuple[Any, ...]],
        now_ms: int,
    ) -> None:
        with transaction(connection):
            connection.executemany(statements.COPY_ACCOUNT, accounts)
            for account, turn_id, interaction_id, state, body, created_ms, tries, refusal in turns:
                seq = self._insert(connection, (turn_id, interaction_id, state), body, now_ms)
                connection.execute(statements.ADOPT, (account, created_ms, tries, refusal, seq))

    def _change_each(self, statement: str, values: Sequence[tuple[Any, ...]]) -> None:
        self._run(lambda connection: self._change(connection, statement, values))

    def _change(
        self, connection: sqlite3.Connection, statement: str, values: Sequence[tuple[Any, ...]]
    ) -> None:
        self._pages += len(values) // _ROWS_OF_A_PAGE + 1
        if len(values) == 1:
            connection.execute(statement, (*values[0], self._name))
            return
        with transaction(connection):
            connection.executemany(statement, [(*each, self._name) for each in values])

    def _rows(self, statement: str, values: Sequence[Any]) -> list[Row]:
        return [
            Row(seq, turn_id, interaction_id, State(state), *rest)
            for seq, turn_id, interaction_id, state, *rest in self._all(statement, values)
        ]

    def _all(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._run(lambda connection: connection.execute(statement, values).fetchall())


def _translated(error: sqlite3.Error) -> OutboxError:
    if is_full(error):
        return OutboxFullError(f"The disk of the outbox is full: {error}.")
    return OutboxError(f"The outbox cannot be used: {error}.")
