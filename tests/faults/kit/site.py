"""A service on stores of its own, which may be frozen, killed and started again where they were."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask

from devkit.bundled import running_mongod
from tests.callers import app_beside
from tests.faults.kit.processes import MortalServer, mortal
from tests.faults.kit.redis_node import RedisNode, running_redis_node
from tests.servers import RunningService, ServerKind, environ_for, running_service

# As in production; the usual settings of tests hide an ill store for seconds.
IMPATIENT = {"REDIS_TIMEOUT_MS": "50", "MONGODB_TIMEOUT_MS": "2000"}
# Where MongoDB is well, on a loaded machine too.
PATIENT = {"MONGODB_TIMEOUT_MS": "8000"}


@dataclass(frozen=True)
class Site:
    """A running service, its stores, and an application of ours beside it."""

    service: RunningService
    app: Flask
    mongod: MortalServer
    redis: RedisNode

    def scripts_count(self) -> int:
        """How many scripts Redis has been sent since it started."""
        with self.redis.client() as client:
            stats: dict[str, Any] = client.info("commandstats")
        return sum(int(told["calls"]) for name, told in stats.items() if name == "cmdstat_evalsha")

    def connections_count(self) -> int:
        """How many connections Redis has been asked for since it started."""
        with self.redis.client() as client:
            return int(client.info("stats")["total_connections_received"])

    def given_up_count(self, store: str) -> int:
        """How many times a worker has given up `store` so far, as the log tells."""
        lines = self.service.log.read_text(errors="replace").splitlines()
        return len([line for line in lines if "store_given_up" in line and f'"{store}"' in line])


@contextmanager
def running_site(
    folder: Path,
    *,
    workers_count: int = 2,
    kind: ServerKind = ServerKind.GRANIAN,
    **environ: str,
) -> Iterator[Site]:
    """Start stores and service; all of them end with the block."""
    with ExitStack() as stack:
        bundled = stack.enter_context(running_mongod(folder / "mongod"))
        mongod = stack.enter_context(mortal(bundled))
        redis = stack.enter_context(running_redis_node(folder / "redis"))
        variables = environ_for(bundled.url, redis.url, **(IMPATIENT | environ))
        service = running_service(
            variables, folder / "service.log", workers_count=workers_count, kind=kind
        )
        running = stack.enter_context(service)
        app = stack.enter_context(app_beside(running))
        yield Site(running, app, mongod, redis)
