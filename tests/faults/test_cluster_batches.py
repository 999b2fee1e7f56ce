"""Batches to a Redis cluster: one round trip to each node, and no command is sent twice."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from redis import Redis
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from app.backends.batches import send_batch
from app.backends.outages import REDIS_OUTAGES, RedisUnavailable
from app.backends.redis_clients import redis_client
from tests.faults.kit.processes import frozen
from tests.faults.kit.redis_nodes import Cluster, moving
from tests.servers import wait_until

KEYS = [f"key:{{{number}}}" for number in range(30)]
TIMEOUT_MS = 1_000
RECOVERED_WITHIN_S = 60


@pytest.fixture
def redis(cluster: Cluster) -> Iterator[Any]:
    """The service's client of the cluster."""
    with closing(redis_client(cluster.url, TIMEOUT_MS, 32)) as client:
        yield client


def counted(cluster: Cluster, command: str) -> list[int]:
    """Return how often each node got a command, whether or not it did it."""
    found = []
    for node in cluster.nodes:
        with node.client() as redis:
            stat = redis.info("commandstats").get(f"cmdstat_{command}", {})
        found.append(int(stat.get("calls", 0)) + int(stat.get("rejected_calls", 0)))
    return found


def test_replies_come_in_the_order_of_the_commands(redis: Redis, cluster: Cluster) -> None:
    owners = [cluster.primary_of(key) for key in KEYS]
    assert all(node in owners for node in cluster.nodes)

    assert send_batch(redis, [("INCRBY", key, n) for n, key in enumerate(KEYS)]) == [*range(30)]

    assert counted(cluster, "incrby") == [owners.count(node) for node in cluster.nodes]
    assert send_batch(redis, [("GET", key) for key in KEYS]) == [str(n) for n in range(30)]


def test_a_wrong_command_has_its_error_as_its_reply(redis: Redis) -> None:
    redis.set(KEYS[0], "x")
    first, second = send_batch(redis, [("INCR", KEYS[0]), ("INCR", KEYS[1])])
    assert isinstance(first, ResponseError)
    assert second == 1


def test_a_moving_slot_loses_and_repeats_no_command(redis: Redis, cluster: Cluster) -> None:
    key = KEYS[0]
    source = cluster.primary_of(key)
    target = next(node for node in cluster.nodes if node is not source)
    send_batch(redis, [("INCR", key)])
    with moving(key, source, target):
        # The key is still there; a new one of the slot is made where the slot goes.
        new = f"new:{{{key.partition('{')[2]}"
        assert send_batch(redis, [("INCR", key), ("INCR", new), ("INCR", new)]) == [2, 1, 2]
    assert cluster.primary_of(key) is target
    assert send_batch(redis, [("INCR", key), ("INCR", new)]) == [3, 3]
    before = sum(counted(cluster, "incr"))
    assert send_batch(redis, [("INCR", key)]) == [4]
    assert sum(counted(cluster, "incr")) == before + 1  # the new owner is known
    with moving(key, target, source):
        pass


def test_commands_whose_replies_are_lost_are_not_sent_again(
    redis: Redis, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = KEYS[0]
    send_batch(redis, [("INCR", key)])  # from now on there is a connection
    with monkeypatch.context() as patch:
        patch.setattr(AbstractConnection, "read_response", losing_one_reply())
        with pytest.raises(RedisConnectionError):
            send_batch(redis, [("INCR", key)] * 3)
    assert send_batch(redis, [("GET", key)]) == ["4"]


def losing_one_reply() -> Callable[..., Any]:
    """Return a way to read replies of which the first is lost with its connection."""
    read, lost = AbstractConnection.read_response, iter([True])

    def read_or_lose(connection: AbstractConnection, *words: Any, **options: Any) -> Any:
        reply = read(connection, *words, **options)
        if next(lost, False):
            connection.disconnect()
            raise RedisConnectionError("lost")
        return reply

    return read_or_lose


def test_a_frozen_node_is_an_outage_and_used_again(redis: Redis, cluster: Cluster) -> None:
    node = cluster.primary_of(KEYS[0])
    with frozen(node.server.process.pid), pytest.raises(REDIS_OUTAGES):
        send_batch(redis, [("INCR", key) for key in KEYS])
    wait_until(lambda: answers(lambda: send_batch(redis, [("GET", KEYS[0])])), RECOVERED_WITHIN_S)


def answers(ask: Callable[[], object]) -> bool:
    """Return True unless the cluster is unavailable."""
    try:
        ask()
    except REDIS_OUTAGES:
        return False
    return True


def test_a_closed_client_raises_an_outage(cluster: Cluster) -> None:
    client: Any = redis_client(cluster.url, TIMEOUT_MS, 32)
    assert send_batch(client, [("INCR", KEYS[0])]) == [1]
    client.close()
    for ask in (lambda: send_batch(client, [("INCR", KEYS[0])]), lambda: client.hgetall("x")):
        with pytest.raises(RedisUnavailable):
            ask()
