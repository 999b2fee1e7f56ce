"""Decide which errors mean that a store is unavailable, rather than that we asked it wrongly.

* `OUTAGES`: the error classes, for an `except`. A request that meets one is a 503; retry it.
* `as_outages`: a block in which MongoDB's refusal of the user, which has no class of its own, is
  raised as one of them.
* `is_outage`: both in one test, for a handler that receives every exception.

A bad query, a duplicate key or a failing script is an error of ours, and no outage.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import errors as mongodb_errors
from redis import exceptions as redis_errors

from app.backends.reasons import is_refusal, reason_of

MONGODB_OUTAGES: tuple[type[Exception], ...] = (
    mongodb_errors.ConnectionFailure,
    mongodb_errors.ExecutionTimeout,
    mongodb_errors.WTimeoutError,
    # DNS no longer knows a host of mongodb+srv: the address itself was checked at start-up.
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
OUTAGES: tuple[type[Exception], ...] = MONGODB_OUTAGES + REDIS_OUTAGES


class MongodbCircuitOpen(mongodb_errors.ConnectionFailure):
    """The circuit breaker is open: nothing was sent."""


class MongodbRefused(mongodb_errors.ConnectionFailure):
    """MongoDB answers, but does not accept the user."""


class RedisUnavailable(redis_errors.ConnectionError):
    """The server answers that it cannot do its work, or cannot be found in its cluster."""


class RedisCircuitOpen(RedisUnavailable):
    """The circuit breaker is open: nothing was sent."""


@contextmanager
def as_outages() -> Iterator[None]:
    """Raise `MongodbRefused` in place of MongoDB's own error when it does not accept the user."""
    try:
        yield
    except mongodb_errors.OperationFailure as error:
        if not is_refusal(error):
            raise
        raise MongodbRefused from error


def is_outage(error: Exception) -> bool:
    """Return True if `error` means that a store is unavailable or does not accept the user."""
    return isinstance(error, OUTAGES) or is_refusal(error)


def is_store_down(error: Exception) -> bool:
    """Return True if `error` is an outage that the next query would meet as well.

    A query over its time limit is an outage for its request. It does not show that MongoDB is down,
    since the server itself ended the query.
    """
    return is_outage(error) and not isinstance(error, mongodb_errors.ExecutionTimeout)


def is_of_mongodb(error: Exception) -> bool:
    """Return True if `error` is an outage of MongoDB."""
    return isinstance(error, MONGODB_OUTAGES) or is_refusal(error)


def describe_outage(error: Exception) -> str:
    """Return a sentence for the operator that names the store, the reason and the next step."""
    store, variable = ("Redis", "REDIS_URL")
    if is_of_mongodb(error):
        store, variable = ("MongoDB", "MONGODB_URI")
    return f"{store} is unavailable: {reason_of(error)}. Check the server and {variable}."
