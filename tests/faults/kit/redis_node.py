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

from app.backends.bundled import running_redis
from tests.faults.kit.processes import MortalServer, mortal
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

    def restart(self, *options: str) -> None:
        """Kill it if it runs and start it again, with more options if any; empty, and it answers.

        What it was told to save it finds.
        """
        self.server.restart(*options)
        wait_until(lambda: self.answers("PING"), READY_WITHIN_S)

    @contextmanager
    def client(self) -> Iterator[Redis]:
        """Speaks to it alone, and asks once."""
        once = Retry(NoBackoff(), 0)
        with Redis(
            port=self.port, socket_timeout=1, retry=once, protocol=2, decode_responses=True
        ) as client:
            yield client

    def ask(self, *words: str | int) -> Any:
        """Its answer to a command. RedisError if it does not answer within a second."""
        with self.client() as client:
            return client.execute_command(*words)

    def answers(self, *words: str | int) -> Any:
        """The same, None if it does not answer."""
        try:
            return self.ask(*words)
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
