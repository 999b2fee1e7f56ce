"""Where the data lives: MongoDB and a Redis-protocol server, or their in-memory twins.

Clients are made by `connect`, in the process that uses them: never at import, never before a fork.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pymongo import errors as mongodb_errors
from pymongo.database import Database
from redis import Redis
from redis import exceptions as redis_errors

from config.settings import BackendKind, Settings, SettingsError

MONGODB_OUTAGES: tuple[type[Exception], ...] = (
    mongodb_errors.ConnectionFailure,
    mongodb_errors.ExecutionTimeout,
    mongodb_errors.WTimeoutError,
)
REDIS_OUTAGES: tuple[type[Exception], ...] = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.OutOfMemoryError,
    redis_errors.ReadOnlyError,
    redis_errors.ClusterDownError,
    redis_errors.TryAgainError,
)
# A store that is ill, which is worth a 503 and another try. A bad query, a duplicate key or a
# failing script is our own fault and is not in here.
OUTAGES: tuple[type[Exception], ...] = MONGODB_OUTAGES + REDIS_OUTAGES


@dataclass(frozen=True, slots=True)
class Backend:
    """The stores of one process; the maintenance twins wait longer, for work that scans."""

    database: Database[dict[str, Any]]
    maintenance_database: Database[dict[str, Any]]
    redis: Redis
    maintenance_redis: Redis
    close: Callable[[], None]


def connect(settings: Settings) -> Backend:
    """Make the clients that `settings.backend` asks for; no server is spoken to yet.

    Raises SettingsError if the libraries of the in-memory twins are not installed.
    """
    if settings.backend is BackendKind.MEMORY:
        return _connect_memory()
    from app.backends import live

    return live.connect(settings)


def _connect_memory() -> Backend:
    try:
        from app.backends import memory
    except ModuleNotFoundError:
        raise SettingsError("BACKEND=memory needs requirements-local.txt") from None
    return memory.connect()
