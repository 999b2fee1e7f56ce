"""Metrics on both servers: one sum over all workers, also after some were replaced."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import plain_http
from tests.faults.kit.workers import (
    REPLACED_WITHIN_S,
    has_replaced,
    kill_worker,
    reload_workers,
    worker_ids,
    workers_by_age,
)
from tests.servers import (
    OPERATOR_TOKEN,
    RunningService,
    ServerKind,
    environ_for,
    running_service,
    wait_until,
)

ROUTE = "/v1/billing/plans"
REQUESTS_COUNT = 30
# Counters of an earlier run, and files of others, in the folder before the start.
STALE = {"counter_1.db", "histogram_1.db", "summary_1.db", "gauge_liveall_1.db"}
FOREIGN = {"customers.db", "counter.txt"}
COUNT = re.compile(rf'turnledger_requests_total{{.*route="{ROUTE}".*}} ([0-9.]+)')


def exposition(service: RunningService) -> str:
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    answer = plain_http.get(f"{service.base_url}/metrics", headers=headers, timeout=30)
    assert answer.status_code == 200
    return answer.text


def ask(service: RunningService) -> None:
    """Read over many connections, so that several workers answer."""
    limits = httpx.Limits(max_keepalive_connections=0)
    with plain_http.Client(base_url=service.base_url, limits=limits, timeout=30) as client:
        for _ in range(REQUESTS_COUNT):
            assert client.get(ROUTE).status_code == 200


def counted(service: RunningService) -> int:
    counts = COUNT.findall(exposition(service))
    assert len(counts) <= 1
    return round(float(counts[0])) if counts else 0


@pytest.fixture(scope="module")
def own_folder(kind: ServerKind, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the counters, which held files before the start."""
    folder = tmp_path_factory.mktemp(kind.value)
    for name in STALE | FOREIGN:
        (folder / name).touch()
    return folder


@pytest.fixture(scope="module")
def started(
    kind: ServerKind, live_mongodb_uri: str, live_redis_url: str, own_folder: Path
) -> Iterator[tuple[RunningService, set[str]]]:
    """Yield a service, and the names of the files in its folder after its start."""
    environ = environ_for(
        live_mongodb_uri, live_redis_url, PROMETHEUS_MULTIPROC_DIR=str(own_folder)
    )
    with running_service(environ, own_folder / "service.log", kind=kind) as running:
        yield running, {path.name for path in own_folder.iterdir()}


@pytest.fixture(scope="module")
def service(started: tuple[RunningService, set[str]], own_folder: Path) -> RunningService:
    """Return the service; the library of the metrics cannot read a folder with foreign files."""
    for name in FOREIGN:
        (own_folder / name).unlink()
    return started[0]


def test_a_start_deletes_only_counters_of_an_earlier_run(
    started: tuple[RunningService, set[str]],
) -> None:
    assert started[1] & (STALE | FOREIGN) == FOREIGN


def test_any_worker_reports_the_sum_of_all(service: RunningService) -> None:
    before = counted(service)
    ask(service)
    assert {counted(service) for _ in range(10)} == {before + REQUESTS_COUNT}


def test_each_metric_is_reported_once_by_any_number_of_workers(service: RunningService) -> None:
    texts = [exposition(service) for _ in range(10)]
    families = [line.split()[2] for line in texts[-1].splitlines() if line.startswith("# TYPE ")]
    assert "turnledger_requests_total" in families
    assert len(families) == len(set(families))
    assert 'pid="' not in texts[-1]


def test_counts_survive_a_killed_worker_and_a_reload(
    service: RunningService, own_folder: Path
) -> None:
    before = counted(service)
    ask(service)
    workers = worker_ids(service)
    victim = workers_by_age(service)[0]
    kill_worker(victim)
    wait_until(lambda: has_replaced(service, workers, {victim}), REPLACED_WITHIN_S)
    assert counted(service) == before + REQUESTS_COUNT
    reload_workers(service)
    ask(service)
    assert counted(service) == before + 2 * REQUESTS_COUNT
    # Ended workers have neither heartbeats nor gauges any more.
    signs = {f"alive_{worker}" for worker in worker_ids(service)}
    wait_until(lambda: {sign.name for sign in own_folder.glob("alive_*")} <= signs)
