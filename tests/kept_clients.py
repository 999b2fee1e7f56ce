"""Reuse MongoDB clients for one test after the other.

A backend has two of them. Making, connecting and closing these takes 15 ms of CPU, more than most
tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.monitoring import CommandListener

from app.backends import live
from app.backends.backend import Backend
from config.settings import Settings

_make_client = live._mongodb_client


@dataclass(frozen=True, slots=True)
class _Lent:
    """Stands for a client of one database; its borrower closes nothing."""

    client: MongoClient[dict[str, Any]]
    name: str

    def get_default_database(self, default: str) -> Database[dict[str, Any]]:
        return self.client[self.name or default]

    def close(self) -> None:
        """Leave the client to the next borrower."""


class KeptClients:
    """Clients by server, time-out, and if their calls are measured."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, int, bool], MongoClient[dict[str, Any]]] = {}

    def connect(self, settings: Settings) -> Backend:
        """Make a backend as the service does, with clients of earlier tests."""
        with patch.object(live, "_mongodb_client", self._lend):
            return live.connect(settings)

    def close(self) -> None:
        """Close all clients."""
        for client in self._clients.values():
            client.close()

    def _lend(self, uri: str, timeout_ms: int, listeners: Sequence[CommandListener]) -> _Lent:
        address = urlsplit(uri)
        key = (address.netloc, timeout_ms, bool(listeners))
        if key not in self._clients:
            self._clients[key] = _make_client(uri, timeout_ms, listeners)
        return _Lent(self._clients[key], address.path.removeprefix("/"))
