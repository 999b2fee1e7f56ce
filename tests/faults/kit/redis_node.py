"""Run one Redis-protocol server that can be queried, killed and restarted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from devkit.bundled import running_redis
from tests.faults.kit.processes import END_TIMEOUT_S, RestartableServer, mortal
from tests.servers import wait_until

READY_WITHIN_S = 30


@dataclass(frozen=True, slots=True)
class RedisNode:
    """One server: alone, of a cluster, or a sentinel."""

    server: RestartableServer
    port: int

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"redis://{self.host}/0"

    @property
    def process_id(self) -> int:
        return self.server.process.pid

    def restart(self) -> None:
        """Kill it if it runs and restart it with its saved data; wait until it answers."""
        self.server.restart()
        wait_until(lambda: self.answers("PING"), READY_WITHIN_S)

    @contextmanager
    def client(self, timeout_s: float = END_TIMEOUT_S) -> Iterator[Redis]:
        """Return a client of this server alone, without retries."""
        with Redis(
            port=self.port,
            socket_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            decode_responses=True,
        ) as client:
            yield client

    def ask(self, *words: str | int, timeout_s: float = END_TIMEOUT_S) -> Any:
        """Return its answer to a command; RedisError if there is none in time."""
        with self.client(timeout_s) as client:
            return client.execute_command(*words)

    def answers(self, *words: str | int) -> Any:
        """Return its answer to a command; None if there is none within a second."""
        try:
            return self.ask(*words, timeout_s=1)
        except RedisError:
            return None

    def is_primary(self) -> bool:
        """Return True if the server itself reports that it is a primary."""
        return (self.answers("ROLE") or [""])[0] == "master"


@contextmanager
def running_redis_node(folder: Path) -> Iterator[RedisNode]:
    """Yield a server that saves to disk only on command; end it with the block."""
    with running_redis(folder, is_ephemeral=True) as bundled, mortal(bundled) as server:
        port = urlsplit(bundled.url).port
        assert port is not None
        yield RedisNode(server, port)
