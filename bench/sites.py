"""Servers under load: the service on Granian, peers on the servers that their users have."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx

from bench.ledger import Ledger
from bench.pairs import Sample, Side
from bench.processes import await_rest, cpu_meter, largest_child_mb
from bench.sizes import WORKERS_COUNT, Sizes
from bench.stage import Stage
from bench.wrk import Load, loaded
from devkit.children import free_port, spawn, stop
from tests.servers import (
    ROOT,
    START_TIMEOUT_S,
    RunningService,
    ServerKind,
    running_service,
    wait_until,
)

SERVICE = "wsgi:app"
_numbers = count(1)


@contextmanager
def running(
    stage: Stage,
    ledger: Ledger,
    kind: ServerKind = ServerKind.GRANIAN,
    *,
    workers_count: int = WORKERS_COUNT,
    **environ: str,
) -> Iterator[RunningService]:
    """Run the service on a ledger, as `python -m app` or under gunicorn as config/gunicorn.py."""
    log = _log(stage, kind.value)
    with running_service(
        ledger.environ | environ, log, workers_count=workers_count, kind=kind
    ) as service:
        yield service


@contextmanager
def running_peer(
    stage: Stage, ledger: Ledger, application: str, **environ: str
) -> Iterator[RunningService]:
    """Run a WSGI peer under gunicorn with the service's settings: gthread, workers, threads."""
    with running_service(
        ledger.environ | environ,
        _log(stage, "peer"),
        workers_count=WORKERS_COUNT,
        kind=ServerKind.GUNICORN,
        application=application,
    ) as peer:
        yield peer


@contextmanager
def running_program(
    stage: Stage,
    command: Sequence[str],
    environ: Mapping[str, str],
    path: str,
    headers: Mapping[str, str],
    *,
    folder: Path = ROOT,
) -> Iterator[RunningService]:
    """Run a peer that brings its own server, and yield once it answers `path` with 200.

    It must listen on `PORT` of 127.0.0.1, and end at SIGTERM.
    """
    port, log = free_port(), _log(stage, "program")
    own = {**environ, "HOST": "127.0.0.1", "PORT": str(port), "WEB_CONCURRENCY": str(WORKERS_COUNT)}
    with log.open("wb") as output:
        process = spawn(command, output=output, environ=own, folder=folder)
    site = RunningService(f"http://127.0.0.1:{port}", own, process.pid, log)

    def answers() -> bool:
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")[-4_000:]
        try:
            return httpx.get(site.base_url + path, headers=dict(headers)).status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, START_TIMEOUT_S)
        yield site
    finally:
        stop(process, timeout_s=30)


def _log(stage: Stage, name: str) -> Path:
    return stage.folder / f"{name}_{next(_numbers)}.log"


def get(site: RunningService, path: str, headers: Mapping[str, str]) -> httpx.Response:
    """Return one answer; AssertionError unless it is a 200."""
    answer = httpx.get(site.base_url + path, headers=dict(headers), timeout=30)
    assert answer.status_code == 200, answer.text
    return answer


def getting(
    site: RunningService,
    path: str,
    headers: Mapping[str, str],
    stage: Stage,
    sizes: Sizes,
    *,
    is_refused: bool = False,
) -> Side:
    """Measure requests a second; AssertionError unless all are answered, or nearly all refused."""

    def sample() -> Sample:
        meter = cpu_meter({"app": site.process_id, **stage.stores})
        load = loaded(
            site.base_url + path, headers, seconds=sizes.seconds, connections=sizes.connections
        )
        share = load.refused_count / load.count
        if (is_refused and share < 0.99) or (not is_refused and load.refused_count):
            raise AssertionError(f"{path}: {load.refused_count} of {load.count} were refused")
        return sample_of(load, meter(load.count), site)

    return sample


def sample_of(
    load: Load, cpu: Mapping[str, float], site: RunningService, *, units: int = 1
) -> Sample:
    """Return the sample of a load, in units a second; waits until the site is idle."""
    rss_mb = largest_child_mb(site.process_id)
    await_rest(site.process_id)
    beside = {"p50_ms": load.p50_ms, "p99_ms": load.p99_ms, **cpu, "rss_mb": rss_mb}
    return Sample(load.per_s * units, beside)
