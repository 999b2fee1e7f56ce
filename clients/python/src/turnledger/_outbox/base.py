"""Keep turns from before the model call until the ledger has stored them: what both stores share.

A table holds the rows, in a file or in memory. The store knows which rows of this process are open
and which wait, bounds their number and makes every call safe for threads and forks.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import RLock
from typing import Protocol

from .._core.values import Row, State
from ..errors import OutboxFullError
from ..types import Counts, Refused
from . import forks, rules
from .export import refused_of, write_lines
from .rules import Waiting

_log = logging.getLogger("turnledger")
# Other processes fill the same file, so its rows are counted again after so many inserts.
_COUNT_EVERY = 1_000
# While nothing may make room, the table is not searched again for so long.
_FULL_FOR_MS = 10_000
_WARN_EVERY_MS = 60_000
_DELETES_AT_ONCE = 500


class Table(Protocol):
    """Hold rows; `seqs` that the process does not own are ignored."""

    def insert(
        self, turn_id: str, state: State, body: str, interaction_id: str | None, now_ms: int
    ) -> int:
        """Add a row of this process; return its seq."""

    def end(self, seq: int, state: State, body: str) -> bool:
        """Replace state and body; return False if the row is gone."""

    def delete(self, seqs: Sequence[int]) -> None:
        """Remove rows."""

    def read(self, seqs: Sequence[int]) -> list[Row]:
        """Return the rows that are there, oldest first."""

    def postpone(self, seqs: Sequence[int], due_ms: int) -> None:
        """Save when rows are due, and count one more try."""

    def refuse(self, pairs: Sequence[tuple[int, str]]) -> None:
        """Save why rows are never sent again."""

    def count(self) -> int:
        """Count all rows, also those of other accounts and processes."""

    def make_room(self, count: int) -> int:
        """Remove refused rows, then uncharged ones, oldest first; return how many."""

    def states(self) -> dict[int, int]:
        """Count this account's rows by their state."""

    def refused(self) -> list[Row]:
        """Return this account's refused rows, oldest first."""

    def take_over(self) -> list[int]:
        """Become the owner of rows of dead processes; return those to send."""

    def needs_identity(self) -> bool:
        """Return True until this key's organization is known."""

    def identify(self, organization_id: str, environment: str) -> None:
        """Save the organization and environment of this key."""

    def checkpoint(self) -> None:
        """Write to the disk what waits for it; called beside all other methods."""

    def suspend(self) -> None:
        """Close what must not be inherited by a forked child."""

    def restart(self) -> None:
        """Begin as a new process without rows."""

    def close(self) -> None:
        """Free the table; rows that wait are left to the next process."""


class Store:
    """Store the turns of one account; nothing is opened before the first call."""

    def __init__(self, table: Table, *, max_turns: int, now_ms: Callable[[], int]) -> None:
        self.evicted = 0
        self._warned_ms = 0
        self._table = table
        self._max_turns = max_turns
        self._now_ms = now_ms
        self._lock = RLock()
        # Held while the disk is written, which no other call waits for.
        self._disk_lock = RLock()
        self._begin()
        forks.register(self)

    def _begin(self) -> None:
        self._open: dict[int, tuple[str, str | None]] = {}
        self._waiting = Waiting()
        self._inserts_left = 0
        self._full_until_ms = 0

    def open(self, turn_id: str, body: str, interaction_id: str | None = None) -> int:
        """Keep `body`, which is recorded if this process dies before `end`; return the row's seq.

        Raises OutboxFullError if nothing may make room, OutboxError if the file is not usable.
        """
        with self._lock:
            seq = self._insert(turn_id, State.OPEN, body, interaction_id)
            self._open[seq] = (turn_id, interaction_id)
        return seq

    def end(self, seq: int, state: State, body: str) -> None:
        """Let an open turn be sent; a turn that another process opened is ignored."""
        with self._lock:
            known = self._open.get(seq)
            if known is None:
                return
            if not self._table.end(seq, state, body):  # the file was replaced meanwhile
                self.add(known[0], state, body, known[1])
            else:
                self._waiting.put(seq)
            del self._open[seq]

    def add(self, turn_id: str, state: State, body: str, interaction_id: str | None = None) -> int:
        """Keep a row that may be sent at once; return its seq. Raises as `open`."""
        with self._lock:
            seq = self._insert(turn_id, state, body, interaction_id)
            self._waiting.put(seq)
        return seq

    def drop(self, seq: int) -> None:
        """Remove an open turn that is not recorded, or a row that the caller delivered."""
        with self._lock:
            self._open.pop(seq, None)
            self._remove([seq])

    def due(self, now_ms: int, limit: int) -> list[Row]:
        """Return this process's rows that may be sent, oldest first."""
        with self._lock:
            seqs = self._waiting.due(now_ms, limit)
            rows = self._table.read(seqs) if seqs else []
            # Rows that made room for others are gone.
            self._waiting.discard(set(seqs).difference(row.seq for row in rows))
            return rows

    def delivered(self, seqs: Sequence[int]) -> None:
        """Remove rows that the ledger has stored."""
        for start in range(0, len(seqs), _DELETES_AT_ONCE):
            with self._lock:
                self._remove(seqs[start : start + _DELETES_AT_ONCE])

    def postpone(self, seqs: Sequence[int], due_ms: int) -> None:
        """Let rows wait until `due_ms`."""
        with self._lock:
            self._table.postpone(seqs, due_ms)
            for seq in seqs:
                if seq in self._waiting:
                    self._waiting.put(seq, due_ms)

    def refuse(self, seqs_and_reasons: Sequence[tuple[int, str]]) -> None:
        """Keep rows with the ledger's reason; they are never sent again."""
        with self._lock:
            self._table.refuse(seqs_and_reasons)
            self._waiting.discard(seq for seq, _ in seqs_and_reasons)

    def take_over(self) -> int:
        """Become the owner of the rows of dead processes; return how many there are to send.

        A turn that was open there is recorded as `producer_lost`.
        """
        with self._lock:
            seqs = self._table.take_over()
            for seq in seqs:
                self._waiting.put(seq)
        return len(seqs)

    def waiting(self) -> int:
        """Return how many rows of this process are to be sent."""
        return len(self._waiting)

    def first_due_ms(self) -> int | None:
        """Return when the first waiting row is due; None if none waits."""
        with self._lock:
            return self._waiting.first_due_ms()

    def hasten(self) -> None:
        """Make all waiting rows due, after the clock was set back."""
        with self._lock:
            self._waiting.hasten()

    def checkpoint(self) -> None:
        """Copy SQLite's log into its database if it is long; for the sender's thread."""
        with self._disk_lock:
            self._table.checkpoint()

    def needs_identity(self) -> bool:
        """Return True until `identify` was called once for this key."""
        with self._lock:
            return self._table.needs_identity()

    def identify(self, organization_id: str, environment: str) -> None:
        """Save what `/v1/me` answered: keys of one organization and environment share rows."""
        with self._lock:
            self._table.identify(organization_id, environment)

    def counts(self) -> Counts:
        """Count the rows of this account, also those of other processes."""
        with self._lock:
            found = self._table.states()
        waiting = (found.get(state, 0) for state in (State.RECORD, State.COMPLETE, State.CANCEL))
        return Counts(
            open=found.get(State.OPEN, 0),
            waiting=sum(waiting),
            refused=found.get(State.REFUSED, 0),
        )

    def refused(self) -> Iterator[Refused]:
        """Yield what the ledger refused for good, oldest first."""
        return iter([refused_of(row) for row in self.refused_rows()])

    def refused_rows(self) -> list[Row]:
        """Return the rows that the ledger refused for good, oldest first."""
        with self._lock:
            return self._table.refused()

    def export(self, file: Path) -> int:
        """Write refused turns for `flask turns import`; return how many. They stay here."""
        return write_lines(self.refused_rows(), Path(file))

    def close(self) -> None:
        """Close the file; rows that wait are taken over by the next process.

        With open turns it stays as it is: they end later, and are sent then.
        """
        with self._lock:
            if self._open:
                return
            self._table.close()
            self._begin()

    def before_fork(self) -> None:
        """Keep other threads out, and close what a child must not inherit."""
        self._disk_lock.acquire()
        self._lock.acquire()
        self._table.suspend()

    def after_fork_in_parent(self) -> None:
        """Let the other threads go on."""
        self._lock.release()
        self._disk_lock.release()

    def after_fork_in_child(self) -> None:
        """Begin without rows: those of before the fork belong to the parent."""
        self._lock, self._disk_lock = RLock(), RLock()
        self._table.restart()
        self._begin()

    def _insert(self, turn_id: str, state: State, body: str, interaction_id: str | None) -> int:
        self._inserts_left -= 1
        if self._inserts_left < 0:
            self._ensure_room()
        return self._table.insert(turn_id, state, body, interaction_id, self._now_ms())

    def _remove(self, seqs: Sequence[int]) -> None:
        self._table.delete(seqs)
        self._waiting.discard(seqs)
        self._full_until_ms = 0

    def _ensure_room(self) -> None:
        """Count the rows, and remove some if the outbox is full.

        Raises OutboxFullError if only charged and open turns are left.
        """
        now_ms = self._now_ms()
        self._inserts_left = 0
        if self._full_until_ms - _FULL_FOR_MS <= now_ms < self._full_until_ms:
            raise self._full()
        room = self._max_turns - self._table.count()
        if room <= 0:
            removed = self._table.make_room(rules.room_to_make(self._max_turns) - room)
            self._note_evicted(removed, now_ms)
            room += removed
        if room <= 0:
            self._full_until_ms = now_ms + _FULL_FOR_MS
            raise self._full()
        # At most a tenth of the room, for others use it, too.
        self._inserts_left = min(_COUNT_EVERY, room // 10)

    def _note_evicted(self, count: int, now_ms: int) -> None:
        self.evicted += count
        if count and abs(now_ms - self._warned_ms) >= _WARN_EVERY_MS:
            self._warned_ms = now_ms
            _log.warning(
                "The outbox is full: refused and uncharged turns are removed, oldest first",
                extra={"removed": self.evicted},
            )

    def _full(self) -> OutboxFullError:
        return OutboxFullError(
            f"The outbox holds {self._max_turns} turns and none may be removed."
            " Restore the connection to the ledger, or raise outbox_max_turns."
        )
