"""Provide `kind` for both servers, services for tests that only read, and a Redis cluster."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from tests.faults.kit.redis_nodes import Cluster, running_cluster
from tests.faults.kit.site import Site, running_site
from tests.servers import RunningService, ServerKind, environ_for, running_service


@pytest.fixture(scope="module", params=list(ServerKind))
def kind(request: pytest.FixtureRequest) -> ServerKind:
    """Return each of the two servers."""
    chosen: ServerKind = request.param
    return chosen


@pytest.fixture(scope="session")
def shared_services(
    live_mongodb_uri: str, live_redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[ServerKind], RunningService]]:
    """Yield a function that returns the one service of a kind, started at its first call."""
    with ExitStack() as stack:

        @cache
        def service_of(kind: ServerKind) -> RunningService:
            folder = tmp_path_factory.mktemp(kind.value)
            environ = environ_for(
                live_mongodb_uri.replace("/turnledger?", f"/shared_{kind.value}?"),
                live_redis_url,
                TRUSTED_PROXY_HOPS="1",
            )
            log = folder / "service.log"
            return stack.enter_context(running_service(environ, log, workers_count=1, kind=kind))

        yield service_of


@pytest.fixture(scope="module")
def shared_service(
    kind: ServerKind, shared_services: Callable[[ServerKind], RunningService]
) -> RunningService:
    """Return one service for all tests of all modules, which must not change or stop it."""
    return shared_services(kind)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield stores of their own, with a service; for tests that start a second service."""
    with running_site(tmp_path_factory.mktemp("site"), workers_count=1) as running:
        yield running


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Yield a cluster of three primaries, which own all slots at the end of each test."""
    with running_cluster(tmp_path_factory.mktemp("cluster"), replicas_count=0) as running:
        yield running


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Cluster:
    """Return the cluster, without keys, scripts and counts of earlier tests."""
    for node in shared_cluster.nodes:
        for command in ("FLUSHALL", "SCRIPT FLUSH", "CONFIG RESETSTAT"):
            node.ask(command)
    return shared_cluster
