"""Make the Redis client for the layout of a URL: one server, sentinels or a cluster.

No client resends a command. Make them after a fork, never before.
"""

from collections.abc import Mapping
from typing import Any, cast

from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.connection import SSLConnection
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection

from app.backends.redis_cluster import GuardedCluster, SingleRedirectCluster
from app.backends.redis_server import GuardedRedis
from config.redis_address import Layout, RedisAddress, parse_redis_url


class _MasterConnection(SentinelManagedConnection):
    """Closes after any failure to read: a late reply must not answer the next command.

    Other connections do so by themselves; those of sentinels leave it to their callers.
    """

    def read_response(
        self, *args: Any, disconnect_on_error: bool | None = True, **more: Any
    ) -> Any:
        return super().read_response(*args, disconnect_on_error=disconnect_on_error, **more)


class _MasterTlsConnection(_MasterConnection, SSLConnection):
    pass


def redis_client(url: str, timeout_ms: int, pool_count: int) -> GuardedRedis | GuardedCluster:
    """Make a client for `url`; nothing is sent before the first command.

    Raises ValueError for a bad URL.
    """
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
        return cast("GuardedRedis", GuardedRedis.from_url(url, retry=_never(), **options))
    options |= {"username": address.username, "password": address.password}
    if address.layout is Layout.SENTINEL:
        return _master(address, timeouts, options)
    return GuardedCluster(
        lambda: SingleRedirectCluster(
            startup_nodes=[ClusterNode(*host) for host in address.hosts],
            retry=_never(),
            ssl=address.is_tls,
            **address.tls,
            **options,
        )
    )


def _master(
    address: RedisAddress, timeouts: Mapping[str, Any], options: Mapping[str, Any]
) -> GuardedRedis:
    of_sentinels = {
        **timeouts,
        **address.tls,
        "retry": _never(),
        "protocol": 2,
        "ssl": address.is_tls,
    }
    sentinel = Sentinel(list(address.hosts), sentinel_kwargs=of_sentinels)
    master = sentinel.master_for(
        address.service,
        redis_class=GuardedRedis,
        connection_class=_MasterTlsConnection if address.is_tls else _MasterConnection,
        db=address.db,
        retry=_never(),
        **address.tls,
        **options,
    )
    return cast("GuardedRedis", master)


def _never() -> Retry:
    """Return the driver's policy of no retry: a charge that is sent twice is charged twice."""
    return Retry(NoBackoff(), 0)
