"""Provide `kind` for tests of both servers, and shared services for tests that only read."""

from collections.abc import Iterator

import pytest

from tests.faults.kit.site import Site, running_site
from tests.servers import RunningService, ServerKind, environ_for, running_service


@pytest.fixture(scope="module", params=list(ServerKind))
def kind(request: pytest.FixtureRequest) -> ServerKind:
    """Return each of the two servers."""
    chosen: ServerKind = request.param
    return chosen


@pytest.fixture(scope="module")
def shared_service(
    kind: ServerKind,
    live_mongodb_uri: str,
    live_redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningService]:
    """Yield one service for all tests of a module, which must not change or stop it."""
    folder = tmp_path_factory.mktemp(kind.value)
    environ = environ_for(
        live_mongodb_uri.replace("/turnledger?", f"/shared_{kind.value}?"),
        live_redis_url,
        TRUSTED_PROXY_HOPS="1",
    )
    with running_service(environ, folder / "service.log", kind=kind) as service:
        yield service


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield stores of this module, with a service; for tests that start a second service."""
    with running_site(tmp_path_factory.mktemp("site"), workers_count=1) as running:
        yield running
