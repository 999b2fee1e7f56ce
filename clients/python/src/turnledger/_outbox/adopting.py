"""Read the rows that a damaged outbox still shows."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

_COLUMNS = "seq, account, turn_id, interaction_id, state, body, created_ms, tries, refusal"
_FORWARD = f"SELECT {_COLUMNS} FROM turn ORDER BY seq"  # noqa: S608
_BACKWARD = f"SELECT {_COLUMNS} FROM turn ORDER BY seq DESC"  # noqa: S608
_MARK = ".damaged-"


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


def readable_rows(damaged: Path) -> list[tuple[Any, ...]]:
    """Return all rows before the damage and all behind it, oldest first."""
    rows: dict[int, tuple[Any, ...]] = {}
    with closing(sqlite3.connect(damaged, isolation_level=None)) as connection:
        for query in (_FORWARD, _BACKWARD):
            for row in _until_damage(connection, query):
                if _is_sound(row):
                    rows[row[0]] = row[1:]
    return [rows[seq] for seq in sorted(rows)]


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
