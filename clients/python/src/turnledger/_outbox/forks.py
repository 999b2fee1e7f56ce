"""Prepare stores for `fork`: SQLite's connections must not cross it.

A connection is closed before the fork and opened again by the next call, on both sides. So the
child inherits neither locks nor connections. SQLite forbids even to close an inherited connection.
"""

import os
from typing import Protocol
from weakref import WeakSet


class Forked(Protocol):
    """Be prepared for a fork."""

    def before_fork(self) -> None:
        """Take the lock and close what must not be inherited."""

    def after_fork_in_parent(self) -> None:
        """Free the lock."""

    def after_fork_in_child(self) -> None:
        """Begin without rows: those of before belong to the parent."""


_stores: WeakSet[Forked] = WeakSet()
_prepared: list[Forked] = []


def register(store: Forked) -> None:
    """Prepare the store for each fork from now on."""
    _stores.add(store)


def _before() -> None:
    _prepared[:] = list(_stores)
    for store in _prepared:
        store.before_fork()


def _in_parent() -> None:
    while _prepared:
        _prepared.pop().after_fork_in_parent()


def _in_child() -> None:
    while _prepared:
        _prepared.pop().after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
