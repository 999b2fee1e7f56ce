"""Stores with a clock of their own, and bodies of turns."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from turnledger._core.values import Account, Row, State
from turnledger._outbox.memory import MemoryOutbox
from turnledger._outbox.store import Outbox

ACCOUNT = Account("http://ledger.test", "a" * 16)
NOW_MS = 1_800_000_000_000


class Clock:
    """Return an instant that only tests move."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


class Box:
    """Make stores of one kind on one folder."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.path = folder / "state" / "outbox.db"
        self.clock = Clock()
        self.made: list[Outbox | MemoryOutbox] = []

    def make(self, account: Account = ACCOUNT, max_turns: int = 100) -> Outbox | MemoryOutbox:
        store: Outbox | MemoryOutbox
        if self.kind == "memory":
            store = MemoryOutbox(account, max_turns=max_turns, now_ms=self.clock)
        else:
            store = Outbox(self.path, account, max_turns=max_turns, fsync=False, now_ms=self.clock)
        self.made.append(store)
        return store


@contextmanager
def box_of(kind: str, folder: Path) -> Iterator[Box]:
    box = Box(kind, folder)
    try:
        yield box
    finally:
        for store in box.made:
            store.close()


def body(turn_id: str, status: str = "completed", **more: object) -> str:
    return json.dumps({"turn_id": turn_id, "status": status, **more}, separators=(",", ":"))


def rows(store: Outbox | MemoryOutbox, now_ms: int = NOW_MS, limit: int = 500) -> list[Row]:
    return store.due(now_ms, limit)


def names(store: Outbox | MemoryOutbox, now_ms: int = NOW_MS) -> list[str]:
    return [row.turn_id for row in rows(store, now_ms)]


def record(store: Outbox | MemoryOutbox, turn_id: str, status: str = "completed") -> int:
    return store.add(turn_id, State.RECORD, body(turn_id, status))
