"""Reasons for an outage: operators see them in fixed words, clients never."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from flask import Flask
from structlog.testing import capture_logs

from app import create_app
from app.backends import live, reasons
from app.backends.backend import Backend
from app.backends.outages import OUTAGES, as_outages
from app.http.application import provided
from app.tenancy.key_format import generate
from app.tenancy.model import Environment
from config.settings import BackendKind, Settings
from devkit.bundled import running_redis
from tests.background import without_background
from tests.faults.kit.tls import Authority, tls_before
from tests.servers import settings_for

CANARY = "canary4711"
NOBODY = "127.0.0.1:1"
LATE_MS = 700


class Addresses(NamedTuple):
    """Addresses of servers of each kind; `tls` are in front of the plain ones."""

    mongodb: str
    redis: str
    mongodb_tls: str
    redis_tls: str
    silent: str
    trusted: Path
    stranger: Path


@pytest.fixture(scope="module")
def addresses(
    live_mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Addresses]:
    """Yield real servers, TLS in front of them, and a silent one."""
    folder = tmp_path_factory.mktemp("addresses")
    trusted, stranger = Authority(folder), Authority(folder)
    mongodb = live_mongodb_uri.split("/")[2]
    with (
        running_redis(folder / "redis", is_ephemeral=True) as server,
        tls_before(int(mongodb.split(":")[1]), trusted.context) as mongodb_tls,
        tls_before(int(server.url.split(":")[2].split("/")[0]), trusted.context) as redis_tls,
        closing(socket.create_server(("127.0.0.1", 0))) as silent,
    ):
        yield Addresses(
            mongodb=mongodb,
            redis=server.url.split("/")[2],
            mongodb_tls=f"127.0.0.1:{mongodb_tls}",
            redis_tls=f"127.0.0.1:{redis_tls}",
            silent=f"127.0.0.1:{silent.getsockname()[1]}",
            trusted=trusted.path,
            stranger=stranger.path,
        )


MONGODB: dict[str, tuple[str, str]] = {
    "refused": (f"mongodb://{NOBODY}/db", reasons.REFUSED),
    "silent": ("mongodb://{silent}/db", reasons.NO_ANSWER),
    "no host": ("mongodb://nowhere.invalid/db", reasons.NO_HOST),
    "no SRV record": ("mongodb+srv://nowhere.invalid/db", reasons.NO_HOST),
    "no socket": ("mongodb://%2Fno%2Fmongodb.sock/db", "no such Unix socket"),
    "wrong password": (f"mongodb://user:{CANARY}@{{mongodb}}/db", reasons.WRONG_CREDENTIALS),
    "unknown authority": (
        "mongodb://{mongodb_tls}/db?tls=true&tlsCAFile={stranger}",
        reasons.UNKNOWN_AUTHORITY,
    ),
    "other host": (
        "mongodb://localhost:{mongodb_tls_port}/db?tls=true&tlsCAFile={trusted}",
        reasons.OTHER_HOST,
    ),
    "no TLS": ("mongodb://{mongodb}/db?tls=true", reasons.NO_TLS),
    "other set": ("mongodb://{mongodb}/db?replicaSet=other", "its replica set has another name"),
}
REDIS: dict[str, tuple[str, str]] = {
    "refused": (f"redis://{NOBODY}/0", reasons.REFUSED),
    "silent": ("redis://{silent}/0", reasons.NO_ANSWER),
    "no host": ("redis://nowhere.invalid/0", reasons.NO_HOST),
    "no socket": ("unix:///no/redis.sock", "no such Unix socket"),
    "wrong password": (f"redis://user:{CANARY}@{{redis}}/0", reasons.WRONG_CREDENTIALS),
    "no such database": ("redis://{redis}/4711", reasons.NO_DATABASE),
    "unknown authority": (
        "rediss://{redis_tls}/0?ssl_ca_certs={stranger}",
        reasons.UNKNOWN_AUTHORITY,
    ),
    "other host": (
        "rediss://localhost:{redis_tls_port}/0?ssl_ca_certs={trusted}",
        reasons.OTHER_HOST,
    ),
    "unknown authority of a cluster": (
        "rediss+cluster://{redis_tls}?ssl_ca_certs={stranger}",
        reasons.UNKNOWN_AUTHORITY,
    ),
    "known authority of no cluster": (
        "rediss+cluster://{redis_tls}?ssl_ca_certs={trusted}",
        "it is no cluster",
    ),
    "no cluster": ("redis+cluster://{redis}", "it is no cluster"),
    "cluster refused": (f"redis+cluster://{NOBODY}", reasons.REFUSED),
    "no sentinel": (f"redis+sentinel://{NOBODY}/s", "no sentinel answers and knows its master"),
}


def settings_at(addresses: Addresses, mongodb_uri: str, redis_url: str) -> Settings:
    values = addresses._asdict() | {
        "mongodb_tls_port": addresses.mongodb_tls.split(":")[1],
        "redis_tls_port": addresses.redis_tls.split(":")[1],
    }
    return settings_for(
        backend=BackendKind.LIVE,
        mongodb_uri=mongodb_uri.format(**values),
        redis_url=redis_url.format(**values),
        redis_timeout_ms=LATE_MS,
        mongodb_timeout_ms=LATE_MS,
    )


def reason_at(settings: Settings, ask: Callable[[Backend], object]) -> str:
    backend = live.connect(settings)
    with pytest.raises(OUTAGES) as failed, as_outages():
        ask(backend)
    backend.close()
    return reasons.reason_of(failed.value)


@pytest.mark.parametrize("case", MONGODB)
def test_mongodb(addresses: Addresses, case: str) -> None:
    uri, reason = MONGODB[case]
    settings = settings_at(addresses, uri, f"redis://{NOBODY}")
    assert reason_at(settings, lambda backend: backend.database.command("ping")) == reason


@pytest.mark.parametrize("case", REDIS)
def test_redis(addresses: Addresses, case: str) -> None:
    url, reason = REDIS[case]
    settings = settings_at(addresses, f"mongodb://{NOBODY}/db", url)
    assert reason_at(settings, lambda backend: backend.redis.ping()) == reason
    if "cluster" not in case:  # as scripts are sent, without the driver's own method
        assert reason_at(settings, lambda backend: backend.redis.script_load("return 1")) == reason


@contextmanager
def app_at(addresses: Addresses, mongodb: str, redis: str) -> Iterator[Flask]:
    settings = settings_at(addresses, MONGODB[mongodb][0], REDIS[redis][0])
    app = without_background(create_app(settings))
    with app.app_context():
        backend = provided(Backend)
    with closing(backend):
        yield app


@pytest.mark.parametrize("case", ["wrong password", "no SRV record", "unknown authority"])
def test_the_log_has_the_reason_and_the_client_a_503_without_it(
    addresses: Addresses, case: str
) -> None:
    key = generate(Environment.LIVE)
    with app_at(addresses, case, "wrong password") as app, capture_logs() as lines:
        client = app.test_client()
        ready = client.get("/readyz")
        asked = client.get("/v1/me", headers={"Authorization": f"Bearer {key.token}"})
    stores = {"mongodb": "down", "redis": "down"}
    assert (ready.status_code, asked.status_code) == (503, 503)
    assert ready.get_json() == {"status": "unavailable", "stores": stores}
    assert asked.get_json()["error"]["code"] == "service_unavailable"
    found = {line["store"]: line["reason"] for line in lines if line["event"] == "probe_failed"}
    assert found == {"mongodb": MONGODB[case][1], "redis": reasons.WRONG_CREDENTIALS}
    (line,) = [line for line in lines if line["event"] == "store_unavailable"]
    assert line["reason"] == MONGODB[case][1]
    assert CANARY not in f"{lines}{ready.text}{asked.text}"


@pytest.mark.parametrize(
    ("words", "mongodb", "is_change"),
    [
        (("org", "list"), "wrong password", False),
        (("org", "list"), "refused", False),
        (("archive", "status"), "refused", False),
        (("org", "suspend", "org_1"), "refused", True),
    ],
)
def test_a_command_prints_the_store_the_reason_and_if_it_may_have_changed_data(
    addresses: Addresses, words: tuple[str, ...], mongodb: str, *, is_change: bool
) -> None:
    with app_at(addresses, mongodb, "refused") as app:
        result = app.test_cli_runner().invoke(args=[*words])
    assert result.exit_code == 1
    look_first = " A change may have been made: look before you repeat it." if is_change else ""
    assert result.stderr == (
        f"Error: MongoDB is unavailable: {MONGODB[mongodb][1]}. "
        f"Check the server and MONGODB_URI.{look_first}\n"
    )
