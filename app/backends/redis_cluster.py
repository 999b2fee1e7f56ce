"""A client of a Redis cluster, which never resends a command."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from redis import Redis
from redis.cluster import PRIMARY, ClusterNode, RedisCluster
from redis.commands import RedisClusterCommands
from redis.event import EventDispatcherInterface
from redis.exceptions import AskError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.lock import Lock as RedisLock

from app.backends.breaker import Breaker
from app.backends.outages import RedisUnavailable
from app.backends.pipelines import Command, exchange
from app.backends.redis_guard import PROBE, guarded, require_writable


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

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Return the reply or error of each command, whose second word is its key.

        Each node gets its commands in one round trip, and each of them once. The driver's own
        pipeline sends them again after a lost connection, although the node may have done them. A
        redirected command was not done, so it follows its redirection.
        """
        replies: dict[int, Any] = {}
        for node, numbers in self._by_node(commands).items():
            sent = [commands[number] for number in numbers]
            replies |= zip(numbers, self._exchange_with(node, sent), strict=True)
        return [
            self._followed(command) if isinstance(replies[number], AskError) else replies[number]
            for number, command in enumerate(commands)
        ]

    def _by_node(self, commands: Sequence[Command]) -> dict[ClusterNode, list[int]]:
        found: dict[ClusterNode, list[int]] = {}
        for number, command in enumerate(commands):
            found.setdefault(self.get_node_from_key(command[1]), []).append(number)
        return found

    def _exchange_with(self, node: ClusterNode, commands: Sequence[Command]) -> list[Any]:
        try:
            return exchange(self.get_redis_connection(node), commands)
        except (RedisConnectionError, RedisTimeoutError):
            # As the driver does after a single command: another node may have taken over.
            self.nodes_manager.initialize(last_failed_node_name=node.name)
            raise

    def _followed(self, command: Command) -> Any:
        try:
            return self.execute_command(*command)
        except ResponseError as error:
            return error


class GuardedCluster(RedisClusterCommands):
    """A cluster, to which nothing is sent before the first command.

    The driver's own client asks the nodes for their slots as soon as it is made. It cannot be made
    while they are unavailable.
    """

    breaker: Breaker | None = None
    _event_dispatcher: EventDispatcherInterface  # the driver's base class wants it declared

    def __init__(self, make: Callable[[], SingleRedirectCluster]) -> None:
        self._make = make
        self._made: SingleRedirectCluster | None = None
        self._making = Lock()
        self._is_closed = False

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command, once to each node that has it; redirections are not resends."""
        return guarded(self.breaker, self._send, args, options)

    def lock(self, name: str, **options: Any) -> RedisLock:
        """Return a lock that all clients of the cluster share."""
        return RedisLock(self, name, **options)

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Return the reply or error of each command; see `SingleRedirectCluster.exchange`."""
        return self._cluster().exchange(commands)

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
        """Close every connection; a later command raises an outage."""
        self._is_closed = True
        if self._made is not None:
            self._made.close()

    def _send(self, *args: Any, **options: Any) -> Any:
        return self._cluster().execute_command(*args, **options)

    def _cluster(self) -> SingleRedirectCluster:
        if self._is_closed:  # the driver would fail at a node that it no longer knows
            raise RedisUnavailable("The client of the cluster is closed.")
        if self._made is None:
            with self._making:
                self._made = self._made or self._make()
        return self._made
