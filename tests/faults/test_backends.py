"""The bundled servers, and the time in which clients notice an outage."""

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError, OperationFailure
from redis import Redis
from redis.exceptions import ResponseError

from app.backends import live
from app.backends.backend import Backend
from app.backends.connect import connect
from app.backends.outages import OUTAGES
from config.settings import BackendKind, SettingsError
from devkit import bundled
from devkit.bundled import BundledServer, running_mongod, running_redis
from devkit.children import FolderInUse, free_port, holding, spawn
from tests.callers import at_once
from tests.faults.kit.local_run import are_gone
from tests.faults.kit.processes import END_TIMEOUT_S, frozen
from tests.servers import ROOT, START_TIMEOUT_S, settings_for, wait_until

REDIS_TIMEOUT_MS = 200
CALLS_COUNT = 40
MONGODB_TIMEOUT_MS = 500
# Far above the delay of a loaded machine, far below the drivers' own time-outs.
SOON_S = 5

STARTER = """
import sys, threading
from pathlib import Path
from devkit.bundled import running_mongod, running_redis
with running_mongod(Path(sys.argv[1], "m")) as m, running_redis(Path(sys.argv[1], "r")) as r:
    print(m.process.pid, r.process.pid, m.url, r.url, flush=True)
    threading.Event().wait()
"""


def test_data_survives_a_restart_on_another_port(tmp_path: Path) -> None:
    with running_mongod(tmp_path / "m") as mongod, running_redis(tmp_path / "r") as redis:
        with MongoClient[dict[str, str]](mongod.url) as client:
            client["turnledger"]["marks"].insert_one({"_id": "kept"})
        with Redis.from_url(redis.url) as client:
            client.set("mark", "kept")
    with running_mongod(tmp_path / "m") as mongod, running_redis(tmp_path / "r") as redis:
        with MongoClient[dict[str, str]](mongod.url) as client:
            assert client["turnledger"]["marks"].find_one() == {"_id": "kept"}
            client["turnledger"]["marks"].insert_one({"_id": "writable"})
        with Redis.from_url(redis.url) as client:
            assert client.get("mark") == b"kept"


def test_servers_end_with_a_killed_parent_and_the_folder_can_be_reused(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output:
        parent = spawn([sys.executable, "-c", STARTER, str(tmp_path)], output=output, folder=ROOT)
    try:
        wait_until(lambda: log.read_text().endswith("\n"), START_TIMEOUT_S)
        mongod, redis, _, redis_url = log.read_text().split()
        with Redis.from_url(redis_url, socket_timeout=END_TIMEOUT_S) as client:
            client.set("mark", "acknowledged")
    finally:
        parent.kill()
        parent.wait(END_TIMEOUT_S)
    with running_mongod(tmp_path / "m"), running_redis(tmp_path / "r") as server:
        assert are_gone({int(mongod), int(redis)})
        with Redis.from_url(server.url) as client:
            assert client.get("mark") == b"acknowledged"


def test_a_port_lost_to_another_program_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        ports = iter([taken.getsockname()[1], free_port()])
        monkeypatch.setattr(bundled, "free_port", lambda: next(ports))
        with running_redis(tmp_path / "r") as server, Redis.from_url(server.url) as client:
            assert client.info("server")["process_id"] == server.process.pid


def test_a_folder_in_use_is_refused_in_time(tmp_path: Path) -> None:
    with holding(tmp_path, 0), pytest.raises(FolderInUse), holding(tmp_path, 0.1):
        pass


@pytest.mark.parametrize(
    ("variable", "start"), [("MONGOD_BIN", running_mongod), ("REDIS_SERVER_BIN", running_redis)]
)
def test_a_server_that_cannot_start_reports_the_reason(
    variable: str,
    start: Callable[[Path], AbstractContextManager[BundledServer]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = tmp_path / "broken"
    broken.write_text(
        "#!/bin/sh\necho error while loading shared libraries: libcurl.so.4\nexit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv(variable, str(broken))
    expected = pytest.raises(bundled.BundledServerError, match="apt-get install -y libcurl4")
    with expected, start(tmp_path / "data"):
        pass


def test_only_errors_of_a_long_log_are_reported(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    fatal = '{"s":"F",  "c":"CONTROL","msg":"No space left"}'
    log.write_text("\n".join(['{"s":"I",  "msg":"hello"}', fatal, '{"s":"I",  "msg":"bye"}']))
    assert bundled.last_words(log) == [fatal]
    log.write_text("\n".join(map(str, range(9))))
    assert bundled.last_words(log) == ["4", "5", "6", "7", "8"]


def test_missing_twins_are_reported_with_the_next_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("app.backends.memory")
    monkeypatch.delitem(sys.modules, "app.backends.memory")
    monkeypatch.setitem(sys.modules, "fakeredis", None)  # as if it were not installed
    with pytest.raises(SettingsError, match="BACKEND=memory needs requirements-local"):
        connect(settings_for())


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[BundledServer, BundledServer]]:
    with running_mongod(tmp_path / "m") as mongod, running_redis(tmp_path / "r") as redis:
        yield mongod, redis


@pytest.fixture
def short_timeouts(servers: tuple[BundledServer, BundledServer]) -> Iterator[Backend]:
    mongod, redis = servers
    backend = live.connect(
        settings_for(
            backend=BackendKind.LIVE,
            mongodb_uri=mongod.url,
            redis_url=redis.url,
            redis_timeout_ms=REDIS_TIMEOUT_MS,
            mongodb_timeout_ms=MONGODB_TIMEOUT_MS,
        )
    )
    yield backend
    backend.close()


def test_a_frozen_server_is_an_outage_within_its_time_out_and_recovers(
    servers: tuple[BundledServer, BundledServer], short_timeouts: Backend
) -> None:
    mongod, redis = servers
    asks = {
        mongod: lambda: short_timeouts.database.command("ping"),
        redis: short_timeouts.redis.ping,
    }
    for server, ask in asks.items():
        ask()
        with frozen(server.process.pid):
            started_at = time.monotonic()
            with pytest.raises(OUTAGES):
                ask()
            assert time.monotonic() - started_at < SOON_S
        assert wait_until(lambda ask=ask: _answers(ask))


def test_a_stopped_server_is_an_outage_at_once(
    servers: tuple[BundledServer, BundledServer], short_timeouts: Backend
) -> None:
    for server in servers:
        server.process.kill()
        server.process.wait(END_TIMEOUT_S)
    for ask in (lambda: short_timeouts.database.command("ping"), short_timeouts.redis.ping):
        started_at = time.monotonic()
        with pytest.raises(OUTAGES):
            ask()
        assert time.monotonic() - started_at < SOON_S


def test_more_concurrent_calls_than_threads_are_no_outage(live_backend: Backend) -> None:
    def wait_for_the_others() -> int:
        live_backend.redis.rpush("arrived", "me")
        assert live_backend.redis.blpop(["go"], timeout=4)
        return 1

    def let_go() -> int:
        assert wait_until(lambda: live_backend.redis.llen("arrived") == CALLS_COUNT)
        return int(live_backend.redis.rpush("go", *range(CALLS_COUNT)) > 0)

    assert sum(at_once([*[wait_for_the_others] * CALLS_COUNT, let_go])) == CALLS_COUNT + 1


@pytest.mark.parametrize(("setting", "value"), [("maxmemory", "1"), ("min-replicas-to-write", "1")])
def test_a_redis_that_refuses_writes_is_an_outage(
    live_backend: Backend, setting: str, value: str
) -> None:
    live_backend.redis.config_set(setting, value)
    try:
        with pytest.raises(OUTAGES):
            live_backend.redis.set("key", "value")
    finally:
        live_backend.redis.config_set(setting, "0")


def test_wrong_commands_are_no_outages(live_backend: Backend) -> None:
    live_backend.database["rows"].insert_one({"_id": 1})
    faults = {
        DuplicateKeyError: lambda: live_backend.database["rows"].insert_one({"_id": 1}),
        OperationFailure: lambda: live_backend.database.command("no such command"),
        ResponseError: lambda: live_backend.redis.eval("return nonsense()", 0),
    }
    for kind, fault in faults.items():
        with pytest.raises(kind) as caught:
            fault()
        assert not isinstance(caught.value, OUTAGES)


def _answers(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except OUTAGES:
        return False
    return True
