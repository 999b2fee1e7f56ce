"""The stores of the local run: the caller's, the bundled servers, or in-memory stores."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from devkit.bundled import (
    BinaryMissing,
    BundledServer,
    find_mongod,
    find_redis_server,
    running_mongod,
    running_redis,
)
from devkit.children import spawn, stop
from scripts.lib import ROOT
from scripts.lib.local.files import DataFolder
from scripts.lib.local.messages import Failure, say, warn

LIVE = "live"
MEMORY = "memory"
BUNDLED = "bundled"


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of a run: `environ` for the service, `identity` to find their demo."""

    identity: str
    environ: Mapping[str, str]
    servers: tuple[BundledServer, ...] = ()

    @property
    def is_memory(self) -> bool:
        """True if all data is lost at the end."""
        return self.identity == MEMORY


def open_stores(stack: ExitStack, folder: DataFolder, environ: Mapping[str, str]) -> Stores:
    """Start the servers that are needed; they end with `stack`."""
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
            "BACKEND": LIVE,
            "MONGODB_URI": own_mongodb or urls["mongod"],
            "REDIS_URL": own_redis or urls["redis"],
        },
        servers=tuple(servers),
    )


def prepare(stores: Stores, environ: Mapping[str, str]) -> None:
    """Make the schema, and the demo unless these stores have one."""
    say("making indexes and validators")
    process = spawn(
        [sys.executable, "-m", "scripts.lib.local.seeding"],
        environ={**environ, "DEMO_STORES": stores.identity},
        folder=ROOT,
    )
    try:
        status = process.wait()
    finally:
        stop(process)
    if status != 0:
        raise Failure("schema and demo could not be made: see the message above")


def _memory() -> Stores:
    return Stores(MEMORY, {"BACKEND": MEMORY})
