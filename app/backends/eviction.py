"""Warn if Redis evicts keys when its memory is full, because that loses charges.

Managed services forbid CONFIG, so the policy is read from `INFO memory`, which Redis and Valkey
have.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import Any, cast

import structlog
from redis import Redis
from redis.cluster import RedisCluster
from redis.exceptions import RedisError

from app.backends.redis_cluster import GuardedCluster

KEPT_S = 60.0
SAFE_POLICY = "noeviction"
WARNING = "redis_evicts_keys"
_FIELD = "maxmemory_policy"
_NEXT_STEP = "set maxmemory-policy noeviction"
_log = structlog.get_logger("turnledger.stores")


def find_policies(redis: Redis | GuardedCluster) -> set[str]:
    """Return the eviction policy of each primary; an empty set if Redis does not report it."""
    options = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(redis, GuardedCluster) else {}
    try:
        # The methods used here are the same for a cluster and a server.
        answer = cast("Any", redis).execute_command("INFO", "memory", **options)
        return set(_policies_in(answer))
    except RedisError:
        # An outage, an ACL without INFO, or the in-memory twin.
        return set()


def _policies_in(answer: Mapping[str, Any]) -> Iterator[str]:
    if _FIELD in answer:
        yield str(answer[_FIELD])
        return
    for of_node in answer.values():
        if isinstance(of_node, Mapping):
            yield from _policies_in(of_node)


class EvictionWatch:
    """Reads the policies at most once a minute; safe between threads."""

    def __init__(
        self, redis: Redis | GuardedCluster, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis, self._clock = redis, clock
        self._lock = Lock()
        self._unsafe: set[str] = set()
        self._asked_at_s: float | None = None

    def warnings(self) -> list[str]:
        """Return the warning's code if a key may be evicted; log it when the policies change."""
        with self._lock:
            now_s = self._clock()
            if self._asked_at_s is None or now_s - self._asked_at_s >= KEPT_S:
                self._asked_at_s = now_s
                self._refresh()
            return [WARNING] if self._unsafe else []

    def _refresh(self) -> None:
        unsafe = find_policies(self._redis) - {SAFE_POLICY}
        if unsafe and unsafe != self._unsafe:
            _log.warning(WARNING, policies=sorted(unsafe), next_step=_NEXT_STEP)
        self._unsafe = unsafe
