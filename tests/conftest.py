"""Servers, stores and settings for every test.

Each test process has one mongod and one Redis-protocol server, started when a test first needs
them. Every test gets its own database and an empty Redis. Tests that are parametrised `memory` and
`live` run on the in-memory twins as well as on the real servers.
"""

import gc
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo import MongoClient
from pymongo.database import Database
from redis import Redis

from app.backends import memory
from app.backends.backend import Backend
from config.settings import BackendKind, Settings
from devkit.bundled import running_mongod, running_redis
from tests import compiled_once, own_generator
from tests.applications import is_live, make_app
from tests.callers import app_beside, shared_service
from tests.databases import Databases
from tests.kept_clients import KeptClients
from tests.order import rank
from tests.servers import (
    REDIS_DATABASES_COUNT,
    RunningService,
    ServerKind,
    environ_for,
    running_service,
    settings_for,
)

# Tests must not depend on a developer's `.env`.
os.environ["FLASK_SKIP_DOTENV"] = "1"
compiled_once.install()
own_generator.install()
for profile, examples_count in (("usual", 30), ("long", 300)):
    hypothesis.settings.register_profile(
        profile, deadline=None, print_blob=True, max_examples=examples_count
    )

BACKENDS = ["memory", "live"]
SERVERS = frozenset({"live_mongodb_uri", "live_redis_url"})
SLOW_FOLDERS = frozenset({"faults", "live", "concurrency"})
_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Try ten times as many examples with `scripts/test --long`."""
    hypothesis.settings.load_profile("usual" if config.option.markexpr else "long")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import folders of which `scripts/test --fast` runs nothing."""
    is_fast = "not slow" in config.option.markexpr
    return True if is_fast and collection_path.name in SLOW_FOLDERS else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that needs a server or a process as slow, and mix the modules."""
    items.sort(key=rank)
    for item in items:
        if _needs_processes(item):
            item.add_marker("slow")


def _needs_processes(item: pytest.Item) -> bool:
    assert isinstance(item, pytest.Function)
    chosen = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return (
        not SERVERS.isdisjoint(item.fixturenames)
        or "live" in [value for value in chosen if isinstance(value, str)]
        or not SLOW_FOLDERS.isdisjoint(item.path.parts)
    )


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the figures of tests; worker processes send them with their reports."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    measured = [report for report in reports if report.user_properties and report.when == "call"]
    if measured:
        terminalreporter.section("figures")
    for report in measured:
        figures = ", ".join(f"{name}={value}" for name, value in report.user_properties)
        terminalreporter.write_line(f"{report.nodeid}: {figures}")


def pytest_collection_finish() -> None:
    """Collect garbage less often: scanning all that is loaded by now takes long."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture
def report_figures(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """A function that adds figures of the test to the summary of the run."""

    def report(**figures: object) -> None:
        for name, value in figures.items():
            record_property(name, value)

    return report


@pytest.fixture(scope="session")
def live_mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real mongod of this test process, its TTL monitor at one pass a second."""
    folder = tmp_path_factory.mktemp("mongod")
    with running_mongod(folder, ttl_monitor_sleep_s=1, is_ephemeral=True) as server:
        yield server.url


@pytest.fixture(scope="session")
def live_redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real Redis-protocol server of this test process, at database 0."""
    folder = tmp_path_factory.mktemp("redis")
    with running_redis(folder, is_ephemeral=True, databases_count=REDIS_DATABASES_COUNT) as server:
        yield server.url


@pytest.fixture(scope="session")
def mongodb_admin(live_mongodb_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    """A client that creates and drops the databases of tests."""
    with MongoClient[dict[str, Any]](live_mongodb_uri, tz_aware=True) as client:
        yield client


@pytest.fixture(scope="session")
def databases(mongodb_admin: MongoClient[dict[str, Any]]) -> Databases:
    """Databases with the schema, for one test after the other."""
    return Databases(mongodb_admin)


@pytest.fixture
def fresh_mongodb_uri(live_mongodb_uri: str, databases: Databases) -> Iterator[str]:
    """The real mongod with a database that has the schema, no rows, and no other user."""
    name = databases.borrow()
    yield live_mongodb_uri.replace("/turnledger?", f"/{name}?")
    databases.give_back(name)


@pytest.fixture(scope="session")
def redis_admin(live_redis_url: str) -> Iterator[Redis]:
    """A client that empties the Redis of tests."""
    with Redis.from_url(live_redis_url) as client:
        yield client


@pytest.fixture
def fresh_redis_url(live_redis_url: str, redis_admin: Redis) -> str:
    """The real Redis, emptied."""
    redis_admin.flushdb()
    return live_redis_url


@pytest.fixture
def memory_backend() -> Iterator[Backend]:
    """Empty in-memory twins."""
    backend = memory.connect()
    yield backend
    backend.close()


@pytest.fixture
def live_settings(fresh_mongodb_uri: str, fresh_redis_url: str) -> Settings:
    """Settings that reach the real servers' empty stores."""
    return settings_for(
        backend=BackendKind.LIVE, mongodb_uri=fresh_mongodb_uri, redis_url=fresh_redis_url
    )


@pytest.fixture(scope="session")
def kept_clients() -> Iterator[KeptClients]:
    """MongoDB clients for one test after the other."""
    with closing(KeptClients()) as clients:
        yield clients


@pytest.fixture
def live_backend(live_settings: Settings, kept_clients: KeptClients) -> Iterator[Backend]:
    """The real servers' empty stores."""
    backend = kept_clients.connect(live_settings)
    yield backend
    backend.close()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Empty stores of each kind."""
    chosen: Backend = request.getfixturevalue(f"{request.param}_backend")
    return chosen


@pytest.fixture
def live_database(live_backend: Backend) -> Database[dict[str, Any]]:
    """A database with the schema and no rows, on the real mongod."""
    return live_backend.database


@pytest.fixture
def bare_database(live_database: Database[dict[str, Any]]) -> Database[dict[str, Any]]:
    """A database without collections, on the real mongod."""
    for name in live_database.list_collection_names():
        live_database.drop_collection(name)
    return live_database


@pytest.fixture
def live_redis(fresh_redis_url: str) -> Iterator[Redis]:
    """The real Redis, emptied."""
    with _redis_client(fresh_redis_url) as client:
        yield client


@pytest.fixture
def memory_redis() -> Iterator[Redis]:
    """An empty in-memory Redis."""
    backend = memory.connect()
    yield backend.redis
    backend.close()


@pytest.fixture(params=BACKENDS)
def redis_client(request: pytest.FixtureRequest) -> Redis:
    """An empty Redis of each kind, replies decoded to text as the service has them."""
    chosen: Redis = request.getfixturevalue(f"{request.param}_redis")
    return chosen


@pytest.fixture(params=BACKENDS)
def mongo_database(request: pytest.FixtureRequest) -> Database[dict[str, Any]]:
    """A database without rows of each kind; only the real one has the schema already."""
    chosen: Backend = request.getfixturevalue(f"{request.param}_backend")
    return chosen.database


@pytest.fixture
def memory_app(memory_backend: Backend) -> Flask:
    """The application on empty in-memory twins."""
    return make_app(settings_for(), memory_backend)


@pytest.fixture
def live_app(live_settings: Settings, live_backend: Backend) -> Flask:
    """The application on the real servers' empty stores; the database has the schema already."""
    return make_app(live_settings, live_backend)


@pytest.fixture
def app(backend: Backend, request: pytest.FixtureRequest) -> Flask:
    """The application on `backend`, empty stores of each kind."""
    settings = request.getfixturevalue("live_settings") if is_live(backend) else settings_for()
    return make_app(settings, backend)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """The test client of `app`."""
    return app.test_client()


@pytest.fixture
def own_stores(
    live_mongodb_uri: str, live_redis_url: str, mongodb_admin: MongoClient[dict[str, Any]]
) -> Iterator[Callable[[], tuple[str, str]]]:
    """A function that returns a MongoDB URI and a Redis URL of new, empty stores."""
    with ExitStack() as stack:

        def new_stores() -> tuple[str, str]:
            number = next(_numbers)
            name = f"service_{number}"
            stack.callback(mongodb_admin.drop_database, name)
            slot = 1 + number % (REDIS_DATABASES_COUNT - 4)
            redis_url = live_redis_url.removesuffix("/0") + f"/{slot}"
            with Redis.from_url(redis_url) as client:
                client.flushdb()
            return live_mongodb_uri.replace("/turnledger?", f"/{name}?"), redis_url

        yield new_stores


@pytest.fixture
def start_service(
    own_stores: Callable[[], tuple[str, str]], tmp_path: Path
) -> Iterator[Callable[..., RunningService]]:
    """A function that starts services, each with its own stores; they end with the test."""
    with ExitStack() as stack:

        def start(
            *, workers_count: int = 2, kind: ServerKind = ServerKind.GRANIAN, **environ: str
        ) -> RunningService:
            mongodb_uri, redis_url = own_stores()
            service = running_service(
                environ_for(mongodb_uri, redis_url, **environ),
                tmp_path / f"service_{next(_numbers)}.log",
                workers_count=workers_count,
                kind=kind,
            )
            return stack.enter_context(service)

        yield start


@pytest.fixture(scope="session")
def common_service(
    live_mongodb_uri: str, live_redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningService, Flask]]:
    """One service with one worker, for every test that only sends requests.

    A start costs a second of CPU for each worker. Each test makes its own organizations, with the
    application on the stores of the service.
    """
    folder = tmp_path_factory.mktemp("common_service")
    redis_url = live_redis_url.removesuffix("/0") + f"/{REDIS_DATABASES_COUNT - 1}"
    with shared_service(live_mongodb_uri, redis_url, folder, workers_count=1) as shared:
        yield shared


@pytest.fixture
def serve(
    start_service: Callable[..., RunningService],
) -> Iterator[Callable[..., tuple[RunningService, Flask]]]:
    """A function that starts services, each with an application of this process on its stores."""
    with ExitStack() as stack:

        def start(**options: Any) -> tuple[RunningService, Flask]:
            service = start_service(**options)
            return service, stack.enter_context(app_beside(service))

        yield start


def _redis_client(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=10, protocol=2, decode_responses=True)
