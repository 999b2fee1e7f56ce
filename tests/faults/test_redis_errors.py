"""Redis answers with errors: this counts as an outage, and no request fails."""

import os
from collections import Counter
from collections.abc import Iterator
from threading import Thread
from typing import Any

import httpx
import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests import plain_http
from tests.callers import Caller, new_caller, reconcile
from tests.faults.kit.load import has_quota
from tests.faults.kit.processes import frozen
from tests.faults.kit.site import LONG_TIMEOUTS, Site, running_site
from tests.servers import wait_until
from tests.turns import body

# Detects a hang on any machine.
RECOVERED_WITHIN_S = 60
# Unless it is ended earlier: long enough for the test's data, with answers meanwhile.
SLOW_LOADING = ("--key-load-delay", "50000", "--loading-process-events-interval-bytes", "1024")


def out_of_memory(redis: Redis) -> None:
    redis.config_set("maxmemory", "1")


def read_only(redis: Redis) -> None:
    redis.replicaof("127.0.0.1", "1")


def without_its_master(redis: Redis) -> None:
    redis.config_set("replica-serve-stale-data", "no")
    redis.replicaof("127.0.0.1", "1")


def without_replicas(redis: Redis) -> None:
    redis.config_set("min-replicas-to-write", "1")


def recover(redis: Redis) -> None:
    redis.replicaof("NO", "ONE")
    for name in ("maxmemory", "min-replicas-to-write"):
        redis.config_set(name, "0")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site"), workers_count=1, **LONG_TIMEOUTS) as running:
        yield running


@pytest.mark.parametrize(
    "make_unavailable", [out_of_memory, read_only, without_its_master, without_replicas]
)
def test_a_redis_that_answers_with_errors_counts_as_an_outage(
    site: Site, make_unavailable: Any
) -> None:
    caller = new_caller(site.app)
    with site.redis.client() as redis, client_of(site, caller) as http:
        wait_until(lambda: has_quota(record(http)), RECOVERED_WITHIN_S)
        make_unavailable(redis)
        try:
            answers = [record(http) for _ in range(12)] + [http.get("/v1/interactions")]
            assert Counter(each.status_code for each in answers) == {201: 12, 200: 1}
            assert not any(map(has_quota, answers))
        finally:
            recover(redis)
        wait_until(lambda: has_quota(record(http)), RECOVERED_WITHIN_S)
        reconcile(site.app)
        assert caller.counters()["turns_used"] == caller.rows_count()


def test_a_redis_busy_with_a_script_counts_as_an_outage(site: Site) -> None:
    caller = new_caller(site.app)
    with site.redis.client() as redis, client_of(site, caller) as http:
        wait_until(lambda: has_quota(record(http)), RECOVERED_WITHIN_S)
        redis.config_set("busy-reply-threshold", 1)
        busy = Thread(target=run_for_ever, args=(site,))
        busy.start()
        try:
            wait_until(lambda: refusal(redis).startswith("BUSY"))
            answers = [record(http) for _ in range(8)]
            assert {each.status_code for each in answers} == {201}
            assert not any(map(has_quota, answers))
        finally:
            redis.script_kill()
            busy.join()
        wait_until(lambda: has_quota(record(http)), RECOVERED_WITHIN_S)


def test_readiness_reports_the_outage_and_its_end(site: Site) -> None:
    with plain_http.Client(base_url=site.service.base_url, timeout=30) as http:
        wait_until(lambda: http.get("/readyz").json()["status"] == "ready", RECOVERED_WITHIN_S)
        with frozen(site.redis.process_id):
            # For up to a second an answer may be an earlier one.
            wait_until(lambda: http.get("/readyz").json()["status"] == "degraded", 2)
            assert http.get("/readyz").status_code == 200
            assert http.get("/healthz").status_code == 200
        wait_until(lambda: http.get("/readyz").json()["status"] == "ready", RECOVERED_WITHIN_S)


def test_a_redis_still_loading_its_data_counts_as_an_outage(site: Site) -> None:
    caller = new_caller(site.app)
    with client_of(site, caller) as http:
        wait_until(lambda: has_quota(record(http)), RECOVERED_WITHIN_S)
        with site.redis.client() as redis:
            redis.mset({f"ballast:{number}": os.urandom(5_000) for number in range(400)})
            redis.save()
        site.redis.server.restart(*SLOW_LOADING)
        with site.redis.client() as redis:
            wait_until(lambda: "is loading" in refusal(redis))
            answers = [record(http) for _ in range(8)]
            assert "is loading" in refusal(redis)
            redis.config_set("key-load-delay", 0)
        assert {each.status_code for each in answers} == {201}
        assert not any(map(has_quota, answers))
        wait_until(lambda: has_quota(record(http)), RECOVERED_WITHIN_S)
    reconcile(site.app)
    assert caller.counters()["turns_used"] == caller.rows_count()


def client_of(site: Site, caller: Caller) -> httpx.Client:
    return plain_http.Client(base_url=site.service.base_url, headers=caller.headers, timeout=30)


def record(http: httpx.Client) -> httpx.Response:
    return http.post("/v1/interactions", json=body())


def run_for_ever(site: Site) -> None:
    with site.redis.client() as redis, pytest.raises(RedisError):
        redis.eval("while true do end", 0)


def refusal(redis: Redis) -> str:
    """Return the error of Redis; empty if it answers."""
    try:
        redis.ping()
    except RedisError as error:
        return str(error)
    return ""
