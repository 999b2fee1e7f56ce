"""Redis clients for each layout that never resend, and that know when the server is ill.

Every command of a client passes `_guarded`, by its `execute_command` or, on one server, a script by
`evalsha` and `script_load`: there the breaker is asked, and there an error is judged. What means
that the server cannot do its work becomes a `ConnectionError`, so that callers need to know one
family of errors; what means that we asked wrongly stays as it is. Clients are made after a fork,
never before.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any, cast

from hiredis import pack_command
from redis import Redis
from redis.backoff import NoBackoff
from redis.cluster import PRIMARY, ClusterNode, RedisCluster
from redis.commands import RedisClusterCommands
from redis.connection import AbstractConnection, Connection, SSLConnection
from redis.event import EventDispatcherInterface
from redis.exceptions import (
    AuthenticationWrongNumberOfArgsError,
    ClusterCrossSlotError,
    ConnectionError,  # noqa: A004 - the driver's name for it
    CrossSlotTransactionError,
    DataError,
    InvalidPipelineStack,
    ModuleError,
    NoScriptError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.lock import Lock as RedisLock
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection

from app.backends import REDIS_OUTAGES
from app.backends.breaker import Breaker
from config.redis_address import Layout, RedisAddress, parse_redis_url

PROBE_KEY = "probe:{turnledger}"
PROBE_KEY_MS = 1_000
_OUR_FAULTS = (
    NoScriptError,
    ClusterCrossSlotError,
    CrossSlotTransactionError,
    InvalidPipelineStack,
    ModuleError,
    AuthenticationWrongNumberOfArgsError,
    DataError,
)
# Errors that the driver has no class for begin with the server's code: MISCONF, NOREPLICAS, BUSY…
# Those without a code of their own ("ERR") come without one: a wrong command, a failing script.
_CODE = re.compile(r"(?!WRONGTYPE)[A-Z]{4,}( .*)?|DB index is out of range", re.DOTALL)


class RedisUnavailable(ConnectionError):
    """The server answers that it cannot do its work, or cannot be found in its cluster."""


class RedisResting(RedisUnavailable):
    """The breaker is open: nothing was sent."""


def is_illness(error: Exception) -> bool:
    """Whether `error` says that the server is ill, rather than that we asked wrongly."""
    if isinstance(error, _OUR_FAULTS):
        return False
    return type(error) is not ResponseError or bool(_CODE.fullmatch(str(error)))


def _guarded(
    breaker: Breaker | None,
    send: Callable[..., Any],
    arguments: Sequence[Any],
    options: Mapping[str, Any],
) -> Any:
    if breaker is not None:
        breaker.require_closed()
    try:
        return send(*arguments, **options)
    except (RedisError, RedisClusterException) as error:
        if not is_illness(error):
            raise
        if breaker is not None:
            breaker.note_failure()
        if isinstance(error, REDIS_OUTAGES):
            raise
        raise RedisUnavailable(type(error).__name__) from error


def _require_well(breaker: Breaker | None, probe: Callable[[], None]) -> None:
    if breaker is not None:
        breaker.require_closed()
    _guarded(None, probe, (), {})


def _has_rest(connection: AbstractConnection) -> bool:
    """Whether there is something to read although nobody has asked: a late answer, or the end."""
    try:
        return connection.can_read()
    except (RedisError, OSError):
        return True


class GuardedRedis(Redis):
    """One server, or the master that sentinels name."""

    breaker: Breaker | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._idle: deque[AbstractConnection] = deque()

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run a script, once; as `execute_command`, in a third of its time.

        Every request asks for this. The driver's own way is made for resending, for replies that
        must be turned into other types and for telemetry of its own, of which there is none here.
        """
        words = ("EVALSHA", sha, numkeys, *keys_and_args)
        return _guarded(self.breaker, self._ask, (self._exchange, *words), {})

    def script_load(self, script: bytes | str | memoryview) -> Any:
        """Have the server remember a script: the one that `evalsha` asks, whatever the pool's."""
        words = ("SCRIPT", "LOAD", script)
        return _guarded(self.breaker, self._ask, (self._exchange, *words), {})

    def _ask(self, send: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return send(*arguments, **options)
        except ReadOnlyError:
            # A replica by now. Only who connects anew learns where the server's name leads to.
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        # Each goes back, for the pool counts what it has made; it connects anew when it is used.
        with suppress(IndexError):
            for _ in range(len(self._idle)):
                connection = self._idle.popleft()
                connection.disconnect()
                self._idle.append(connection)
        self.connection_pool.disconnect(inuse_connections=False)

    def _exchange(self, *command: Any) -> Any:
        connection = self._idle_connection()
        try:
            if connection.is_connected and not self._is_fit(connection):
                connection.disconnect()
            connection.connect()  # nothing if it is
            connection.send_packed_command([pack_command(command)])
            return connection.read_response()
        except ResponseError:
            raise  # a whole reply
        except BaseException:
            connection.disconnect()
            raise
        finally:
            self._idle.append(connection)

    def _is_fit(self, connection: AbstractConnection) -> bool:
        """Whether it leads to where the pool leads, to the present master, and is at rest."""
        is_ours = bool(self.connection_pool.owns_connection(cast("Connection", connection)))
        return is_ours and not _has_rest(connection)

    def _idle_connection(self) -> AbstractConnection:
        with suppress(IndexError):
            return self._idle.pop()
        return cast("AbstractConnection", self.connection_pool.make_connection())

    def close(self) -> None:
        """Close every connection."""
        self._disconnect()
        super().close()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command, once; see the module for what may be raised."""
        return _guarded(self.breaker, self._ask, (super().execute_command, *args), options)

    def require_well(self) -> None:
        """Raise an outage unless the server takes writes; the breaker is asked and told nothing."""
        _require_well(self.breaker, self.probe)

    def probe(self) -> None:
        """Whether the server takes writes again; past the breaker. Raises if not."""
        self._ask(super().execute_command, "SET", PROBE_KEY, 1, "PX", PROBE_KEY_MS)


class GuardedCluster(RedisClusterCommands):
    """A cluster, of which nothing is asked before the first command.

    The driver's own client asks the nodes for their slots as soon as it is made, and cannot be made
    while they are ill.
    """

    breaker: Breaker | None = None
    _event_dispatcher: EventDispatcherInterface  # the driver's base class wants it declared

    def __init__(self, make: Callable[[], RedisCluster]) -> None:
        self._make = make
        self._made: RedisCluster | None = None
        self._making = Lock()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command, once to each node that has it; redirections are not resends."""
        return _guarded(self.breaker, self._send, args, options)

    def lock(self, name: str, **options: Any) -> RedisLock:
        """A lock that all clients of the cluster share."""
        return RedisLock(self, name, **options)

    def probe(self) -> None:
        """Whether every primary answers and one takes writes; past the breaker. Raises if not."""
        self._send("PING", target_nodes=RedisCluster.PRIMARIES)
        self._send("SET", PROBE_KEY, 1, "PX", PROBE_KEY_MS)

    def require_well(self) -> None:
        """Raise an outage unless `probe` succeeds; the breaker is asked and told nothing."""
        _require_well(self.breaker, self.probe)

    def get_encoder(self) -> Any:
        """How commands become bytes."""
        return Redis(decode_responses=True).get_encoder()

    def get_node(self, *names: Any, **options: Any) -> ClusterNode | None:
        """The node of that name: `scan_iter` goes on there, where one look was not enough."""
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


class _Cluster(RedisCluster):
    """Follows one redirection, and to nodes that own no slot yet.

    A slot may take minutes to move. The driver asks 16 times, over nearly half a second, which
    would hold up everybody else, and stumbles over a node that it has not heard of.
    """

    RedisClusterRequestTTL = 2

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._newcomers: dict[str, ClusterNode] = {}
        super().__init__(*arguments, **options)

    def get_node(
        self, host: str | None = None, port: int | None = None, node_name: str | None = None
    ) -> ClusterNode | None:
        """The node, also if it is only known from a redirection."""
        known: ClusterNode | None = super().get_node(host, port, node_name)
        if known is not None or node_name is None:
            return known
        its_host, _, its_port = node_name.rpartition(":")
        newcomer = ClusterNode(its_host, int(its_port), PRIMARY)
        return self._newcomers.setdefault(node_name, newcomer)


class _MasterConnection(SentinelManagedConnection):
    """Closes after any failure to read: what comes late must not answer the next command.

    Other connections do so by themselves; those of sentinels leave it to their callers.
    """

    def read_response(
        self, *args: Any, disconnect_on_error: bool | None = True, **more: Any
    ) -> Any:
        return super().read_response(*args, disconnect_on_error=disconnect_on_error, **more)


class _MasterTlsConnection(_MasterConnection, SSLConnection):
    pass


def redis_client(url: str, timeout_ms: int, pool_count: int) -> GuardedRedis | GuardedCluster:
    """A client for `url`; nothing is sent before the first command. ValueError for a bad URL."""
    address = parse_redis_url(url)
    timeouts: dict[str, Any] = {
        "socket_timeout": timeout_ms / 1_000,
        "socket_connect_timeout": timeout_ms / 1_000,
    }
    options = timeouts | {
        "max_connections": pool_count,
        "health_check_interval": 0,
        # RESP2 needs no HELLO, which old servers lack; the replies that we use are the same.
        "protocol": 2,
        "decode_responses": True,
    }
    if address.layout is Layout.SINGLE:
        return cast("GuardedRedis", GuardedRedis.from_url(url, retry=_once(), **options))
    options |= {"username": address.username, "password": address.password}
    if address.layout is Layout.SENTINEL:
        return _master(address, timeouts, options)
    return GuardedCluster(
        lambda: _Cluster(
            startup_nodes=[ClusterNode(*host) for host in address.hosts],
            retry=_once(),
            ssl=address.is_tls,
            **address.tls,
            **options,
        )
    )


def _master(
    address: RedisAddress, timeouts: Mapping[str, Any], options: Mapping[str, Any]
) -> GuardedRedis:
    asking = {
        **timeouts,
        **address.tls,
        "retry": _once(),
        "protocol": 2,
        "ssl": address.is_tls,
    }
    sentinel = Sentinel(list(address.hosts), sentinel_kwargs=asking)
    master = sentinel.master_for(
        address.service,
        redis_class=GuardedRedis,
        connection_class=_MasterTlsConnection if address.is_tls else _MasterConnection,
        db=address.db,
        retry=_once(),
        **address.tls,
        **options,
    )
    return cast("GuardedRedis", master)


def _once() -> Retry:
    """A charge that is sent twice is charged twice: who retries must know what he does."""
    return Retry(NoBackoff(), 0)
