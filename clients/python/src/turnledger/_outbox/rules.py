"""Decide what both stores must decide alike: order, charge, and the fate of an open turn."""

import json
import secrets
from collections.abc import Iterable
from heapq import heappop, heappush

from .._core.values import State

# A seq is the millisecond of its creation and twelve bits; JavaScript must be able to hold it.
_SEQ_BITS = 12
# Rows that make room at once: one at a time, each new turn would read the whole table.
_MOST_AT_ONCE = 100
_CHARGED = frozenset({"completed", "guardrail_blocked"})


def state_if_lost(interaction_id: str | None) -> State:
    """Return the state of an open turn whose process died: a reserved turn is completed."""
    return State.RECORD if interaction_id is None else State.COMPLETE


def is_charged(state: State, body: str) -> bool:
    """Return True if the row must be kept; an unreadable body counts as charged."""
    if state is State.CANCEL:
        return False
    try:
        turn = json.loads(body)
        consumed = (turn.get("usage") or {}).get("turns_consumed")
        return bool(consumed) if consumed is not None else turn.get("status") in _CHARGED
    except (ValueError, AttributeError):
        return True


def room_to_make(max_turns: int) -> int:
    """Return the number of rows that are removed at once when the outbox is full."""
    return max(1, min(_MOST_AT_ONCE, max_turns // 100))


class Numbers:
    """Number rows by time, never twice in this process, even if the clock jumps back."""

    def __init__(self) -> None:
        self._salt = secrets.randbits(_SEQ_BITS)
        self._last = 0

    def following(self, now_ms: int) -> int:
        """Return the number of a new row."""
        self._last = max(self._last + 1, (now_ms << _SEQ_BITS) | self._salt)
        return self._last

    def skip(self) -> None:
        """Choose another salt: another process has used the number."""
        self._salt = secrets.randbits(_SEQ_BITS)


class Waiting:
    """Keep which rows wait and until when, so that no pass reads the whole table."""

    def __init__(self) -> None:
        self._due: dict[int, int] = {}
        self._heap: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, seq: int) -> bool:
        return seq in self._due

    def put(self, seq: int, due_ms: int = 0) -> None:
        """Let the row wait until `due_ms`."""
        self._due[seq] = due_ms
        heappush(self._heap, (due_ms, seq))

    def discard(self, seqs: Iterable[int]) -> None:
        """Forget rows."""
        for seq in seqs:
            self._due.pop(seq, None)

    def due(self, now_ms: int, limit: int) -> list[int]:
        """Return rows that are due, oldest first; they keep waiting."""
        found: list[tuple[int, int]] = []
        while self._heap and len(found) < limit and self._heap[0][0] <= now_ms:
            entry = heappop(self._heap)
            # An entry is stale once its row is gone or was postponed.
            if self._due.get(entry[1]) == entry[0] and entry not in found[-1:]:
                found.append(entry)
        for entry in found:
            heappush(self._heap, entry)
        return [seq for _, seq in found]

    def first_due_ms(self) -> int | None:
        """Return when the first row is due; None if none waits."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def hasten(self) -> None:
        """Make every row due: the clock that postponed them has been set back."""
        self._due = dict.fromkeys(self._due, 0)
        self._heap = [(0, seq) for seq in sorted(self._due)]
