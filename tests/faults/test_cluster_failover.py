"""A primary of a Redis Cluster dies under load: no request fails, counters are correct."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from flask import Flask

from app.reservations.schemas import MIN_HOLD_S
from tests.callers import Caller, Clock, app_beside, http_client, log_lines, reconcile
from tests.faults.kit.load import Load, percentile_ms
from tests.faults.kit.producers import Fate, Producers
from tests.faults.kit.redis_nodes import (
    PRIMARIES_COUNT,
    callers_at_every_primary,
    running_cluster,
)
from tests.faults.kit.site import LONG_TIMEOUTS, SHORT_TIMEOUTS
from tests.servers import RunningService, environ_for, running_service, wait_until
from tests.turns import stateful

# For each of the three organizations.
PER_SECOND = 17
RECOVERED_WITHIN_S = 60
# The limit of concurrent requests is not tested here: on a slow machine all may be in progress.
MANY_THREADS = {"WEB_THREADS": "32"}


def is_recovered(service: RunningService) -> bool:
    """Return True if Redis decided the last request of every organization."""
    last = {line["organization"]: line["decision"] for line in log_lines(service)}
    return list(last.values()) == ["admitted"] * PRIMARIES_COUNT


def assert_counters_are_right(
    app: Flask, callers: list[Caller], producers: list[Producers]
) -> None:
    """Check that one pass finds exactly the accepted turns once all left holds have expired."""
    Clock(app).move(s=MIN_HOLD_S + 1)
    for caller in callers:
        # The first request may still use a connection to the dead node.
        wait_until(
            lambda asks=caller: asks("GET", "/v1/usage/turns").status_code == 200,
            RECOVERED_WITHIN_S,
        )
    reconcile(app)
    for caller, each in zip(callers, producers, strict=True):
        each.assert_all_are_stored_once(caller)
        counted = caller.counters()
        assert counted["turns_used"] == len(each.accepted)
        assert counted["relationships_used"] == 1
        assert (counted["turns_reserved"], counted["reservations"]) == (0, 0)


def test_a_failover_under_load_fails_no_request_and_counters_are_correct(
    tmp_path: Path, fresh_mongodb_uri: str, report_figures: Callable[..., None]
) -> None:
    with (
        running_cluster(tmp_path) as cluster,
        running_service(
            environ_for(
                fresh_mongodb_uri, cluster.url, **(SHORT_TIMEOUTS | LONG_TIMEOUTS | MANY_THREADS)
            ),
            tmp_path / "service.log",
        ) as service,
        app_beside(service) as app,
    ):
        callers = callers_at_every_primary(app, cluster)
        with http_client(service) as client:
            producers = [
                Producers(
                    partial(client.request, headers=caller.headers),
                    lambda _: stateful("rel_1"),
                    (Fate.RECORDED, Fate.COMPLETED, Fate.LEFT),
                )
                for caller in callers
            ]
            with Load(lambda number: [each(number) for each in producers], PER_SECOND) as load:
                load.last(2)
                cluster.kill_primary_of(f"bucket:{{{callers[0].organization.id}}}")
                wait_until(cluster.is_whole, RECOVERED_WITHIN_S)
                load.last(1)
                wait_until(lambda: is_recovered(service), RECOVERED_WITHIN_S)
            for each in producers:
                each.settle_running()
        statuses = [each.statuses() for each in producers]
        assert [set(of_one) for of_one in statuses] == [{201}] * PRIMARIES_COUNT
        assert {line["status"] for line in log_lines(service)} == {201}
        assert "CROSSSLOT" not in service.log.read_text()
        degraded = [line["decision"] for line in log_lines(service)].count("degraded")
        assert_counters_are_right(app, callers, producers)
    shots = [shot for each in producers for shot in each.shots]
    report_figures(
        statuses=statuses,
        outcomes=[each.outcome() for each in producers],
        degraded=degraded,
        p99_ms=percentile_ms(shots, 99),
        slowest_ms=percentile_ms(shots, 100),
    )
