"""The stores start with the commands of compose.yaml, and its addresses reach them with a password.

The servers are the bundled ones, in place of the images; loopback in place of the networks.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from devkit.bundled import find_mongod, find_redis_server
from devkit.children import free_port, spawn, stop
from tests.deploy.files import compose
from tests.servers import ROOT, environ_for, wait_until

pytestmark = pytest.mark.slow

PASSWORD = "0123456789abcdef" * 4
HOST = "127.0.0.1"
START_TIMEOUT_S = 60


def filled(value: str) -> str:
    """Return a value of compose.yaml with the password in it, as Compose fills it in."""
    before, reference, after = value.partition("${STORE_PASSWORD")
    return f"{before}{PASSWORD}{after.partition('}')[2]}" if reference else value


def command(name: str) -> list[str]:
    """Return the arguments of a store's program."""
    return [filled(word) for word in compose()["services"][name]["command"][1:]]


def address(variable: str, store: str, port: int) -> str:
    url = filled(compose()["services"]["release"]["environment"][variable])
    here = url.replace(f"@{store}:", f"@{HOST}:")
    return here.replace(":27017/", f":{port}/").replace(":6379/", f":{port}/")


@contextmanager
def started(program: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = spawn(program, output=output)
    try:
        yield
    finally:
        stop(process, timeout_s=30)


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    own = ["--port", str(port), "--bind", HOST, "--dir", str(tmp_path)]
    with started([find_redis_server(), *command("valkey"), *own], tmp_path / "redis.log"):
        url = address("REDIS_URL", "valkey", port)
        wait_until(lambda: answers(url), START_TIMEOUT_S)
        yield url


@pytest.fixture
def mongodb_uri(tmp_path: Path) -> Iterator[str]:
    """Start mongod with its access control, as the image does, and make the image's user."""
    port, folder = free_port(), tmp_path / "mongod"
    folder.mkdir()
    own = ["--port", str(port), "--bind_ip", HOST, "--dbpath", str(folder), "--nounixsocket"]
    program = [find_mongod(), "--auth", *command("mongodb"), *own]
    with started(program, tmp_path / "mongod.log"):
        wait_until(lambda: made_user(port), START_TIMEOUT_S)
        yield address("MONGODB_URI", "mongodb", port)


def answers(url: str) -> bool:
    with Redis.from_url(url, socket_timeout=1) as client:
        try:
            return bool(client.ping())
        except AuthenticationError:
            raise
        except RedisError:
            return False


def made_user(port: int) -> bool:
    """Make the user of `MONGO_INITDB_…`; a server without users takes the first from loopback."""
    environ = compose()["services"]["mongodb"]["environment"]
    name = environ["MONGO_INITDB_ROOT_USERNAME"]
    password = filled(environ["MONGO_INITDB_ROOT_PASSWORD"])
    with MongoClient[dict[str, Any]](HOST, port, serverSelectionTimeoutMS=50) as client:
        try:
            client.admin.command("createUser", name, pwd=password, roles=["root"])
        except OperationFailure:
            raise
        except PyMongoError:
            return False
    return True


def test_the_release_step_succeeds_on_stores_that_ask_for_the_password(
    mongodb_uri: str, redis_url: str
) -> None:
    release = compose()["services"]["release"]["command"][1:]
    done = subprocess.run(
        [sys.executable, "-m", "flask", *release],
        cwd=ROOT,
        env=environ_for(mongodb_uri, redis_url),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        assert "interactions" in client.get_default_database().list_collection_names()


def test_nobody_enters_without_the_password(mongodb_uri: str, redis_url: str) -> None:
    port = int(mongodb_uri.rpartition(":")[2].partition("/")[0])
    with MongoClient[dict[str, Any]](HOST, port) as client, pytest.raises(OperationFailure):
        client["turnledger"]["interactions"].find_one()
    without = redis_url.replace(f":{PASSWORD}@", "")
    with Redis.from_url(without) as stranger, pytest.raises(AuthenticationError):
        stranger.ping()


def test_a_full_valkey_evicts_nothing(redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        settings = client.config_get("maxmemory*", "appendonly", "save")
    assert settings["maxmemory-policy"] == "noeviction"
    assert int(settings["maxmemory"]) == 384 * 1024**2
    assert (settings["appendonly"], settings["save"]) == ("yes", "")
