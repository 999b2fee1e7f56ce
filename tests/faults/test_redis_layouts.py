"""Redis as in production: a cluster of three, or a primary with a sentinel."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask import Flask
from redis.crc import key_slot

from app.backends.backend import Backend
from app.backends.eviction import find_policies
from app.http.application import provided
from tests.callers import Caller, app_on, new_caller, reconcile
from tests.faults.kit.load import has_quota
from tests.faults.kit.processes import frozen
from tests.faults.kit.proxy import proxy_to
from tests.faults.kit.redis_node import RedisNode, running_redis_node
from tests.faults.kit.redis_nodes import (
    SLOTS_COUNT,
    Cluster,
    Watched,
    caller_at_every_primary,
    moving,
    running_node,
    running_sentinels,
)
from tests.faults.kit.tls import Authority, tls_before
from tests.servers import wait_until
from tests.turns import body, stateful

AppAt = Callable[[str], Flask]
# The delay of a loaded machine must not look like an outage of Redis.
REDIS_TIMEOUT_MS = 1_000
RECOVERED_WITHIN_S = 60


@pytest.fixture
def app_at(fresh_mongodb_uri: str) -> Iterator[AppAt]:
    """Makes an application that uses the Redis at an address."""
    with ExitStack() as stack:
        yield lambda redis_url: stack.enter_context(
            app_on(fresh_mongodb_uri, redis_url, redis_timeout_ms=REDIS_TIMEOUT_MS)
        )


def test_a_cluster_serves_every_organization_from_one_slot(app_at: AppAt, cluster: Cluster) -> None:
    app, nodes = app_at(cluster.url), cluster.nodes
    callers = caller_at_every_primary(app, cluster) + caller_at_every_primary(app, cluster)
    for caller in callers:
        assert_works(caller)
    names = {name: number for number, node in enumerate(nodes) for name in keys_of(node)}
    assert set(names.values()) == {0, 1, 2}
    for caller in callers:
        own = [name for name in names if caller.organization.id in name]
        assert len({key_slot(name.encode()) for name in own}) == 1
        assert len(own) >= 4  # the bucket itself may have expired again
    for node in nodes:
        with node.client() as redis:
            redis.flushall()
    for caller in callers:
        assert caller.record(body()).headers["X-Quota-Turns-Used"] == "3"
    assert_reconciled(app, callers)


def test_every_account_of_a_cluster_is_found_over_many_scans(
    app_at: AppAt, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.admission.reconcile.SCAN_COUNT", 1)
    app = app_at(cluster.url)
    callers = [new_caller(app) for _ in range(40)]
    assert all(is_charged(caller) for caller in callers)
    assert_reconciled(app, callers)


def test_a_moving_slot_fails_no_request(app_at: AppAt, cluster: Cluster) -> None:
    app = app_at(cluster.url)
    mover, stayer = caller_at_every_primary(app, cluster)[:2]
    assert is_charged(mover)
    source, target = cluster.nodes[:2]
    with moving(f"bucket:{{{mover.organization.id}}}", source, target):
        # Some of its keys have moved and some have not, so the cluster answers TRYAGAIN.
        before = scripts_sent(source)
        assert {mover.record(body()).status_code for _ in range(10)} == {201}
        assert 10 <= scripts_sent(source) - before <= 20
        assert is_charged(stayer)
    wait_until(lambda: is_charged(mover), RECOVERED_WITHIN_S)
    assert_reconciled(app, [mover, stayer])


def test_a_slot_moving_to_a_node_without_slots_fails_no_request(
    app_at: AppAt, cluster: Cluster, tmp_path: Path
) -> None:
    app = app_at(cluster.url)
    mover = caller_at_every_primary(app, cluster)[0]
    with running_node(tmp_path / "new_node", is_clustered=True) as new_node:
        join(new_node, cluster)
        with moving(f"bucket:{{{mover.organization.id}}}", cluster.nodes[0], new_node):
            # It has no keys yet, so the cluster redirects every request to the new node.
            assert {mover.record(body()).status_code for _ in range(10)} == {201}
        wait_until(lambda: is_charged(mover), RECOVERED_WITHIN_S)
        assert_reconciled(app, [mover])
        leave(new_node, cluster, f"bucket:{{{mover.organization.id}}}")


def leave(gone: RedisNode, cluster: Cluster, key: str) -> None:
    """Move the only slot of a node back to the first one, and remove the node."""
    # By default a primary without slots becomes a replica at once.
    gone.ask("CONFIG", "SET", "cluster-allow-replica-migration", "no")
    with moving(key, gone, cluster.nodes[0]):
        pass
    own_id = str(gone.ask("CLUSTER", "MYID"))
    gone.server.kill()
    for node in cluster.nodes:
        node.ask("CLUSTER", "FORGET", own_id)
    wait_until(cluster.is_whole, RECOVERED_WITHIN_S)


def scripts_sent(node: RedisNode) -> int:
    """Return how often a script was called, whether or not it ran."""
    with node.client() as redis:
        answer = redis.info("commandstats").get("cmdstat_evalsha", {})
    return int(answer.get("calls", 0)) + int(answer.get("rejected_calls", 0))


def test_a_primary_of_a_cluster_that_may_evict_keys_is_found(
    app_at: AppAt, cluster: Cluster
) -> None:
    app = app_at(cluster.url)
    with app.app_context():
        redis = provided(Backend).redis
    assert find_policies(redis) == {"noeviction"}
    cluster.nodes[1].ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    try:
        assert find_policies(redis) == {"noeviction", "allkeys-lfu"}
        assert app.test_client().get("/readyz").get_json()["warnings"] == ["redis_evicts_keys"]
    finally:
        cluster.nodes[1].ask("CONFIG", "SET", "maxmemory-policy", "noeviction")


def join(new_node: RedisNode, cluster: Cluster) -> None:
    """Join the node to the cluster without a slot."""
    bus_port = new_node.ask("CONFIG", "GET", "cluster-port")[1]
    cluster.nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", new_node.port, bus_port)
    own_id = str(new_node.ask("CLUSTER", "MYID"))
    wait_until(
        lambda: all(own_id in str(node.ask("CLUSTER", "NODES")) for node in cluster.nodes),
        RECOVERED_WITHIN_S,
    )


def test_a_cluster_with_a_frozen_node_degrades_and_recovers(
    app_at: AppAt, cluster: Cluster
) -> None:
    app = app_at(f"redis+cluster://{cluster.nodes[0].host}")
    callers = [new_caller(app) for _ in range(6)]
    assert all(is_charged(caller) for caller in callers)
    needed = cluster.primary_of(f"bucket:{{{callers[0].organization.id}}}")
    with frozen(needed.server.process.pid):
        assert {caller.record(body()).status_code for caller in callers * 3} == {201}
        assert not is_charged(callers[0])
        assert redis_by_readiness(app) == "down"
    wait_until(lambda: all(is_charged(caller) for caller in callers), RECOVERED_WITHIN_S)
    wait_until(lambda: redis_by_readiness(app) == "up", RECOVERED_WITHIN_S)
    assert_reconciled(app, callers)


def test_an_absent_cluster_degrades_and_is_used_later(app_at: AppAt, tmp_path: Path) -> None:
    with running_node(tmp_path / "lone", is_clustered=True) as lone:
        lone.server.kill()
        app = app_at(f"redis+cluster://{lone.host}")
        caller = new_caller(app)
        assert not is_charged(caller)
        assert caller.list_().status_code == 200
        lone.restart()
        lone.ask("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS_COUNT - 1)
        wait_until(lambda: is_charged(caller), RECOVERED_WITHIN_S)
        assert_reconciled(app, [caller])


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Yield a primary, its replica and a sentinel."""
    with running_sentinels(tmp_path, sentinels_count=1) as running:
        yield running


def test_the_primary_that_a_sentinel_names_is_used_and_its_successor_found(
    app_at: AppAt, watched: Watched
) -> None:
    app = app_at(watched.url)
    primary, replica = watched.data
    caller = new_caller(app)
    assert_works(caller)
    with primary.client() as redis, replica.client() as copy:
        redis.wait(1, 5_000)
        assert copy.dbsize() == redis.dbsize() > 0
    watched.kill_primary()
    assert {caller.record(body()).status_code for _ in range(10)} == {201}
    wait_until(lambda: is_charged(caller), RECOVERED_WITHIN_S)
    assert_reconciled(app, [caller])


def test_a_client_of_a_replaced_primary_finds_its_successor(app_at: AppAt, tmp_path: Path) -> None:
    with (
        running_node(tmp_path / "first") as first,
        running_node(tmp_path / "second") as second,
        proxy_to("127.0.0.1", first.port) as name,
    ):
        app = app_at(f"redis://127.0.0.1:{name.port}/0")
        caller = new_caller(app)
        assert_works(caller)
        # As behind a managed service: only new connections reach the successor.
        name.lead_to("127.0.0.1", second.port)
        first.ask("REPLICAOF", "127.0.0.1", second.port)
        assert {caller.record(body()).status_code for _ in range(10)} == {201}
        wait_until(lambda: is_charged(caller), RECOVERED_WITHIN_S)
        wait_until(lambda: redis_by_readiness(app) == "up", RECOVERED_WITHIN_S)
        assert_reconciled(app, [caller])


def test_redis_behind_tls_works_if_its_certificate_is_trusted(
    app_at: AppAt, tmp_path: Path
) -> None:
    trusted, stranger = Authority(tmp_path), Authority(tmp_path)
    with running_redis_node(tmp_path / "r") as node, tls_before(node.port, trusted.context) as port:
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs="
        assert_works(new_caller(app_at(f"{url}{trusted.path}")))
        app = app_at(f"{url}{stranger.path}")
        assert not is_charged(new_caller(app))
        assert redis_by_readiness(app) == "down"


def assert_works(caller: Caller) -> None:
    """Check everything that uses Redis: charge, refund, counters, clock."""
    recording = stateful()
    assert caller.record(recording).status_code == 201
    assert caller.record(recording).status_code == 200
    assert caller.record_batch([recording, body()]).status_code == 200
    assert caller.list_().status_code == 200
    usage = caller("GET", "/v1/usage/active-relationships")
    assert usage.get_json()["active_relationships"] == 1
    assert usage.headers["X-Quota-Turns-Used"] == "2"


def redis_by_readiness(app: Flask) -> str:
    answer = app.test_client().get("/readyz").get_json()
    return str(answer["stores"]["redis"])


def keys_of(node: RedisNode) -> list[str]:
    with node.client() as redis:
        return list(redis.keys("*"))


def is_charged(caller: Caller) -> bool:
    """Return True if a turn that is recorded now is charged."""
    answer = caller.record(body())
    assert answer.status_code == 201
    return has_quota(answer)


def assert_reconciled(app: Flask, callers: list[Caller]) -> None:
    assert len(reconcile(app)) == len(callers)
    for caller in callers:
        assert caller.counters()["turns_used"] == caller.rows_count()
