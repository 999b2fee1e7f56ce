"""Cause faults of a service and its stores, at random, one at a time.

Other tests cover elections and fail-overs, which need more servers.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

from flask import Flask

from devkit.bundled import running_mongod
from tests.callers import app_on
from tests.faults.kit.processes import RestartableServer, frozen, mortal
from tests.faults.kit.proxy import Fault, Proxy, proxy_to
from tests.faults.kit.redis_node import RedisNode, running_redis_node
from tests.faults.kit.site import SHORT_TIMEOUTS
from tests.faults.kit.workers import (
    REPLACED_WITHIN_S,
    has_replaced,
    kill_worker,
    reload_workers,
    worker_ids,
)
from tests.servers import RunningService, environ_for, running_service, wait_until

WORKERS_COUNT = 3
# A fault and its amount, if it has one: milliseconds or bytes.
BROKEN = (
    *((Fault.REFUSE, 0), (Fault.HANG, 0), (Fault.DELAY, 30), (Fault.DELAY, 400)),
    *((Fault.CUT, 0), (Fault.CUT, 5), (Fault.HALF, 0), (Fault.RESET, 0), (Fault.RESET, 5)),
)
# How long a fault lasts, and the pause after it.
SHORTEST_S, LONGEST_S = 0.2, 0.9
# Granian ends the service if a worker dies that replaced another one so recently.
SETTLED_S = 5.6


@dataclass
class Deployment:
    """A service whose stores are behind proxies, and an application of ours without them."""

    service: RunningService
    app: Flask
    mongod: RestartableServer
    redis: RedisNode
    mongodb_proxy: Proxy
    redis_proxy: Proxy
    chance: random.Random
    happened: Counter[str] = field(default_factory=Counter)
    settled_at_s: float = 0.0

    def run_faults(self, continues: Callable[[], bool], pause: Event) -> None:
        """Cause every kind of fault once, in any order, and again while `continues` returns True.

        Every fault has ended afterwards.
        """
        faults = [
            self.freeze_redis,
            self.kill_redis,
            self.empty_redis,
            self.forget_scripts,
            self.fill_redis,
            self.break_redis_replies,
            self.freeze_mongod,
            self.kill_mongod,
            self.break_mongodb_replies,
            self.kill_worker,
            self.reload_workers,
        ]
        upcoming = self.chance.sample(faults, len(faults))
        while upcoming or continues():
            fault = upcoming.pop() if upcoming else self.chance.choice(faults)
            self.happened[fault.__name__] += 1
            fault(lambda: pause.wait(self.chance.uniform(SHORTEST_S, LONGEST_S)))
            pause.wait(self.chance.uniform(SHORTEST_S, LONGEST_S))

    def freeze_redis(self, endure: Callable[[], object]) -> None:
        with frozen(self.redis.process_id):
            endure()

    def kill_redis(self, endure: Callable[[], object]) -> None:
        """Kill Redis and restart it empty."""
        self.redis.server.kill()
        endure()
        self.redis.restart()

    def empty_redis(self, endure: Callable[[], object]) -> None:
        self.redis.ask("FLUSHALL")

    def forget_scripts(self, endure: Callable[[], object]) -> None:
        self.redis.ask("SCRIPT FLUSH")

    def fill_redis(self, endure: Callable[[], object]) -> None:
        """Let it run out of memory, so that it refuses writes."""
        self.redis.ask("CONFIG SET", "maxmemory", "1")
        endure()
        self.redis.ask("CONFIG SET", "maxmemory", "0")

    def break_redis_replies(self, endure: Callable[[], object]) -> None:
        self._break(self.redis_proxy, endure)

    def freeze_mongod(self, endure: Callable[[], object]) -> None:
        with frozen(self.mongod.process.pid):
            endure()

    def kill_mongod(self, endure: Callable[[], object]) -> None:
        self.mongod.kill()
        endure()
        self.mongod.restart()

    def break_mongodb_replies(self, endure: Callable[[], object]) -> None:
        self._break(self.mongodb_proxy, endure)

    def kill_worker(self, endure: Callable[[], object]) -> None:
        """Kill any worker except the one that was started last."""
        wait_until(lambda: time.monotonic() > self.settled_at_s)
        workers = worker_ids(self.service)
        victim = self.chance.choice(sorted(workers)[:-1])
        kill_worker(victim)
        wait_until(lambda: has_replaced(self.service, workers, {victim}), REPLACED_WITHIN_S)

    def reload_workers(self, endure: Callable[[], object]) -> None:
        """Send SIGHUP: new workers replace the old ones, which complete their requests."""
        reload_workers(self.service)
        self.settled_at_s = time.monotonic() + SETTLED_S
        endure()

    def _break(self, proxy: Proxy, endure: Callable[[], object]) -> None:
        fault, amount = self.chance.choice(BROKEN)
        proxy.set(fault, amount, every=self.chance.choice((1, 2, 5, 20)))
        endure()
        proxy.set(Fault.NONE)


@contextmanager
def running_deployment(folder: Path, seed: int) -> Iterator[Deployment]:
    """Start everything and yield it; end it with the block."""
    with ExitStack() as stack:
        mongod = stack.enter_context(running_mongod(folder / "mongod"))
        redis = stack.enter_context(running_redis_node(folder / "redis"))
        proxies = [stack.enter_context(_before(server.url)) for server in (mongod, redis)]
        uris = [
            server.url.replace(f":{urlsplit(server.url).port}", f":{proxy.port}")
            for server, proxy in zip((mongod, redis), proxies, strict=True)
        ]
        service = stack.enter_context(
            running_service(
                environ_for(uris[0], uris[1], **SHORT_TIMEOUTS),
                folder / "service.log",
                workers_count=WORKERS_COUNT,
            )
        )
        server = stack.enter_context(mortal(mongod))
        # Ends first: its clients would wait a minute for a MongoDB that has ended.
        app = stack.enter_context(app_on(mongod.url, redis.url))
        yield Deployment(
            service,
            app,
            server,
            redis,
            *proxies,
            chance=random.Random(seed),  # noqa: S311 - no secret
        )


@contextmanager
def _before(url: str) -> Iterator[Proxy]:
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    with proxy_to(address.hostname, address.port) as proxy:
        yield proxy
