"""One service with several workers, for every test that needs no stores of its own."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

import pytest
from flask import Flask

from app.admission.concurrency import NEIGHBOUR_S
from tests.callers import shared_service
from tests.servers import REDIS_DATABASES_COUNT, RunningService, wait_until

Service = tuple[RunningService, Flask]


@dataclass
class LastUse:
    """When the last test with the shared service ended (monotonic)."""

    ended_at_s: float = -inf


@pytest.fixture(scope="session")
def _three_workers(
    live_mongodb_uri: str, live_redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("three_workers")
    redis_url = live_redis_url.removesuffix("/0") + f"/{REDIS_DATABASES_COUNT - 2}"
    with shared_service(live_mongodb_uri, redis_url, folder, workers_count=3) as shared:
        yield shared


@pytest.fixture(scope="session")
def _last_use() -> LastUse:
    return LastUse()


@pytest.fixture
def several_workers(_three_workers: Service, _last_use: LastUse) -> Iterator[Service]:
    """A service with three workers and an application on its stores; a start takes seconds.

    Organizations of the test before have ceased to be neighbours, which limit what an organization
    may have in flight.
    """
    wait_until(lambda: time.monotonic() > _last_use.ended_at_s + NEIGHBOUR_S)
    yield _three_workers
    _last_use.ended_at_s = time.monotonic()
