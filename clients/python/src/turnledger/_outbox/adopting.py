"""Read the rows that a damaged outbox still shows."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .database import connect_existing

_COLUMNS = "seq, account, turn_id, interaction_id, state, body, created_ms, tries, refusal"
_FORWARD = f"SELECT {_COLUMNS} FROM turn ORDER BY seq"  # noqa: S608
_BACKWARD = f"SELECT {_COLUMNS} FROM turn ORDER BY seq DESC"  # noqa: S608
_ACCOUNTS = "SELECT fingerprint, base_url, environment, organization_id FROM account"
_MARK = ".damaged-"


@dataclass(frozen=True, slots=True)
class Found:
    """Hold rows of both tables that could be read."""

    accounts: Sequence[tuple[Any, ...]]
    turns: Sequence[tuple[Any, ...]]


def damaged_files(outbox: Path) -> list[Path]:
    """Return the files that were set aside and not adopted yet, oldest first."""
    beginning = outbox.name + _MARK
    if not outbox.parent.is_dir():
        return []
    return sorted(
        path
        for path in outbox.parent.iterdir()
        if path.name.startswith(beginning) and not path.name.endswith(("-wal", "-shm", "-journal"))
    )


def read_damaged(damaged: Path) -> Found:
    """Return all turns before the damage and all behind it, oldest first."""
    turns: dict[int, tuple[Any, ...]] = {}
    with closing(connect_existing(damaged)) as connection:
        for query in (_FORWARD, _BACKWARD):
            for row in _until_damage(connection, query):
                if _is_sound(row):
                    turns[row[0]] = row[1:]
        accounts = list(_until_damage(connection, _ACCOUNTS))
    return Found(accounts, [turns[seq] for seq in sorted(turns)])


def mark_adopted(damaged: Path) -> None:
    """Rename the file, so that it is not adopted twice."""
    damaged.rename(damaged.with_name(damaged.name.replace(_MARK, ".adopted-")))


def _until_damage(connection: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    try:
        yield from connection.execute(query)
    except sqlite3.DatabaseError:
        return


def _is_sound(row: tuple[Any, ...]) -> bool:
    """Return True if the row has the types of the table: damage may have mixed them."""
    seq, account, turn_id, _, state, body, created_ms, tries, _ = row
    texts, numbers = (account, turn_id, body), (seq, state, created_ms, tries)
    return all(isinstance(text, str) for text in texts) and all(
        isinstance(number, int) for number in numbers
    )
