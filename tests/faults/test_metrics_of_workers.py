"""Metrics on both servers: one sum over all workers, also after some were replaced."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.faults.kit.workers import (
    REPLACED_WITHIN_S,
    folder_of,
    has_replaced,
    kill_worker,
    reload_workers,
    worker_ids,
    workers_by_age,
)
from tests.servers import OPERATOR_TOKEN, RunningService, ServerKind, wait_until

ROUTE = "/v1/billing/plans"
REQUESTS_COUNT = 30
COUNT = re.compile(rf'turnledger_requests_total{{.*route="{ROUTE}".*}} ([0-9.]+)')


def exposition(service: RunningService) -> str:
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    answer = httpx.get(f"{service.base_url}/metrics", headers=headers, timeout=30)
    assert answer.status_code == 200
    return answer.text


def ask(service: RunningService) -> None:
    """Read over many connections, so that several workers answer."""
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=service.base_url, limits=limits, timeout=30) as client:
        for _ in range(REQUESTS_COUNT):
            assert client.get(ROUTE).status_code == 200


def counted(service: RunningService) -> int:
    (count,) = COUNT.findall(exposition(service))
    return round(float(count))


def test_any_worker_reports_the_sum_of_all(shared_service: RunningService) -> None:
    ask(shared_service)
    assert {counted(shared_service) for _ in range(10)} == {REQUESTS_COUNT}


def test_each_metric_is_reported_once_by_any_number_of_workers(
    shared_service: RunningService,
) -> None:
    texts = [exposition(shared_service) for _ in range(10)]
    families = [line.split()[2] for line in texts[-1].splitlines() if line.startswith("# TYPE ")]
    assert "turnledger_requests_total" in families
    assert len(families) == len(set(families))
    assert 'pid="' not in texts[-1]


def test_counts_survive_a_killed_worker_and_a_reload(
    start_service: Callable[..., RunningService], kind: ServerKind
) -> None:
    service = start_service(kind=kind)
    folder = folder_of(service)
    ask(service)
    workers = worker_ids(service)
    victim = workers_by_age(service)[0]
    kill_worker(victim)
    wait_until(lambda: has_replaced(service, workers, {victim}), REPLACED_WITHIN_S)
    assert counted(service) == REQUESTS_COUNT
    reload_workers(service)
    ask(service)
    assert counted(service) == 2 * REQUESTS_COUNT
    # Ended workers have neither heartbeats nor gauges any more.
    signs = {f"alive_{worker}" for worker in worker_ids(service)}
    wait_until(lambda: {sign.name for sign in folder.glob("alive_*")} <= signs)


def test_a_start_deletes_only_counters_of_an_earlier_run(
    start_service: Callable[..., RunningService], kind: ServerKind, tmp_path: Path
) -> None:
    stale = {"counter_1.db", "histogram_1.db", "summary_1.db", "gauge_liveall_1.db"}
    foreign = {"customers.db", "counter.txt"}
    folder = tmp_path / "chosen"
    folder.mkdir()
    for name in stale | foreign:
        (folder / name).touch()
    start_service(kind=kind, PROMETHEUS_MULTIPROC_DIR=str(folder))
    left = {path.name for path in folder.iterdir()}
    assert left & (stale | foreign) == foreign
