"""Measure a sample of the calls of requests to both stores."""

import time
from contextlib import suppress
from functools import cache
from itertools import count
from typing import Any

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


def begin() -> float:
    """Return the instant from which a call is measured."""
    return time.perf_counter()


def note_redis_call(began_s: float) -> None:
    """Count a call to Redis that has just ended."""
    _note(REDIS, time.perf_counter() - began_s)


class MongodbLatency(CommandListener):
    """Counts the commands of a client."""

    def started(self, event: CommandStartedEvent) -> None:
        """Do nothing: the end of a command has its duration."""

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Count a command that was answered."""
        _note(MONGODB, event.duration_micros / 1_000_000)

    def failed(self, event: CommandFailedEvent) -> None:
        """Count a command that failed."""
        _note(MONGODB, event.duration_micros / 1_000_000)


def _note(store: str, duration_s: float) -> None:
    if next(_numbers) % SAMPLED_EVERY:
        return
    with suppress(OSError, IndexError):  # the file of the metric cannot grow
        _of_store(store).observe(duration_s)


@cache
def _of_store(store: str) -> Any:
    return CALLS.labels(store)
