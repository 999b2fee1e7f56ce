"""Read and write the outbox's file in transactions of several statements."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from .._core.values import State
from . import rules, statements


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Read and write in one transaction that waits for other processes at its beginning."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def make_room(connection: sqlite3.Connection, count: int) -> int:
    """Remove refused rows, then uncharged ones, oldest first; return how many."""
    with transaction(connection):
        found = connection.execute(statements.REFUSED_SEQS, (count,)).fetchall()
        if len(found) < count:
            found += _uncharged(connection, count - len(found))
        connection.executemany(statements.DISCARD, found)
    return len(found)


def _uncharged(connection: sqlite3.Connection, count: int) -> list[tuple[int]]:
    found: list[tuple[int]] = []
    for seq, state, body in connection.execute(statements.WAITING_BODIES):
        if len(found) == count:
            break
        if not rules.is_charged(State(state), body):
            found.append((seq,))
    return found
