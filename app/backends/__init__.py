"""Where the data lives: MongoDB and a Redis-protocol server, or their in-memory twins.

Clients are made by `connect`, in the process that uses them: never at import, never before a fork.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pymongo import errors as mongodb_errors
from pymongo import timeout as bounded
from redis import exceptions as redis_errors

from app.backends.breaker import Breaker
from app.backends.reasons import AUTHENTICATION_CODES, reason_of
from app.clients import MaintenanceDatabase, MaintenanceRedis, RequestDatabase, RequestRedis
from config.settings import BackendKind, Settings, SettingsError

# `with bounded(seconds)`: all MongoDB operations of this thread inside it, together.
__all__ = [
    "MONGODB_OUTAGES",
    "OUTAGES",
    "REDIS_OUTAGES",
    "Backend",
    "MongodbRefused",
    "MongodbResting",
    "as_outages",
    "bounded",
    "budget_s",
    "connect",
    "describe_outage",
    "is_outage",
    "note_outage",
    "reason_of",
]

MONGODB_OUTAGES: tuple[type[Exception], ...] = (
    mongodb_errors.ConnectionFailure,
    mongodb_errors.ExecutionTimeout,
    mongodb_errors.WTimeoutError,
    # The address has been tried at the start: DNS does not know a host of mongodb+srv any more.
    mongodb_errors.ConfigurationError,
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


class MongodbRefused(mongodb_errors.ConnectionFailure):
    """MongoDB answers, but does not accept the user."""


@contextmanager
def as_outages() -> Iterator[None]:
    """Raise `MongodbRefused` in place of MongoDB's own error, which is of no class of its own."""
    try:
        yield
    except mongodb_errors.OperationFailure as error:
        if error.code not in AUTHENTICATION_CODES:
            raise
        raise MongodbRefused from error


@dataclass(frozen=True, slots=True)
class Backend:
    """The stores of one process; the maintenance twins wait longer, for work that scans.

    `mongodb_breaker` is asked and told by those who serve requests; Redis's is inside `redis`.
    `require_redis` raises an outage unless Redis takes writes, or is left in peace; what it meets
    is no failure to the breaker.
    """

    database: RequestDatabase
    maintenance_database: MaintenanceDatabase
    redis: RequestRedis
    maintenance_redis: MaintenanceRedis
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
    """Return True if `error` says that a store is unavailable or does not accept the user.

    A query that took too long does not: the server itself has ended it.
    """
    if isinstance(error, mongodb_errors.ExecutionTimeout):
        return False
    return isinstance(error, OUTAGES) or _is_of_mongodb(error)


def note_outage(backend: Backend, error: Exception) -> str:
    """Have MongoDB's breaker count `error`, if MongoDB is unavailable; return the reason."""
    if _is_of_mongodb(error) and is_outage(error):
        backend.mongodb_breaker.note_failure()
    return reason_of(error)


def describe_outage(error: Exception) -> str:
    """Return a sentence for the operator that names the store and the reason."""
    store, variable = ("Redis", "REDIS_URL")
    if _is_of_mongodb(error):
        store, variable = ("MongoDB", "MONGODB_URI")
    return f"{store} is unavailable: {reason_of(error)}. Check the server and {variable}."


def _is_of_mongodb(error: Exception) -> bool:
    is_refused = isinstance(error, mongodb_errors.OperationFailure) and (
        error.code in AUTHENTICATION_CODES
    )
    return is_refused or isinstance(error, MONGODB_OUTAGES)
