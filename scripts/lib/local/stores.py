"""The stores of the local run: one's own, the bundled servers, or the in-memory twins."""

import json
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from app.backends.bundled import (
    BinaryMissing,
    BundledServer,
    find_mongod,
    find_redis_server,
    running_mongod,
    running_redis,
)
from app.backends.children import spawn, stop
from scripts.lib import ROOT
from scripts.lib.local.files import DataFolder
from scripts.lib.local.messages import Failure, say, warn

MEMORY = "memory"
BUNDLED = "bundled"
DEMO_TURNS = "20000"
# The twins have no indexes: every request reads every row.
MEMORY_DEMO_TURNS = "500"


@dataclass(frozen=True, slots=True)
class Stores:
    """Where the service keeps its data: `environ` says so to it, `identity` to the demo."""

    identity: str
    environ: Mapping[str, str]
    servers: tuple[BundledServer, ...] = ()

    @property
    def is_memory(self) -> bool:
        """Whether all is lost at the end."""
        return self.identity == MEMORY


def open_stores(stack: ExitStack, folder: DataFolder, environ: Mapping[str, str]) -> Stores:
    """Start what is needed; it ends with `stack`."""
    if environ.get("BACKEND") == MEMORY:
        warn("BACKEND=memory: one process, nothing is kept.")
        return _memory()
    own_mongodb, own_redis = environ.get("MONGODB_URI"), environ.get("REDIS_URL")
    try:
        own_mongodb or find_mongod()
        own_redis or find_redis_server()
    except BinaryMissing as missing:
        warn(f"{missing}. Running in memory: one process, nothing is kept.")
        return _memory()
    servers = []
    if not own_mongodb:
        say("starting MongoDB")
        servers.append(stack.enter_context(running_mongod(folder.path / "mongod")))
    if not own_redis:
        say("starting Redis (Valkey)")
        servers.append(stack.enter_context(running_redis(folder.path / "redis")))
    urls = {server.name: server.url for server in servers}
    return Stores(
        identity=own_mongodb or BUNDLED,
        environ={
            "BACKEND": "live",
            "MONGODB_URI": own_mongodb or urls["mongod"],
            "REDIS_URL": own_redis or urls["redis"],
        },
        servers=tuple(servers),
    )


def prepare(stores: Stores, folder: DataFolder, environ: Mapping[str, str]) -> None:
    """Make the schema, and seed the demo unless these stores have it."""
    say("making indexes and validators")
    _flask(environ, "db", "init")
    if folder.seed(stores.identity) is None:
        say(f"seeding the demo with {environ['DEMO_TURNS']} turns of history")
        answer = _flask(environ, "demo", "seed", "--new-keys", "--turns", environ["DEMO_TURNS"])
        folder.keep_seed(stores.identity, json.loads(answer))


def _memory() -> Stores:
    return Stores(MEMORY, {"BACKEND": MEMORY})


def _flask(environ: Mapping[str, str], *arguments: str) -> str:
    """What the command prints; its messages go to the terminal as it writes them."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
    with tempfile.TemporaryFile() as answer:
        number = answer.fileno()
        process = spawn(
            ["bash", "-c", 'exec "$@" >&"$0"', str(number), *command],
            environ=environ,
            inherited=[number],
            folder=ROOT,
        )
        try:
            status = process.wait()
        finally:
            stop(process)
        if status != 0:
            raise Failure(f"`flask {' '.join(arguments[:2])}` failed: see its message above")
        answer.seek(0)
        return answer.read().decode()
