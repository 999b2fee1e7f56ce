"""`scripts/bench instructions`: how many machine instructions a request takes, by callgrind.

Times on a shared machine differ by half from run to run, instructions by a hundredth: a step that
gains a few per cent shows. They are not time, for a cache that misses counts nothing and the
kernel's work is not seen: their effect must still be timed beside a peer.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import orjson

from app.cli.output import Record, print_records
from bench.admission import FIXED, HELLO, LIMITED
from bench.admission import PATH as ME
from bench.fastify import PATH as PAGE
from bench.ledger import Ledger, empty_ledger, full_ledger
from bench.sites import SERVICE
from bench.stage import Stage, standing
from devkit.bundled import find_redis_server

REQUESTS_COUNT = 200
TURNS_COUNT = 5_000
# About as many bytes as the service's own answer: its length hardly counts.
PEER = {"BENCH_BODY": "x" * 200, "BENCH_STRATEGY": FIXED}
CALLGRIND = ("valgrind", "--tool=callgrind", "--instr-atstart=no")
# Under valgrind everything takes fifty times as long.
LONG_TIMEOUTS = {
    "REDIS_TIMEOUT_MS": "10000",
    "MONGODB_TIMEOUT_MS": "60000",
    "REQUEST_DEADLINE_S": "120",
}
HELP = """Count the machine instructions of one request, in the application's process and in Redis.

Needs valgrind. Figures have no floors. The work of the server, MongoDB and the kernel is not seen.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A request, its application, and how it is answered."""

    name: str
    application: str
    path: str
    ledger: Ledger
    status: int = 200
    method: str = "GET"


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run the command; `HELP` describes it."""
    if shutil.which("valgrind") is None:
        raise click.ClickException(
            "valgrind is missing; on Debian, as root: apt-get install -y valgrind"
        )
    with TemporaryDirectory(prefix="turnledger-callgrind-") as name:
        folder = Path(name)
        # It is what `standing` starts.
        os.environ["REDIS_SERVER_BIN"] = str(_counted_redis(folder))
        with standing() as stage:
            records = [_count(case, stage, folder) for case in _cases(stage)]
    print_records(records, as_json=False)


def _cases(stage: Stage) -> Iterator[Case]:
    wide, narrow = empty_ledger(stage), empty_ledger(stage, requests_per_second=1, burst=1)
    yield Case("GET /v1/me", SERVICE, ME, wide)
    yield Case("the same, refused", SERVICE, ME, narrow, status=429)
    yield Case("page of 20", SERVICE, PAGE, full_ledger(stage, TURNS_COUNT))
    yield Case("a recording", SERVICE, PAGE, wide, status=201, method="POST")
    yield Case("flask-limiter", LIMITED, ME, wide)
    yield Case("bare Flask", HELLO, ME, wide)


def _counted_redis(folder: Path) -> Path:
    """Make a program that runs Redis under callgrind."""
    program = folder / "redis-server"
    words = [*CALLGRIND, f"--callgrind-out-file={folder}/redis", find_redis_server()]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return program


def _count(case: Case, stage: Stage, folder: Path) -> Record:
    click.echo(f"· {case.name}", err=True)
    counters = folder / "counters"
    counters.mkdir(exist_ok=True)
    environ = {
        **(os.environ | case.ledger.environ | LONG_TIMEOUTS | PEER),
        "BENCH_HEADERS": orjson.dumps(case.ledger.headers).decode(),
        "PROMETHEUS_MULTIPROC_DIR": str(counters),
    }
    program = [*CALLGRIND, "-q", f"--callgrind-out-file={folder}/app", sys.executable, "-m"]
    asked = [case.application, case.method, case.path, str(case.status), str(REQUESTS_COUNT)]
    subprocess.run(
        [*program, "bench.instructions.process", *asked, str(stage.stores["redis"])],
        env=environ,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return {
        "request": case.name,
        "instructions, app": f"{_taken(folder, 'app'):,.0f}",
        "instructions, Redis": f"{_taken(folder, 'redis'):,.0f}",
    }


def _taken(folder: Path, process: str) -> float:
    """Return instructions of a request, from the newest dump of a process."""
    dump = max(folder.glob(f"{process}.*"), key=lambda file: file.stat().st_mtime_ns)
    return total(dump.read_text(encoding="utf-8")) / REQUESTS_COUNT


def total(dump: str) -> int:
    """Return all instructions in a dump of callgrind."""
    return int(re.findall(r"^(?:totals|summary): (\d+)", dump, re.MULTILINE)[-1])
