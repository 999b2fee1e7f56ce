"""A service on stores of its own, which may be frozen, killed and started again where they were."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.admission.reconcile import Reconciler
from app.backends.bundled import find_redis_server, running_mongod
from app.backends.children import free_port, spawn, stop
from app.http.provide import provided
from tests.callers import app_beside
from tests.faults.kit.processes import MortalServer, mortal
from tests.servers import RunningService, environ_for, running_service, wait_until

# As in production; the usual settings of tests hide an ill store for seconds.
IMPATIENT = {"REDIS_TIMEOUT_MS": "50", "MONGODB_TIMEOUT_MS": "2000"}
START_TIMEOUT_S = 30


@dataclass
class OwnRedis:
    """A Redis-protocol server that always comes back on the same port, and empty."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def process_id(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, *options: str) -> None:
        command = [find_redis_server(), "--bind", "127.0.0.1", "--port", str(self.port)]
        keeping = ["--dir", str(self.folder), "--save", "", "--appendonly", "no"]
        with (self.folder / "redis.log").open("ab") as output:
            self.process = spawn([*command, *keeping, *options], output=output)
        wait_until(self.is_listening, START_TIMEOUT_S)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(START_TIMEOUT_S)

    def is_listening(self) -> bool:
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @contextmanager
    def client(self) -> Iterator[Redis]:
        once = Retry(NoBackoff(), 0)
        with Redis(port=self.port, decode_responses=True, protocol=2, retry=once) as client:
            yield client


@dataclass(frozen=True)
class Site:
    """A running service, its stores, and an application of ours beside it."""

    service: RunningService
    app: Flask
    mongod: MortalServer
    redis: OwnRedis

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

    def reconcile(self) -> None:
        """One pass, with nothing in flight."""
        with self.app.app_context():
            reconciler = provided(Reconciler)
            reconciler.reconcile(reconciler.list_accounts(), wait=lambda _: None)


@contextmanager
def running_site(folder: Path, *, workers_count: int = 2, **environ: str) -> Iterator[Site]:
    """Start stores and service; all of them end with the block."""
    with ExitStack() as stack:
        bundled = stack.enter_context(running_mongod(folder / "mongod"))
        mongod = stack.enter_context(mortal(bundled))
        redis = OwnRedis(folder)
        redis.start()
        stack.callback(lambda: stop(redis.process) if redis.process else None)
        variables = environ_for(bundled.url, redis.url, **(IMPATIENT | environ))
        service = running_service(variables, folder / "gunicorn.log", workers_count=workers_count)
        running = stack.enter_context(service)
        app = stack.enter_context(app_beside(running))
        yield Site(running, app, mongod, redis)
