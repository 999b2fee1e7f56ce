"""What holds on both servers takes `kind`; a service for tests that only look is shared."""

from collections.abc import Iterator

import pytest

from tests.faults.kit.site import Site, running_site
from tests.servers import RunningService, ServerKind, environ_for, running_service


@pytest.fixture(scope="module", params=list(ServerKind))
def kind(request: pytest.FixtureRequest) -> ServerKind:
    """Each of the two servers."""
    chosen: ServerKind = request.param
    return chosen


@pytest.fixture(scope="module")
def shared_service(
    kind: ServerKind,
    live_mongodb_uri: str,
    live_redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningService]:
    """One service for all tests of a module, which may ask it and must not harm it."""
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
    """Stores of this module's own, and a service on them for tests that start another one."""
    with running_site(tmp_path_factory.mktemp("site"), workers_count=1) as running:
        yield running
