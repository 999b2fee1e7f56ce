"""A client of a Redis cluster, which never resends a command."""

from collections.abc import Callable
from threading import Lock
from typing import Any

from redis import Redis
from redis.cluster import PRIMARY, ClusterNode, RedisCluster
from redis.commands import RedisClusterCommands
from redis.event import EventDispatcherInterface
from redis.lock import Lock as RedisLock

from app.backends.breaker import Breaker
from app.backends.redis_guard import PROBE, guarded, require_writable


class GuardedCluster(RedisClusterCommands):
    """A cluster, to which nothing is sent before the first command.

    The driver's own client asks the nodes for their slots as soon as it is made. It cannot be made
    while they are unavailable.
    """

    breaker: Breaker | None = None
    _event_dispatcher: EventDispatcherInterface  # the driver's base class wants it declared

    def __init__(self, make: Callable[[], RedisCluster]) -> None:
        self._make = make
        self._made: RedisCluster | None = None
        self._making = Lock()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command, once to each node that has it; redirections are not resends."""
        return guarded(self.breaker, self._send, args, options)

    def lock(self, name: str, **options: Any) -> RedisLock:
        """Return a lock that all clients of the cluster share."""
        return RedisLock(self, name, **options)

    def pipeline(self, transaction: bool | None = None) -> Any:  # noqa: FBT001 - as the driver's
        """Return the cluster's pipeline, one for the nodes together."""
        return self._cluster().pipeline(transaction)

    def probe(self) -> None:
        """Raise unless all primaries answer and one takes writes; sent also while it is open."""
        self._send("PING", target_nodes=RedisCluster.PRIMARIES)
        self._send(*PROBE)

    def require_writable(self) -> None:
        """Raise an outage unless `probe` succeeds; the breaker does not count it."""
        require_writable(self.breaker, self.probe)

    def get_encoder(self) -> Any:
        """Return the encoder of commands."""
        return Redis(decode_responses=True).get_encoder()

    def get_node(self, *names: Any, **options: Any) -> ClusterNode | None:
        """Return the node of that name; `scan_iter` needs it for a second page."""
        found: ClusterNode | None = self._cluster().get_node(*names, **options)
        return found

    def close(self) -> None:
        """Close every connection."""
        if self._made is not None:
            self._made.close()

    def _send(self, *args: Any, **options: Any) -> Any:
        return self._cluster().execute_command(*args, **options)

    def _cluster(self) -> RedisCluster:
        if self._made is None:
            with self._making:
                self._made = self._made or self._make()
        return self._made


class SingleRedirectCluster(RedisCluster):
    """The driver's cluster, which follows one redirection, also to a node that owns no slot yet.

    A slot may take minutes to move. The driver asks 16 times, over nearly half a second, which
    would hold up every other request, and fails at a node that it does not know.
    """

    RedisClusterRequestTTL = 2

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._unlisted: dict[str, ClusterNode] = {}
        super().__init__(*arguments, **options)

    def get_node(
        self, host: str | None = None, port: int | None = None, node_name: str | None = None
    ) -> ClusterNode | None:
        """Return the node, also if it is known only from a redirection."""
        known: ClusterNode | None = super().get_node(host, port, node_name)
        if known is not None or node_name is None:
            return known
        its_host, _, its_port = node_name.rpartition(":")
        unlisted = ClusterNode(its_host, int(its_port), PRIMARY)
        return self._unlisted.setdefault(node_name, unlisted)
