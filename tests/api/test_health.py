"""`/healthz` and `/readyz`, the probes of platforms."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.errors import NetworkTimeout
from pymongo.uri_parser import parse_uri
from redis import Redis
from structlog.testing import capture_logs

from app.backends.backend import Backend
from app.backends.breaker import FAILURES_COUNT, Breaker
from app.backends.eviction import EvictionWatch
from app.backends.outages import RedisCircuitOpen
from app.backends.redis_server import GuardedRedis
from app.http.application import provided
from app.interactions.store import COLLECTION as INTERACTIONS
from app.observability.health import Probes
from app.usage.store import COLLECTION as USAGE_DAYS
from tests.callers import READY, Clock, app_on, at_once, new_caller, readiness
from tests.faults.kit.proxy import Fault, proxy_to
from tests.servers import OPERATOR_TOKEN
from tests.turns import DAY_MS, at


def test_ready_when_both_stores_answer_and_the_indexes_are_there(client: FlaskClient) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.get_json() == READY


def test_the_stores_are_probed_once_a_second_for_any_number_of_requests(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    with memory_app.app_context():
        probes = provided(Probes)
    counted = replace(probes, probes={"mongodb": lambda: asked.append(1), "redis": lambda: None})
    monkeypatch.setitem(memory_app.services, Probes, counted)
    now_s = 0.0
    counted.shared._monotonic = lambda: now_s

    def ask() -> int:
        return memory_app.test_client().get("/readyz").status_code

    assert at_once([ask] * 8) == [200] * 8
    now_s = 0.999
    assert (ask(), len(asked)) == (200, 1)
    now_s = 1.0
    assert (ask(), len(asked)) == (200, 2)


@pytest.mark.parametrize("collection", [INTERACTIONS, USAGE_DAYS])
def test_not_ready_without_indexes_but_alive(
    app: Flask, client: FlaskClient, collection: str
) -> None:
    with app.app_context():
        provided(Backend).database.drop_collection(collection)

    answer = client.get("/readyz")

    assert (answer.status_code, answer.get_json()["schema"]) == (503, "missing")
    assert client.get("/healthz").status_code == 200


DAMAGE = {
    "validator off": {"collMod": INTERACTIONS, "validationLevel": "off"},
    "other validator": {"collMod": INTERACTIONS, "validator": {"$jsonSchema": {}}},
    "hidden index": {"collMod": INTERACTIONS, "index": {"name": "list", "hidden": True}},
    "another retention": {
        "collMod": INTERACTIONS,
        "index": {"name": "retention", "expireAfterSeconds": 1},
    },
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_not_ready_with_other_definitions_until_they_are_corrected(
    live_app: Flask, damage: dict[str, Any]
) -> None:
    with live_app.app_context():
        provided(Backend).database.command(damage)
    client = live_app.test_client()

    answer = client.get("/readyz")

    assert (answer.status_code, answer.get_json()["schema"]) == (503, "different")
    typed = live_app.test_cli_runner().invoke(args=["db", "init", "--tighten"])
    assert typed.exit_code == 0, typed.output
    assert readiness(live_app).status_code == 200


def test_not_ready_with_a_turn_index_that_is_not_unique(live_app: Flask) -> None:
    with live_app.app_context():
        rows = provided(Backend).database[INTERACTIONS]
    keys = rows.index_information()["turn"]["key"]
    rows.drop_index("turn")
    rows.create_index(keys, name="turn")

    answer = live_app.test_client().get("/readyz")

    assert (answer.status_code, answer.get_json()["schema"]) == (503, "different")


def test_a_late_archive_is_shown_and_the_service_stays_ready(app: Flask) -> None:
    caller, clock = new_caller(app), Clock(app)
    caller.import_([at(clock.now_ms - 185 * DAY_MS)], recorded_at_us=clock.now_us)
    clock.move(s=600)

    answer = app.test_client().get("/readyz")

    assert answer.status_code == 200
    assert answer.get_json()["archive"] == {
        "lag_s": 600,
        "sweep_age_s": None,
        "over_retained_turns": 1,
        "organizations_at_fault": 0,
        "set_aside_turns": 0,
    }


def test_metrics_are_shown_without_indexes_too(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        provided(Backend).database.drop_collection(INTERACTIONS)

    answer = client.get("/metrics", headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"})

    assert answer.status_code == 200
    assert "turnledger_requests_total" in answer.text


def test_a_draining_service_is_not_ready_but_alive_and_answers_requests(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = new_caller(app)
    with app.app_context():
        probes = provided(Probes)
    draining = replace(probes, is_draining=lambda: True)
    monkeypatch.setitem(app.services, Probes, draining)

    answer = client.get("/readyz")

    assert (answer.status_code, answer.get_json()) == (503, {"status": "draining"})
    assert client.get("/healthz").status_code == 200
    assert caller.list_().status_code == 200


def test_a_slow_store_is_not_down_and_probing_it_blocks_no_request(
    fresh_mongodb_uri: str, fresh_redis_url: str
) -> None:
    host, port = parse_uri(fresh_mongodb_uri)["nodelist"][0]
    with proxy_to(host, port) as proxy:
        uri = fresh_mongodb_uri.replace(f"{host}:{port}", f"127.0.0.1:{proxy.port}")
        # As in production: a request waits for MongoDB for at most a second and a half.
        with app_on(uri, fresh_redis_url, mongodb_timeout_ms=2_000) as app:
            caller = new_caller(app)
            assert caller.list_().status_code == 200
            proxy.set(Fault.DELAY, 300)

            answers = [readiness(app) for _ in range(FAILURES_COUNT + 1)]

            assert {answer.status_code for answer in answers} == {200}
            assert {answer.get_json()["stores"]["mongodb"] for answer in answers} == {"up"}
            assert caller.list_().status_code == 200


def test_a_reading_that_takes_too_long_is_no_outage(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late() -> NoReturn:
        raise NetworkTimeout("timed out")

    with app.app_context():
        probes = provided(Probes)
    slow = replace(probes, find_schema_faults=late, archive=late)
    monkeypatch.setitem(app.services, Probes, slow)

    answers = [readiness(app) for _ in range(2 * FAILURES_COUNT)]

    assert {answer.status_code for answer in answers} == {200}
    assert answers[-1].get_json()["archive"] is None
    assert new_caller(app).list_().status_code == 200


@pytest.mark.parametrize(
    ("setting", "value"),
    [("maxmemory", "1"), ("min-replicas-to-write", "1"), ("replicaof", "127.0.0.1 1")],
)
def test_redis_that_refuses_writes_is_down_and_probing_it_opens_no_breaker(
    live_app: Flask, live_redis: Redis, setting: str, value: str
) -> None:
    watches = watch_breaker(live_app)
    is_replica = setting == "replicaof"
    live_redis.replicaof(*value.split()) if is_replica else live_redis.config_set(setting, value)
    try:
        assert live_redis.ping()
        answers = [readiness(live_app) for _ in range(2 * FAILURES_COUNT)]
    finally:
        live_redis.replicaof("no", "one") if is_replica else live_redis.config_set(setting, "0")

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.get_json()["status"] for answer in answers} == {"degraded"}
    assert {answer.get_json()["stores"]["redis"] for answer in answers} == {"down"}
    assert watches == []
    assert readiness(live_app).get_json()["status"] == "ready"


def test_redis_behind_an_open_breaker_is_down_and_not_probed(
    live_app: Flask, live_redis: Redis
) -> None:
    watch_breaker(live_app)
    guarded_redis(live_app).breaker.is_open = True  # type: ignore[union-attr]
    live_redis.config_resetstat()

    answer = live_app.test_client().get("/readyz")

    assert answer.get_json()["status"] == "degraded"
    assert "cmdstat_set" not in live_redis.info("commandstats")


def test_redis_that_may_evict_keys_is_reported_and_the_service_stays_ready(
    live_app: Flask, live_redis: Redis
) -> None:
    live_redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with capture_logs() as lines:
            answers = [live_app.test_client().get("/readyz") for _ in range(3)]
    finally:
        live_redis.config_set("maxmemory-policy", "noeviction")

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.get_json()["status"] for answer in answers} == {"ready"}
    assert [answer.get_json()["warnings"] for answer in answers] == [["redis_evicts_keys"]] * 3
    (line,) = [line for line in lines if line["event"] == "redis_evicts_keys"]
    assert line["policies"] == ["allkeys-lru"]
    assert "noeviction" in line["next_step"]


def test_the_eviction_policy_is_read_once_a_minute(live_redis: Redis) -> None:
    now_s = 0.0
    watch = EvictionWatch(live_redis, lambda: now_s)
    live_redis.config_resetstat()
    assert [watch.warnings() for _ in range(5)] == [[]] * 5
    now_s = 59.0
    assert watch.warnings() == []
    assert live_redis.info("commandstats")["cmdstat_info"]["calls"] == 1
    live_redis.config_set("maxmemory-policy", "volatile-ttl")
    try:
        now_s = 60.0
        assert watch.warnings() == ["redis_evicts_keys"]
    finally:
        live_redis.config_set("maxmemory-policy", "noeviction")


def guarded_redis(app: Flask) -> GuardedRedis:
    with app.app_context():
        redis = provided(Backend).redis
    assert isinstance(redis, GuardedRedis)
    return redis


def watch_breaker(app: Flask) -> list[Callable[[], None]]:
    """Replace Redis's breaker by one that collects its watch functions and never runs them."""
    redis, watches = guarded_redis(app), list[Callable[[], None]]()
    redis.breaker = Breaker("redis", redis.probe, RedisCircuitOpen, start=watches.append)
    return watches
