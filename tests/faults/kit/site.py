"""Run a service on its own stores, which can be frozen, killed and restarted."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask

from devkit.bundled import running_mongod
from tests.callers import app_beside
from tests.faults.kit.processes import RestartableServer, mortal
from tests.faults.kit.redis_node import RedisNode, running_redis_node
from tests.servers import RunningService, ServerKind, environ_for, running_service

# As in production; the usual settings of tests hide an outage for seconds.
SHORT_TIMEOUTS = {"REDIS_TIMEOUT_MS": "50", "MONGODB_TIMEOUT_MS": "2000"}
# For tests without a MongoDB outage, also on a loaded machine.
LONG_TIMEOUTS = {"MONGODB_TIMEOUT_MS": "8000"}


@dataclass(frozen=True)
class Site:
    """A running service, its stores, and an application of ours on the same stores."""

    service: RunningService
    app: Flask
    mongod: RestartableServer
    redis: RedisNode

    def scripts_count(self) -> int:
        """Return the number of scripts that Redis has received since it started."""
        with self.redis.client() as client:
            stats: dict[str, Any] = client.info("commandstats")
        return sum(int(stat["calls"]) for name, stat in stats.items() if name == "cmdstat_evalsha")

    def connections_count(self) -> int:
        """Return the number of connections to Redis since it started."""
        with self.redis.client() as client:
            return int(client.info("stats")["total_connections_received"])

    def breaker_opened_count(self, store: str) -> int:
        """Return how often the log reports that a worker's breaker of `store` opened."""
        lines = self.service.log.read_text(errors="replace").splitlines()
        return len(
            [line for line in lines if "circuit_breaker_opened" in line and f'"{store}"' in line]
        )


@contextmanager
def running_site(
    folder: Path,
    *,
    workers_count: int = 2,
    kind: ServerKind = ServerKind.GRANIAN,
    **environ: str,
) -> Iterator[Site]:
    """Start stores and service; end all of them with the block."""
    with ExitStack() as stack:
        bundled = stack.enter_context(running_mongod(folder / "mongod"))
        mongod = stack.enter_context(mortal(bundled))
        redis = stack.enter_context(running_redis_node(folder / "redis"))
        variables = environ_for(bundled.url, redis.url, **(SHORT_TIMEOUTS | environ))
        service = running_service(
            variables, folder / "service.log", workers_count=workers_count, kind=kind
        )
        running = stack.enter_context(service)
        app = stack.enter_context(app_beside(running))
        yield Site(running, app, mongod, redis)
