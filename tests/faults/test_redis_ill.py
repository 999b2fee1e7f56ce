"""Redis is ill, MongoDB is well: reads and recordings go on, and the counters are right after."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.callers import Caller, hire
from tests.faults.ill_stores import Site, running_site
from tests.faults.kit.processes import frozen
from tests.faults.load import Load, Sent, p99_ms
from tests.servers import OPERATOR_TOKEN, wait_until
from tests.turns import body

PER_SECOND = 50
CALM_S = 3.0
OPEN_S = 2.0
LONG_FREEZE_S = 10.0
# Bounds of the long form, which runs alone.
BACK_WITHIN_S = 3.0
ADDED_BEFORE_OPEN_MS = 120
ADDED_AFTER_OPEN_MS = 5
# Every worker has seen five failures by then.
OPEN_WITHIN_S = 1.0
# Tells a hang, on whatever machine.
HEALED_WITHIN_S = 60
GIVEN_UP_WITHIN_S = 20
# One a second, and the test's own connections.
MOST_PROBES = 20
# As long as nobody ends it before: for the ballast of the test, and with answers meanwhile.
SLOW_LOADING = ("--key-load-delay", "50000", "--loading-process-events-interval-bytes", "1024")
# MongoDB is well, on a loaded machine too.
PATIENT = {"MONGODB_TIMEOUT_MS": "8000"}
GOOD = {("GET", 200), ("POST", 201)}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path, **PATIENT) as running:
        yield running


@pytest.fixture
def small_site(tmp_path: Path) -> Iterator[Site]:
    """One worker, so that one breaker is all there is."""
    with running_site(tmp_path, workers_count=1, **PATIENT) as running:
        yield running


def test_a_frozen_redis_is_given_up_and_costs_nobody_an_answer(
    small_site: Site, tell_figures: Callable[..., None]
) -> None:
    site, caller = small_site, hire(small_site.app)
    with Load(site.service.base_url, caller, PER_SECOND) as load:
        wait_until(lambda: has_charged(load, 0.0), HEALED_WITHIN_S)
        load.go_on(1)  # seeding
        counted_from_s = time.monotonic()
        scripts_before, connections_before = site.scripts_count(), site.connections_count()
        with frozen(site.redis.process_id):
            wait_until(lambda: site.given_up_count("redis"), GIVEN_UP_WITHIN_S)
            open_s = load.go_on(OPEN_S)
        wait_until(lambda: has_charged(load, open_s[1]), HEALED_WITHIN_S)
    spared = [each for each in load.between(*open_s) if each.answered_s < open_s[1]]
    asking = [each for each in load.sent if each.answered_s >= counted_from_s]
    scripts = site.scripts_count() - scripts_before
    connections = site.connections_count() - connections_before
    tell_figures(
        requests=len(asking), while_open=len(spared), scripts=scripts, connections=connections
    )
    assert answers(load.sent) == GOOD
    assert answers(spared) == GOOD
    assert all(each.is_degraded for each in spared if each.method == "POST")
    # Redis has run each script that it was sent, those that came while it was frozen too.
    assert scripts <= len(asking) - len(spared)
    # Who asks a frozen Redis connects anew; while it is left in peace only probes do.
    assert connections <= 2 * (len(asking) - len(spared)) + MOST_PROBES
    assert degraded_count(site) >= len([each for each in load.sent if each.is_degraded])
    assert_counters_are_right(site, caller, load)


@pytest.mark.long
def test_a_frozen_redis_costs_a_few_requests_one_time_out(
    site: Site, tell_figures: Callable[..., None]
) -> None:
    caller = hire(site.app)
    with Load(site.service.base_url, caller, PER_SECOND) as load:
        load.go_on(1)  # connections, caches, seeding
        calm = load.go_on(CALM_S)
        with frozen(site.redis.process_id):
            ill = load.go_on(LONG_FREEZE_S)
        back = load.go_on(BACK_WITHIN_S + 1)
    before = load.between(*calm)
    opening = load.between(ill[0], ill[0] + OPEN_WITHIN_S)
    opened = load.between(ill[0] + OPEN_WITHIN_S, ill[1])
    well = load.between(back[0] + BACK_WITHIN_S, back[1])
    told = {"calm": before, "opening": opening, "open": opened, "back": well}
    tell_figures(**{f"p99_{name}_ms": round(p99_ms(sent), 1) for name, sent in told.items()})
    assert answers(load.sent) == GOOD
    assert all(each.is_degraded for each in opened if each.method == "POST")
    assert not any(each.is_degraded for each in well)
    usual_ms = max(p99_ms(before), p99_ms(well))
    assert p99_ms(opening) <= usual_ms + ADDED_BEFORE_OPEN_MS
    assert p99_ms(opened) <= usual_ms + ADDED_AFTER_OPEN_MS
    assert_counters_are_right(site, caller, load)


def test_a_redis_that_comes_back_empty_is_counted_exactly(site: Site) -> None:
    caller = hire(site.app)
    with Load(site.service.base_url, caller, PER_SECOND) as load:
        wait_until(lambda: has_charged(load, 0.0), HEALED_WITHIN_S)
        site.redis.kill()
        gone_s = time.monotonic()
        wait_until(lambda: any(each.is_degraded for each in load.since(gone_s)), HEALED_WITHIN_S)
        load.go_on(1)
        site.redis.start()
        back_s = time.monotonic()
        wait_until(lambda: has_charged(load, back_s), HEALED_WITHIN_S)
        load.go_on(1)
    assert answers(load.sent) == GOOD
    assert_counters_are_right(site, caller, load)


def test_scripts_and_counters_lost_in_mid_load_are_loaded_anew(site: Site) -> None:
    caller = hire(site.app)
    with Load(site.service.base_url, caller, PER_SECOND) as load, site.redis.client() as redis:
        for wipe in (redis.script_flush, redis.flushall) * 3:
            load.go_on(0.3)
            wipe()
        load.go_on(0.5)
    assert answers(load.sent) == GOOD
    assert_counters_are_right(site, caller, load)


def out_of_memory(redis: Redis) -> None:
    redis.config_set("maxmemory", "1")


def read_only(redis: Redis) -> None:
    redis.replicaof("127.0.0.1", "1")


def without_its_master(redis: Redis) -> None:
    redis.config_set("replica-serve-stale-data", "no")
    redis.replicaof("127.0.0.1", "1")


def without_replicas(redis: Redis) -> None:
    redis.config_set("min-replicas-to-write", "1")


def heal(redis: Redis) -> None:
    redis.replicaof("NO", "ONE")
    for name in ("maxmemory", "min-replicas-to-write"):
        redis.config_set(name, "0")


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site"), workers_count=1, **PATIENT) as running:
        yield running


@pytest.mark.parametrize(
    "make_ill", [out_of_memory, read_only, without_its_master, without_replicas]
)
def test_a_redis_that_answers_with_errors_is_as_good_as_none(
    shared_site: Site, make_ill: Any
) -> None:
    caller = hire(shared_site.app)
    with shared_site.redis.client() as redis, client_of(shared_site, caller) as http:
        wait_until(lambda: has_quota(record(http)), HEALED_WITHIN_S)
        make_ill(redis)
        try:
            told = [record(http) for _ in range(12)] + [http.get("/v1/interactions")]
            assert Counter(each.status_code for each in told) == {201: 12, 200: 1}
            assert not any(map(has_quota, told))
        finally:
            heal(redis)
        wait_until(lambda: has_quota(record(http)), HEALED_WITHIN_S)
        shared_site.reconcile()
        assert caller.counters()["turns_used"] == caller.rows_count()


def test_a_redis_that_is_busy_with_a_script_is_as_good_as_none(shared_site: Site) -> None:
    caller = hire(shared_site.app)
    with shared_site.redis.client() as redis, client_of(shared_site, caller) as http:
        wait_until(lambda: has_quota(record(http)), HEALED_WITHIN_S)
        redis.config_set("busy-reply-threshold", 1)
        busy = Thread(target=run_for_ever, args=(shared_site,))
        busy.start()
        try:
            wait_until(lambda: refusal(redis).startswith("BUSY"))
            told = [record(http) for _ in range(8)]
            assert {each.status_code for each in told} == {201}
            assert not any(map(has_quota, told))
        finally:
            redis.script_kill()
            busy.join()
        wait_until(lambda: has_quota(record(http)), HEALED_WITHIN_S)


def test_a_redis_that_still_loads_its_data_is_as_good_as_none(site: Site) -> None:
    caller = hire(site.app)
    with client_of(site, caller) as http:
        wait_until(lambda: has_quota(record(http)), HEALED_WITHIN_S)
        with site.redis.client() as redis:
            redis.mset({f"ballast:{number}": os.urandom(5_000) for number in range(400)})
            redis.save()
        site.redis.kill()
        site.redis.start(*SLOW_LOADING)
        with site.redis.client() as redis:
            wait_until(lambda: "is loading" in refusal(redis))
            told = [record(http) for _ in range(8)]
            assert "is loading" in refusal(redis)
            redis.config_set("key-load-delay", 0)
        assert {each.status_code for each in told} == {201}
        assert not any(map(has_quota, told))
        wait_until(lambda: has_quota(record(http)), HEALED_WITHIN_S)
    site.reconcile()
    assert caller.counters()["turns_used"] == caller.rows_count()


def test_readiness_tells_of_the_illness_and_of_its_end(shared_site: Site) -> None:
    with httpx.Client(base_url=shared_site.service.base_url, timeout=30) as http:
        wait_until(lambda: http.get("/readyz").json()["status"] == "ready", HEALED_WITHIN_S)
        with frozen(shared_site.redis.process_id):
            answer = http.get("/readyz")
            assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
            assert http.get("/healthz").status_code == 200
        wait_until(lambda: http.get("/readyz").json()["status"] == "ready", HEALED_WITHIN_S)


def answers(sent: list[Sent]) -> set[tuple[str, int | None]]:
    return {(each.method, each.status) for each in sent}


def has_charged(load: Load, from_s: float) -> bool:
    """Whether a turn that was sent since then has been charged."""
    return any(each.status == 201 and not each.is_degraded for each in load.since(from_s))


def assert_counters_are_right(site: Site, caller: Caller, load: Load) -> None:
    site.reconcile()
    acknowledged = len([each for each in load.sent if each.status == 201])
    assert caller.counters()["turns_used"] == caller.rows_count() == acknowledged


def degraded_count(site: Site) -> float:
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    text = httpx.get(f"{site.service.base_url}/metrics", headers=headers).text
    told = [line.split()[-1] for line in text.splitlines() if 'outcome="degraded"' in line]
    return sum(map(float, told))


def client_of(site: Site, caller: Caller) -> httpx.Client:
    return httpx.Client(base_url=site.service.base_url, headers=caller.headers, timeout=30)


def record(http: httpx.Client) -> httpx.Response:
    return http.post("/v1/interactions", json=body())


def has_quota(answer: httpx.Response) -> bool:
    return "x-quota-turns-used" in answer.headers


def run_for_ever(site: Site) -> None:
    with site.redis.client() as redis, pytest.raises(RedisError):
        redis.eval("while true do end", 0)


def refusal(redis: Redis) -> str:
    """Why Redis does not answer; empty if it does."""
    try:
        redis.ping()
    except RedisError as error:
        return str(error)
    return ""
