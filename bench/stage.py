"""Provide the stores of the cases, a real mongod and a real Redis, and notes about the run."""

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from redis import Redis

from devkit.bundled import running_mongod, running_redis
from tests.schema import make_schema

Rows = Database[dict[str, Any]]
CHUNK_COUNT = 5_000
LIBRARIES = ("flask", "granian", "gunicorn", "pymongo", "redis", "fastapi", "uvicorn")


@dataclass(frozen=True, slots=True)
class Stage:
    """Running servers, and a client without time-outs that reads and writes as the service.

    `folder` goes with the servers.
    """

    url: str
    mongod_id: int
    client: MongoClient[dict[str, Any]]
    redis_url: str
    redis_id: int
    folder: Path

    @property
    def stores(self) -> dict[str, int]:
        """The servers' processes by name."""
        return {"redis": self.redis_id, "mongod": self.mongod_id}

    def database(self, name: str) -> Rows:
        """Return a database by name, with the service's read concern."""
        return self.client.get_database(name, read_concern=ReadConcern("majority"))

    def url_of(self, name: str) -> str:
        """Return the address for another process."""
        return self.url.replace("/turnledger?", f"/{name}?")

    def load(self, name: str, rows: Iterable[dict[str, Any]]) -> None:
        """Store rows without indexes, which are made faster when the rows are there."""
        rest = iter(rows)
        while chunk := list(islice(rest, CHUNK_COUNT)):
            self.client[name]["interactions"].insert_many(chunk, ordered=False)

    def copy(self, source: str, name: str) -> Rows:
        """Make a copy of loaded rows, with the ledger's indexes and validator."""
        self.client.drop_database(name)
        target = {"$out": {"db": name, "coll": "interactions"}}
        self.client[source]["interactions"].aggregate([target])
        return self.furnished(name)

    def rest(self, name: str) -> None:
        """Leave the index of open turns as it is some minutes after a pass of the archive.

        The database keeps deleted entries for as long as a snapshot may ask for them, and a look
        for open turns steps over them: nothing after a minute's turns, but here it was all of them.
        """
        self.client[name]["interactions"].drop_index("open")
        self.furnished(name)

    def furnished(self, name: str) -> Rows:
        """Make the database with the ledger's indexes and validator."""
        database = self.database(name)
        make_schema(database)
        return database


@contextmanager
def standing() -> Iterator[Stage]:
    """Start the servers; they end, and their data goes, with the block."""
    with (
        TemporaryDirectory(prefix="turnledger-bench-") as name,
        running_mongod(Path(name) / "mongod", is_ephemeral=True) as mongod,
        running_redis(Path(name) / "redis", is_ephemeral=True) as redis,
        MongoClient[dict[str, Any]](mongod.url, tz_aware=True, w="majority") as client,
    ):
        ids = mongod.process.pid, redis.process.pid
        yield Stage(mongod.url, ids[0], client, redis.url, ids[1], Path(name))


def notes(stage: Stage) -> dict[str, Any]:
    """Return versions and load of the machine, for later readers of the figures."""
    with Redis.from_url(stage.redis_url) as redis:
        server: Any = redis.info("server")
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        # With its build: how that was optimised is worth a fifth of the speed.
        "python": sys.version.replace("\n", " "),
        **{name: version(name) for name in LIBRARIES},
        "mongod": stage.client.server_info()["version"],
        "redis_server": server.get("valkey_version") or server["redis_version"],
        "wrk": _first_line_of("wrk", "--version"),
        "node": _first_line_of("node", "--version"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "load": load_average(),
    }


def load_average() -> str:
    """Return the load of the last 1, 5 and 15 minutes; quiet is far below the number of CPUs."""
    return ", ".join(f"{load:.2f}" for load in os.getloadavg())


def _first_line_of(program: str, *arguments: str) -> str:
    """Return the first line that a program prints; `missing` if it is not there."""
    found = shutil.which(program)
    if found is None:
        return "missing"
    # wrk prints its version with an exit status of 1.
    done = subprocess.run([found, *arguments], capture_output=True, encoding="utf-8", check=False)
    return done.stdout.partition("\n")[0].strip()
