"""Redis is frozen or killed under load: no request fails, few are late, counters are correct.

A killed Redis restarts empty; `test_redis_empty.py` tests the effect on the quota.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests import plain_http
from tests.callers import Caller, log_lines, new_caller, reconcile
from tests.faults.kit.load import percentile_ms
from tests.faults.kit.processes import frozen
from tests.faults.kit.site import LONG_TIMEOUTS, SHORT_TIMEOUTS, Site, running_site
from tests.faults.kit.traffic import Sent, Traffic
from tests.servers import OPERATOR_TOKEN, wait_until

PER_SECOND = 50
CALM_S = 3.0
OPEN_S = 2.0
LONG_OUTAGE_S = 10.0
# Bounds of the long form, which runs alone.
BACK_WITHIN_S = 3.0
ADDED_BEFORE_OPEN_MS = 120
ADDED_AFTER_OPEN_MS = 5
# Every worker has had five failures by then.
OPEN_WITHIN_S = 1.0
# Detects a hang on any machine.
RECOVERED_WITHIN_S = 60
OPENED_WITHIN_S = 20
# One a second, and the test's own connections.
MOST_PROBES = 20
# Further calls to an empty Redis: scripts that it does not know, and the seeding.
MOST_SCRIPTS_TO_SEED = 20
GOOD = {("GET", 200), ("POST", 201)}

Outage = Callable[[Site], AbstractContextManager[None]]


def frozen_redis(site: Site) -> AbstractContextManager[None]:
    return frozen(site.redis.process_id)


@contextmanager
def killed_redis(site: Site) -> Iterator[None]:
    """Kill Redis and restart it empty."""
    site.redis.server.kill()
    yield
    site.redis.restart()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site"), **LONG_TIMEOUTS) as running:
        yield running


@pytest.fixture
def small_site(tmp_path: Path) -> Iterator[Site]:
    """Yield a site with one worker, and so with one circuit breaker."""
    with running_site(tmp_path, workers_count=1, **LONG_TIMEOUTS) as running:
        yield running


def test_a_frozen_redis_opens_the_breaker_and_fails_no_request(
    small_site: Site, report_figures: Callable[..., None]
) -> None:
    site, caller = small_site, new_caller(small_site.app)
    with Traffic(site.service.base_url, caller, PER_SECOND) as load:
        wait_until(load.has_charged, RECOVERED_WITHIN_S)
        load.last(1)  # seeding
        counted_from_s = time.monotonic()
        scripts_before, connections_before = site.scripts_count(), site.connections_count()
        with frozen_redis(site):
            wait_until(lambda: site.breaker_opened_count("redis"), OPENED_WITHIN_S)
            open_s = load.last(OPEN_S)
        wait_until(lambda: load.has_charged(open_s[1]), RECOVERED_WITHIN_S)
    spared = [each for each in load.between(*open_s) if each.answered_at_s < open_s[1]]
    asking = [each for each in load.sent if each.answered_at_s >= counted_from_s]
    scripts = site.scripts_count() - scripts_before
    connections = site.connections_count() - connections_before
    report_figures(
        requests=len(asking), while_open=len(spared), scripts=scripts, connections=connections
    )
    assert answers(load.sent) == GOOD
    assert answers(spared) == GOOD
    assert all(each.is_degraded for each in spared if each.method == "POST")
    # Redis has run every received script, also those that arrived while it was frozen.
    assert scripts <= scripts_sent_count(site, asking)
    # Each request to a frozen Redis reconnects; while the breaker is open only probes do.
    assert connections <= 2 * (len(asking) - len(spared)) + MOST_PROBES
    assert degraded_count(site) >= len([each for each in load.sent if each.is_degraded])
    assert_counters_are_right(site, caller, load)


def test_a_killed_redis_fails_no_request_and_is_seeded_again(
    site: Site, report_figures: Callable[..., None]
) -> None:
    caller = new_caller(site.app)
    with Traffic(site.service.base_url, caller, PER_SECOND) as load:
        wait_until(load.has_charged, RECOVERED_WITHIN_S)
        gone_s = time.monotonic()
        with killed_redis(site):
            wait_until(
                lambda: any(each.is_degraded for each in load.between(gone_s)), RECOVERED_WITHIN_S
            )
            load.last(1)
        back_s = time.monotonic()
        wait_until(lambda: load.has_charged(back_s), RECOVERED_WITHIN_S)
        load.last(1)
    since_back = [each for each in load.sent if each.answered_at_s >= back_s]
    degraded, scripts = [each for each in load.sent if each.is_degraded], site.scripts_count()
    report_figures(
        requests=len(load.sent), degraded=len(degraded), back=len(since_back), scripts=scripts
    )
    assert answers(load.sent) == GOOD
    assert scripts <= len(since_back) + MOST_SCRIPTS_TO_SEED
    assert_counters_are_right(site, caller, load)


@pytest.mark.long
@pytest.mark.parametrize("make_unavailable", [frozen_redis, killed_redis])
def test_an_unavailable_redis_costs_a_few_requests_one_time_out(
    site: Site, make_unavailable: Outage, report_figures: Callable[..., None]
) -> None:
    caller = new_caller(site.app)
    site.redis.ask("CONFIG RESETSTAT")
    with Traffic(site.service.base_url, caller, PER_SECOND) as load:
        load.last(1)  # connections, caches, seeding
        calm = load.last(CALM_S)
        with make_unavailable(site):
            outage = load.last(LONG_OUTAGE_S)
        back = load.last(BACK_WITHIN_S + 1)
    before = load.between(*calm)
    opening = load.between(outage[0], outage[0] + OPEN_WITHIN_S)
    opened = load.between(outage[0] + OPEN_WITHIN_S, outage[1])
    recovered = load.between(back[0] + BACK_WITHIN_S, back[1])
    phases = {"calm": before, "opening": opening, "open": opened, "back": recovered}
    scripts = site.scripts_count()
    report_figures(
        scripts=scripts,
        **{f"p99_{name}_ms": percentile_ms(sent, 99) for name, sent in phases.items()},
    )
    assert answers(load.sent) == GOOD
    assert all(each.is_degraded for each in opened if each.method == "POST")
    assert not any(each.is_degraded for each in recovered)
    usual_ms = percentile_ms(before, 99)
    assert percentile_ms(opening, 99) <= usual_ms + ADDED_BEFORE_OPEN_MS
    assert percentile_ms(opened, 99) <= usual_ms + ADDED_AFTER_OPEN_MS
    assert percentile_ms(recovered, 99) <= usual_ms + ADDED_AFTER_OPEN_MS
    assert scripts <= scripts_sent_count(site, load.sent) + MOST_SCRIPTS_TO_SEED
    assert_counters_are_right(site, caller, load)


def test_scripts_and_counters_lost_under_load_are_loaded_again(site: Site) -> None:
    caller = new_caller(site.app)
    with Traffic(site.service.base_url, caller, PER_SECOND) as load, site.redis.client() as redis:
        for wipe in (redis.script_flush, redis.flushall) * 3:
            load.last(0.3)
            wipe()
        load.last(0.5)
    assert answers(load.sent) == GOOD
    assert_counters_are_right(site, caller, load)


def answers(sent: list[Sent]) -> set[tuple[str, int]]:
    return {(each.method, each.status) for each in sent}


def scripts_sent_count(site: Site, sent: Iterable[Sent]) -> int:
    """Return the number of requests that Redis decided, or that waited for the whole time-out."""
    timeout_ms = int(SHORT_TIMEOUTS["REDIS_TIMEOUT_MS"])
    ids = {each.headers["X-Request-Id"] for each in sent}
    return sum(
        line["decision"] != "degraded" or line["durationMs"] >= timeout_ms
        for line in log_lines(site.service)
        if line.get("requestId") in ids
    )


def assert_counters_are_right(site: Site, caller: Caller, load: Traffic) -> None:
    reconcile(site.app)
    acknowledged = len([each for each in load.sent if each.status == 201])
    assert caller.counters()["turns_used"] == caller.rows_count() == acknowledged


def degraded_count(site: Site) -> float:
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    text = plain_http.get(f"{site.service.base_url}/metrics", headers=headers).text
    counts = [line.split()[-1] for line in text.splitlines() if 'outcome="degraded"' in line]
    return sum(map(float, counts))
