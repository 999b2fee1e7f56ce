"""The Fastify peer: its packages installed once, as many processes as the service has workers."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import httpx

from app.backends.children import free_port, spawn, stop
from tests.bench.ledger import Ledger
from tests.bench.sizes import WORKERS_COUNT
from tests.bench.stage import Stage
from tests.servers import START_TIMEOUT_S, RunningService, wait_until

FOLDER = Path(__file__).parent / "peers" / "fastify"
PATH = "/v1/interactions"


@contextmanager
def running_fastify(stage: Stage, ledger: Ledger) -> Iterator[RunningService]:
    """The peer on a ledger, once it answers a page."""
    _install()
    port, log = free_port(), stage.folder / "fastify.log"
    environ = {
        **ledger.environ,
        "PORT": str(port),
        "WORKERS": str(WORKERS_COUNT),
        "ACCOUNT": ledger.account,
        "AUTHORIZATION": ledger.headers["Authorization"],
        "NODE_ENV": "production",
    }
    with log.open("wb") as output:
        process = spawn(
            [_program("node"), "server.js"], output=output, environ=environ, folder=FOLDER
        )
    try:
        site = RunningService(f"http://127.0.0.1:{port}", environ, process.pid, log)
        wait_until(lambda: _answers(site, ledger), START_TIMEOUT_S)
        yield site
    finally:
        stop(process)


def _install() -> None:
    locked = (FOLDER / "package-lock.json").stat().st_mtime
    stamp = FOLDER / "node_modules" / ".package-lock.json"
    if not stamp.exists() or stamp.stat().st_mtime < locked:
        subprocess.run([_program("npm"), "ci", "--no-audit", "--no-fund"], cwd=FOLDER, check=True)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise click.ClickException(f"{name} is missing; the Fastify peer needs Node 20 or newer")
    return found


def _answers(site: RunningService, ledger: Ledger) -> bool:
    try:
        answer = httpx.get(site.base_url + PATH, headers=ledger.headers, timeout=5)
    except httpx.TransportError:
        return False
    return answer.status_code == 200
