"""Keep turns in memory: the same store without a file, where no disk of its own is there.

Nothing survives the process. Everything else is as in `store`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from .._core.values import Account, Row, State
from . import rules
from .base import Store


class MemoryOutbox(Store):
    """Store the turns of one account until the process ends."""

    path = None

    def __init__(self, account: Account, *, max_turns: int, now_ms: Callable[[], int]) -> None:
        self.account = account
        super().__init__(MemoryTable(), max_turns=max_turns, now_ms=now_ms)


class MemoryTable:
    """Hold rows in a dict; its user holds a lock around each call."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin as a new process without rows."""
        self._rows: dict[int, Row] = {}
        self._numbers = rules.Numbers()

    def insert(
        self, turn_id: str, state: State, body: str, interaction_id: str | None, now_ms: int
    ) -> int:
        """Add a row; return its seq."""
        seq = self._numbers.following(now_ms)
        self._rows[seq] = Row(seq, turn_id, interaction_id, state, body, now_ms, 0, 0, None)
        return seq

    def end(self, seq: int, state: State, body: str) -> bool:
        """Replace state and body; return False if the row is gone."""
        row = self._rows.get(seq)
        if row is not None:
            self._rows[seq] = replace(row, state=state, body=body)
        return row is not None

    def delete(self, seqs: Sequence[int]) -> None:
        """Remove rows."""
        for seq in seqs:
            self._rows.pop(seq, None)

    def read(self, seqs: Sequence[int]) -> list[Row]:
        """Return the rows that are there, oldest first."""
        return [self._rows[seq] for seq in sorted(seqs) if seq in self._rows]

    def postpone(self, seqs: Sequence[int], due_ms: int) -> None:
        """Save when rows are due, and count one more try."""
        for row in self.read(seqs):
            self._rows[row.seq] = replace(row, due_ms=due_ms, tries=row.tries + 1)

    def refuse(self, pairs: Sequence[tuple[int, str]]) -> None:
        """Save why rows are never sent again."""
        for seq, reason in pairs:
            row = self._rows.get(seq)
            if row is not None:
                self._rows[seq] = replace(row, state=State.REFUSED, refusal=reason)

    def count(self) -> int:
        """Count all rows."""
        return len(self._rows)

    def make_room(self, count: int) -> int:
        """Remove refused rows, then uncharged ones, oldest first; return how many."""
        rows = [self._rows[seq] for seq in sorted(self._rows)]
        refused = [row.seq for row in rows if row.state is State.REFUSED]
        uncharged = [
            row.seq
            for row in rows
            if row.state not in {State.OPEN, State.REFUSED}
            and not rules.is_charged(row.state, row.body)
        ]
        removed = (refused + uncharged)[:count]
        self.delete(removed)
        return len(removed)

    def states(self) -> dict[int, int]:
        """Count rows by their state."""
        states = [row.state for row in self._rows.values()]
        return {int(state): states.count(state) for state in State}

    def refused(self) -> list[Row]:
        """Return refused rows, oldest first."""
        return [row for row in self.read(list(self._rows)) if row.state is State.REFUSED]

    def take_over(self) -> list[int]:
        """Return nothing: no other process has rows here."""
        return []

    def needs_identity(self) -> bool:
        """Return False: another key has no rows here."""
        return False

    def identify(self, organization_id: str, environment: str) -> None:
        """Ignore the organization: another key has no rows here."""

    def checkpoint(self) -> None:
        """Write nothing: there is no file."""

    def suspend(self) -> None:
        """Close nothing before a fork."""

    def close(self) -> None:
        """Remove all rows."""
        self.restart()
