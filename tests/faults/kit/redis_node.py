"""One Redis-protocol server that can be asked, killed and started again."""

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
from tests.faults.kit.processes import END_TIMEOUT_S, MortalServer, mortal
from tests.servers import wait_until

READY_WITHIN_S = 30


@dataclass(frozen=True, slots=True)
class RedisNode:
    """One server, whatever it belongs to."""

    server: MortalServer
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
        """Kill it if it runs and start it again: it answers then, with what it was told to save."""
        self.server.restart()
        wait_until(lambda: self.answers("PING"), READY_WITHIN_S)

    @contextmanager
    def client(self, timeout_s: float = END_TIMEOUT_S) -> Iterator[Redis]:
        """Speaks to it alone, and asks once."""
        with Redis(
            port=self.port,
            socket_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            decode_responses=True,
        ) as client:
            yield client

    def ask(self, *words: str | int, timeout_s: float = END_TIMEOUT_S) -> Any:
        """Its answer to a command. RedisError if there is none in time."""
        with self.client(timeout_s) as client:
            return client.execute_command(*words)

    def answers(self, *words: str | int) -> Any:
        """Its answer to a command, None if there is none within a second."""
        try:
            return self.ask(*words, timeout_s=1)
        except RedisError:
            return None

    def is_primary(self) -> bool:
        """Whether it says so itself; a dead one says nothing."""
        return (self.answers("ROLE") or [""])[0] == "master"


@contextmanager
def running_redis_node(folder: Path) -> Iterator[RedisNode]:
    """A server that keeps nothing on disk unless told to save; gone with the block."""
    with running_redis(folder, is_ephemeral=True) as bundled, mortal(bundled) as server:
        port = urlsplit(bundled.url).port
        assert port is not None
        yield RedisNode(server, port)
