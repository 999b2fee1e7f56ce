"""Measure a sample of the calls of requests to both stores, and show all of them to traces."""

import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from itertools import count
from typing import Any, Protocol

from prometheus_client import Histogram
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

CALLS = Histogram(
    "turnledger_store_call_duration_seconds",
    "Time that a request's call to a store took, also if it failed; of one call in 11.",
    ["store"],
    buckets=(0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5),
)
REDIS, MONGODB = "redis", "mongodb"
# A prime, so that no pattern of calls falls in step with it.
SAMPLED_EVERY = 11
_numbers = count()


class CallObserver(Protocol):
    """Looks at each call of requests when it has ended, in the thread of its request."""

    def __call__(self, store: str, operation: str, duration_s: float, *, has_failed: bool) -> None:
        """Look at a call; `operation` is the name of the command, without its arguments."""


_observers: list[CallObserver] = []


def observe_calls(observers: Iterable[CallObserver]) -> None:
    """Show every call of this process to `observers` from now on, and to no others."""
    _observers[:] = observers


def begin() -> float:
    """Return the instant from which a call is measured."""
    return time.perf_counter()


def note_redis_call(began_s: float, arguments: Iterable[Any], *, has_failed: bool) -> None:
    """Count a call to Redis that has just ended; the first text of `arguments` is its command."""
    duration_s = time.perf_counter() - began_s
    _note(REDIS, duration_s)
    for observe in _observers:
        # The arguments of a batch are the client and a list.
        operation = next((each for each in arguments if isinstance(each, str)), "PIPELINE")
        observe(REDIS, operation, duration_s, has_failed=has_failed)


class MongodbLatency(CommandListener):
    """Counts the commands of a client."""

    def started(self, event: CommandStartedEvent) -> None:
        """Do nothing: the end of a command has its duration."""

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Count a command that was answered."""
        duration_s = event.duration_micros / 1_000_000
        _note(MONGODB, duration_s)
        for observe in _observers:
            observe(MONGODB, event.command_name, duration_s, has_failed=False)

    def failed(self, event: CommandFailedEvent) -> None:
        """Count a command that failed."""
        duration_s = event.duration_micros / 1_000_000
        _note(MONGODB, duration_s)
        for observe in _observers:
            observe(MONGODB, event.command_name, duration_s, has_failed=True)


def _note(store: str, duration_s: float) -> None:
    if next(_numbers) % SAMPLED_EVERY:
        return
    with suppress(OSError, IndexError):  # the file of the metric cannot grow
        _of_store(store).observe(duration_s)


@cache
def _of_store(store: str) -> Any:
    return CALLS.labels(store)
