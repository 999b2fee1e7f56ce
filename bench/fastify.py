"""The Fastify peer: its packages installed once, as many processes as the service has workers."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from bench.ledger import Ledger
from bench.sites import running_program
from bench.sizes import WORKERS_COUNT
from bench.stage import Stage
from tests.servers import RunningService

FOLDER = Path(__file__).parent / "peers" / "fastify"
PATH = "/v1/interactions"


@contextmanager
def running_fastify(stage: Stage, ledger: Ledger) -> Iterator[RunningService]:
    """Run the peer on a ledger; yield once it answers a page."""
    _install()
    environ = {
        **ledger.environ,
        "WORKERS": str(WORKERS_COUNT),
        "ACCOUNT": ledger.account,
        "AUTHORIZATION": ledger.headers["Authorization"],
        "NODE_ENV": "production",
    }
    command = [_program("node"), "server.js"]
    with running_program(stage, command, environ, PATH, ledger.headers, folder=FOLDER) as site:
        yield site


def _install() -> None:
    locked = (FOLDER / "package-lock.json").stat().st_mtime
    installed = FOLDER / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < locked:
        subprocess.run([_program("npm"), "ci", "--no-audit", "--no-fund"], cwd=FOLDER, check=True)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise click.ClickException(f"{name} is missing; the Fastify peer needs Node 20 or newer")
    return found
