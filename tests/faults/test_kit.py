"""The clusters of the fault tests start, and recover after a kill."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from redis import Redis
from redis.cluster import ClusterNode, RedisCluster
from redis.sentinel import MasterNotFoundError, Sentinel

from tests.faults.kit.mongodb_set import running_replica_set
from tests.faults.kit.redis_nodes import SERVICE, running_cluster, running_sentinels
from tests.servers import wait_until

RECOVERED_WITHIN_S = 60


@pytest.mark.long
def test_a_cluster_promotes_the_replica_of_a_killed_primary(
    tmp_path: Path, report_figures: Callable[..., None]
) -> None:
    started_at = time.monotonic()
    with running_cluster(tmp_path, replicas_count=1) as cluster:
        ready_at = time.monotonic()
        nodes = [ClusterNode("127.0.0.1", node.port) for node in cluster.nodes]
        with RedisCluster(startup_nodes=nodes, decode_responses=True) as client:
            held = [
                f"key_{n}" for n in range(99) if cluster.primary_of(f"key_{n}") is cluster.nodes[0]
            ]
            client.set(held[0], "kept")
            client.wait(1, 1_000, target_nodes=client.get_node_from_key(held[0]))
        assert cluster.kill_primary_of(held[0]) is cluster.nodes[0]
        killed_at = time.monotonic()
        wait_until(cluster.is_whole, RECOVERED_WITHIN_S)
        recovered_at = time.monotonic()
        assert cluster.primary_of(held[0]) is cluster.nodes[3]
        with RedisCluster(startup_nodes=nodes[1:], decode_responses=True) as client:
            assert client.get(held[0]) == "kept"
        cluster.nodes[0].server.restart()
        wait_until(cluster.is_replicated, RECOVERED_WITHIN_S)
        assert not cluster.nodes[0].is_primary()
    report_figures(
        start_s=round(ready_at - started_at, 1), failover_s=round(recovered_at - killed_at, 1)
    )


def is_written(client: Redis) -> bool:
    """Return True once the new primary takes a write; some sentinels hear of it later."""
    try:
        return bool(client.set("mark", "kept"))
    except MasterNotFoundError:
        return False


def test_sentinels_promote_the_replica_of_a_killed_primary(
    tmp_path: Path, report_figures: Callable[..., None]
) -> None:
    started_at = time.monotonic()
    with running_sentinels(tmp_path) as watched:
        ready_at = time.monotonic()
        first = watched.kill_primary()
        wait_until(lambda: watched.primary_port() not in (0, first.port), RECOVERED_WITHIN_S)
        recovered_at = time.monotonic()
        hosts = [("127.0.0.1", sentinel.port) for sentinel in watched.sentinels]
        with Sentinel(hosts, decode_responses=True).master_for(SERVICE) as client:
            wait_until(lambda: is_written(client), RECOVERED_WITHIN_S)
        assert watched.data[1].is_primary()
    report_figures(
        start_s=round(ready_at - started_at, 1), failover_s=round(recovered_at - ready_at, 1)
    )


@pytest.mark.long
def test_a_replica_set_elects_another_primary_and_keeps_what_it_acknowledged(
    tmp_path: Path, report_figures: Callable[..., None]
) -> None:
    started_at = time.monotonic()
    with running_replica_set(tmp_path) as replica_set:
        ready_at = time.monotonic()
        with MongoClient[dict[str, Any]](replica_set.uri, w="majority") as client:
            rows = client["turnledger"]["rows"]
            rows.insert_one({"_id": "before"})
            first = replica_set.kill_primary()
            killed_at = time.monotonic()
            rows.insert_one({"_id": "after"})
            recovered_at = time.monotonic()
            assert replica_set.find_primary() not in (None, first)
            first.server.restart()
            wait_until(replica_set.is_whole, RECOVERED_WITHIN_S)
            assert {row["_id"] for row in rows.find()} == {"before", "after"}
    report_figures(
        start_s=round(ready_at - started_at, 1), failover_s=round(recovered_at - killed_at, 1)
    )
