"""Rows of the outbox: written by turns, sent by the sender, taken over from ended processes."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from .._core.values import Account, Row, State
from ..errors import OutboxError, OutboxFullError
from ..types import Counts, Refused
from . import owners, schema
from .owners import Owner

IN_MEMORY = "memory"
# Rows are counted once in so many inserts: other processes share the file.
_RECOUNT_AFTER = 1_000
_COLUMNS = "seq, turn_id, interaction_id, state, body, created_ms, tries"
_INSERT = (
    "INSERT INTO turn (account, turn_id, interaction_id, state, owner, body, created_ms) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
# Bodies are compact JSON of this package, so a status is found without parsing.
_IS_UNCHARGED = (
    "state = 3 OR state IN (1, 2) AND "
    '(body LIKE \'%"status":"failed"%\' OR body LIKE \'%"status":"timed_out"%\')'
)
_log = logging.getLogger("turnledger")
_all: weakref.WeakSet[Outbox] = weakref.WeakSet()
# Connections of a parent process. To close one would end the parent's locks.
_inherited: list[sqlite3.Connection | None] = []


class Outbox:
    """Turns of one account; safe between threads and after a fork. Opens nothing at first.

    `path` None keeps the turns in memory. Methods raise OutboxError if the file fails.
    """

    def __init__(
        self,
        path: Path | None,
        account: Account,
        *,
        max_turns: int = 100_000,
        fsync: bool = False,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._path = path
        self._account = account
        self._max_turns = max_turns
        self._fsync = fsync
        self._now_ms = now_ms
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None
        self._owner: Owner | None = None
        self._room = 0
        _all.add(self)

    @property
    def is_durable(self) -> bool:
        """Return True if turns outlive this process."""
        with self._work():
            return self._owner is not None

    @property
    def path(self) -> Path | None:
        """The file; None if the turns are in memory."""
        return self._path if self._owner is not None else None

    def open(self, turn_id: str, body: str, interaction_id: str | None = None) -> int:
        """Keep a turn that begins; return its number.

        `body` is recorded if this process ends before the turn does. OutboxFullError as `add`.
        """
        return self.add(turn_id, State.OPEN, body, interaction_id)

    def add(self, turn_id: str, state: State, body: str, interaction_id: str | None = None) -> int:
        """Keep a turn; return its number. OutboxFullError if charged turns leave no room."""
        with self._work() as connection:
            if self._room <= 0:
                self._make_room(connection, turn_id)
            self._room -= 1
            values = (
                *(self._account.fingerprint, turn_id, interaction_id, int(state)),
                *(self._owner_id, body, self._now_ms()),
            )
            seq = connection.execute(_INSERT, values).lastrowid
            assert seq is not None  # noqa: S101 - SQLite promises it after an insert
            return seq

    def end(self, seq: int, state: State, body: str) -> None:
        """Let the turn be sent, with the `body` of its end."""
        with self._work() as connection:
            connection.execute(
                "UPDATE turn SET state = ?, body = ? WHERE seq = ?", (int(state), body, seq)
            )

    def drop(self, seq: int) -> None:
        """Remove a turn: it is not recorded, or its caller has delivered it."""
        self.delivered([seq])

    def due(self, limit: int) -> list[Row]:
        """Return own turns that may be sent now, oldest first."""
        with self._work() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM turn "  # noqa: S608 - constants
                "WHERE owner = ? AND state IN (1, 2, 3) AND due_ms <= ? ORDER BY seq LIMIT ?",
                (self._owner_id, self._now_ms(), limit),
            ).fetchall()
        return [Row(seq, turn, id_, State(state), *rest) for seq, turn, id_, state, *rest in rows]

    def next_due_ms(self) -> int | None:
        """Return the instant at which the next own turn may be sent; None if none waits."""
        with self._work() as connection:
            (due_ms,) = connection.execute(
                "SELECT min(due_ms) FROM turn WHERE owner = ? AND state IN (1, 2, 3)",
                (self._owner_id,),
            ).fetchone()
        return None if due_ms is None else int(due_ms)

    def delivered(self, seqs: Sequence[int]) -> None:
        """Remove turns that the ledger has."""
        with self._work() as connection, _transaction(connection):
            connection.executemany("DELETE FROM turn WHERE seq = ?", [(seq,) for seq in seqs])

    def postpone(self, seqs: Sequence[int], due_ms: int) -> None:
        """Send turns not before an instant, and count a try."""
        with self._work() as connection, _transaction(connection):
            connection.executemany(
                "UPDATE turn SET due_ms = ?, tries = tries + 1 WHERE seq = ?",
                [(due_ms, seq) for seq in seqs],
            )

    def refuse(self, refusals: Sequence[tuple[int, str]]) -> None:
        """Keep turns that the ledger refused for good, each with the reason."""
        with self._work() as connection, _transaction(connection):
            connection.executemany(
                "UPDATE turn SET state = 4, refusal = ? WHERE seq = ?",
                [(reason, seq) for seq, reason in refusals],
            )

    def take_over(self) -> int:
        """Take the rows of ended processes; an open turn of theirs is recorded as it was opened.

        Returns how many. Rows of another key are taken only if both keys are known to be of one
        organization and environment, at one address.
        """
        if self._path is None or not self.is_durable:
            return 0
        with self._work() as connection:
            found = connection.execute(
                "SELECT DISTINCT owner FROM turn WHERE owner <> ?", (self._owner_id,)
            ).fetchall()
            return sum(self._take_from(connection, owner_id) for (owner_id,) in found)

    def learn_account(self, organization_id: str, environment: str) -> None:
        """Note whose key this is, as `/v1/me` has named it."""
        who = self._account
        with self._work() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO account VALUES (?, ?, ?, ?)",
                (who.fingerprint, who.base_url, environment, organization_id),
            )

    def knows_account(self) -> bool:
        """Return True if `learn_account` has noted this key."""
        with self._work() as connection:
            found = connection.execute(
                "SELECT 1 FROM account WHERE fingerprint = ?", (self._account.fingerprint,)
            ).fetchone()
        return found is not None

    def counts(self) -> Counts:
        """Count the turns of all processes in the file."""
        with self._work() as connection:
            found = dict(
                connection.execute("SELECT state, count(*) FROM turn GROUP BY state").fetchall()
            )
        waiting = sum(found.get(state, 0) for state in (State.RECORD, State.COMPLETE, State.CANCEL))
        return Counts(found.get(State.OPEN, 0), waiting, found.get(State.REFUSED, 0))

    def waiting_count(self) -> int:
        """Count own turns that wait to be sent."""
        with self._work() as connection:
            (count,) = connection.execute(
                "SELECT count(*) FROM turn WHERE owner = ? AND state IN (1, 2, 3)",
                (self._owner_id,),
            ).fetchone()
        return int(count)

    def refused(self) -> Iterator[Refused]:
        """Yield the turns that the ledger refused for good, oldest first."""
        with self._work() as connection:
            rows = connection.execute(
                "SELECT turn_id, refusal, body FROM turn WHERE state = 4 ORDER BY seq"
            ).fetchall()
        for turn_id, reason, body in rows:
            yield Refused(turn_id, reason or "", body)

    def export(self, file: str | os.PathLike[str]) -> int:
        """Write refused turns to an NDJSON file for `flask turns import`; return how many.

        A turn without `occurred_at`, which only its reservation knows, is left out.
        """
        count = 0
        with Path(file).open("w", encoding="utf-8") as lines:
            for turn in self.refused():
                if '"occurred_at":' in turn.body:
                    lines.write(f"{turn.body}\n")
                    count += 1
        return count

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file."""
        if self.is_durable:
            with self._work() as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Close the file; the next process takes what is left. A later call opens it again."""
        with self._lock:
            connection, owner = self._connection, self._owner
            self._connection = self._owner = None
            if connection is not None:
                connection.close()
            if owner is not None:
                owner.release()

    @property
    def _owner_id(self) -> str:
        return IN_MEMORY if self._owner is None else self._owner.id

    @contextmanager
    def _work(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection or self._opened()
            except sqlite3.Error as error:
                raise OutboxError(f"The outbox failed: {error}.") from error

    def _opened(self) -> sqlite3.Connection:
        if self._path is not None:
            try:
                reason = _unusable(self._path)
                if reason is None:
                    self._connection = schema.open_file(self._path, fsync=self._fsync)
                    self._owner = Owner(self._path)
                    return self._connection
            except (OSError, sqlite3.OperationalError) as error:
                reason = str(error)
            _log.warning(
                "The outbox %s cannot be used (%s). Turns are kept in memory until they are sent: "
                "set TURNLEDGER_OUTBOX to a file on a local disk.",
                self._path,
                reason,
            )
        self._connection = schema.open_memory()
        return self._connection

    def _make_room(self, connection: sqlite3.Connection, turn_id: str) -> None:
        """Count the rows. Without room remove refused rows, then uncharged ones, oldest first."""
        self._room = self._count_room(connection)
        for condition in ("state = 4", _IS_UNCHARGED):
            if self._room > 0:
                break
            connection.execute(
                "DELETE FROM turn WHERE seq IN "  # noqa: S608 - constants
                f"(SELECT seq FROM turn WHERE {condition} ORDER BY seq LIMIT ?)",
                (max(1, min(_RECOUNT_AFTER, self._max_turns // 10)),),
            )
            self._room = self._count_room(connection)
        if self._room <= 0:
            raise OutboxFullError(
                f"The outbox holds {self._max_turns} charged turns: send them, or raise "
                "outbox_max_turns.",
                turn_id=turn_id,
            )

    def _count_room(self, connection: sqlite3.Connection) -> int:
        (count,) = connection.execute("SELECT count(*) FROM turn").fetchone()
        return min(self._max_turns - int(count), _RECOUNT_AFTER)

    def _take_from(self, connection: sqlite3.Connection, owner_id: str) -> int:
        assert self._path is not None  # noqa: S101 - `take_over` has checked it
        dead = owners.find_dead(self._path, owner_id)
        if dead is None:
            return 0
        mine = self._account.fingerprint
        try:
            taken = connection.execute(
                "UPDATE turn SET owner = ?, account = ?, state = CASE WHEN state <> 0 THEN state "
                "WHEN interaction_id IS NULL THEN 1 ELSE 2 END "
                "WHERE owner = ? AND state <> 4 AND (account = ? OR account IN "
                "(SELECT a.fingerprint FROM account a JOIN account b ON a.base_url = b.base_url "
                "AND a.environment = b.environment AND a.organization_id = b.organization_id "
                "WHERE b.fingerprint = ?))",
                (self._owner_id, mine, owner_id, mine, mine),
            ).rowcount
        finally:
            dead.release()
        return int(taken)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _unusable(path: Path) -> str | None:
    """Return why no process could share the file; None if it can be used."""
    if not owners.CAN_LOCK:
        return "this system has no file locks"
    return "it is on a network disk" if schema.is_on_network_disk(path) else None


def _renew_after_fork() -> None:
    """Give a forked child its own lock and file; leave the inherited connection alone."""
    for outbox in list(_all):
        outbox._lock = RLock()  # noqa: SLF001 - this module's own class
        _inherited.append(outbox._connection)  # noqa: SLF001
        owner = outbox._owner  # noqa: SLF001
        outbox._connection = outbox._owner = None  # noqa: SLF001
        if owner is not None:
            owner.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)
