"""Hostile clients on Granian, with and without a key: other clients are still served."""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import plain_http
from tests.callers import LIST, Caller, new_caller
from tests.faults.kit.hostile import (
    Hostile,
    flood,
    never_reading,
    silent,
    slow_bodies,
    slow_headers,
)
from tests.faults.kit.site import LONG_TIMEOUTS, Site, running_site
from tests.faults.kit.workers import worker_ids
from tests.servers import running_service, wait_until
from tests.turns import body

ASKED_COUNT = 6
# The minimum number of hostile connections while others are served.
HOSTILE_COUNT = 60
# Detects a hang on any machine; scripts/bench measures the slowdown of others.
SERVED_WITHIN_S = 10
# A silent connection is closed after this time.
KEEPALIVE_S = 2
FEW_DESCRIPTORS = 1_024
MANY_DESCRIPTORS = 16_000
# With few descriptors 5,000 silent connections are held in groups, each for KEEPALIVE_S.
TURNS_WITHIN_S = 60


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(
        tmp_path_factory.mktemp("site"), REQUEST_DEADLINE_S="10", **LONG_TIMEOUTS
    ) as site:
        yield site


@pytest.fixture(scope="module")
def caller(site: Site) -> Caller:
    return new_caller(site.app)


@pytest.fixture(scope="module")
def idle_count(site: Site) -> int:
    """Return the number of descriptors of the workers before any test."""
    return sum(map(descriptors_of, worker_ids(site.service)))


def ask(service_url: str, caller: Caller, within_s: float) -> list[float]:
    """Read and record on separate connections; return the milliseconds of each."""
    took_ms = []
    for number in range(ASKED_COUNT):
        method, recording = [("GET", None), ("POST", body())][number % 2]
        began_s = time.monotonic()
        answer = plain_http.request(
            method, service_url + LIST, headers=caller.headers, json=recording, timeout=within_s
        )
        took_ms.append((time.monotonic() - began_s) * 1_000)
        assert answer.status_code in {200, 201}, answer.text
        assert plain_http.get(f"{service_url}/healthz", timeout=within_s).status_code == 200
    return took_ms


@pytest.mark.parametrize(
    ("hostile", "has_key"),
    [
        (slow_headers, False),
        (slow_headers, True),
        (slow_bodies, False),
        (slow_bodies, True),
        (never_reading, False),
        (never_reading, True),
        (flood, False),
        (silent, False),
    ],
)
def test_other_clients_are_served_and_no_worker_dies(
    site: Site,
    caller: Caller,
    idle_count: int,
    hostile: Hostile,
    has_key: bool,
    report_figures: Callable[..., None],
) -> None:
    workers = worker_ids(site.service)
    stranger = new_caller(site.app)
    with hostile(site.service, stranger.token if has_key else ""):
        wait_until(lambda: sum(map(descriptors_of, workers)) >= idle_count + HOSTILE_COUNT)
        took_ms = ask(site.service.base_url, caller, SERVED_WITHIN_S)
    assert worker_ids(site.service) == workers
    report_figures(p50_ms=round(statistics.median(took_ms), 1), most_ms=round(max(took_ms), 1))


@pytest.mark.parametrize(
    "descriptors_count",
    [FEW_DESCRIPTORS, pytest.param(MANY_DESCRIPTORS, marks=pytest.mark.long)],
)
def test_silent_connections_never_take_the_last_descriptor(
    site: Site,
    caller: Caller,
    tmp_path: Path,
    descriptors_count: int,
    report_figures: Callable[..., None],
) -> None:
    environ = dict(site.service.environ) | {"WEB_KEEPALIVE_S": str(KEEPALIVE_S)}
    with running_service(
        environ, tmp_path / "service.log", descriptors_count=descriptors_count
    ) as service:
        workers = worker_ids(service)
        with silent(service, ""):
            wait_until(lambda: descriptors_of(min(workers)) > FEW_DESCRIPTORS // 2)
            most_count = max(map(descriptors_of, workers))
            took_ms = ask(service.base_url, caller, TURNS_WITHIN_S)
        assert most_count < descriptors_count
        assert worker_ids(service) == workers
        wait_until(
            lambda: max(map(descriptors_of, workers)) < FEW_DESCRIPTORS // 4, 2 * KEEPALIVE_S
        )
    report_figures(most_ms=round(max(took_ms), 1), most_descriptors=most_count)


def descriptors_of(process_id: int) -> int:
    return len(list(Path(f"/proc/{process_id}/fd").iterdir()))
