"""Where the data lives: MongoDB and a Redis-protocol server, or their in-memory twins.

Clients are made by `connect`, in the process that uses them: never at import, never before a fork.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pymongo import errors as mongodb_errors
from pymongo import timeout as bounded
from pymongo.database import Database
from redis import Redis
from redis import exceptions as redis_errors

from app.backends.breaker import Breaker
from config.settings import BackendKind, Settings, SettingsError

# `with bounded(seconds)`: all MongoDB operations of this thread inside it, together.
__all__ = [
    "MONGODB_OUTAGES",
    "OUTAGES",
    "REDIS_OUTAGES",
    "Backend",
    "MongodbResting",
    "bounded",
    "budget_s",
    "connect",
    "is_outage",
    "note_outage",
]

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
# The driver looks every 500 ms whether it has found a server, and may so be late to give up; then
# it takes a little to notice and to answer: a killed primary showed 20 ms beyond the step.
_LATE_MS = 600
# A store that is ill, which is worth a 503 and another try. A bad query, a duplicate key or a
# failing script is our own fault and is not in here.
OUTAGES: tuple[type[Exception], ...] = MONGODB_OUTAGES + REDIS_OUTAGES


class MongodbResting(mongodb_errors.ConnectionFailure):
    """The breaker is open: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Backend:
    """The stores of one process; the maintenance twins wait longer, for work that scans.

    `mongodb_breaker` is asked and told by those who serve requests; Redis's is inside `redis`.
    `require_redis` raises an outage unless Redis takes writes, or is left in peace; what it meets
    is no failure to the breaker.
    """

    database: Database[dict[str, Any]]
    maintenance_database: Database[dict[str, Any]]
    redis: Redis
    maintenance_redis: Redis
    mongodb_breaker: Breaker
    require_redis: Callable[[], object]
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


def budget_s(timeout_ms: int) -> float:
    """The seconds to allow MongoDB, so that it is given up after `timeout_ms` at the latest.

    Less than 1,200 ms cannot be kept: it is then given up at most 600 ms after half of it.
    """
    return max(timeout_ms - _LATE_MS, timeout_ms / 2) / 1_000


def is_outage(error: Exception) -> bool:
    """Whether `error` says that a store is ill.

    A query that took too long does not: the server itself has ended it.
    """
    is_late = isinstance(error, mongodb_errors.ExecutionTimeout)
    return isinstance(error, OUTAGES) and not is_late


def note_outage(backend: Backend, error: Exception) -> None:
    """Have MongoDB's breaker count `error`, if it says that MongoDB is ill."""
    if isinstance(error, MONGODB_OUTAGES) and is_outage(error):
        backend.mongodb_breaker.note_failure()
