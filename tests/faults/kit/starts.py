"""Start the service by its documented commands, at chosen addresses."""

import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from devkit.children import free_port, spawn, stop
from devkit.probing import is_answering
from tests.faults.kit.workers import worker_ids
from tests.servers import (
    ROOT,
    START_TIMEOUT_S,
    RunningService,
    ServerKind,
    environ_for,
    wait_until,
)

END_TIMEOUT_S = 60
_WORDS = {
    ServerKind.GRANIAN: ["-m", "app"],
    ServerKind.GUNICORN: ["-m", "gunicorn", "-c", "config/gunicorn.py", "wsgi:app"],
}


def ended_start(kind: ServerKind, **changes: str) -> subprocess.CompletedProcess[str]:
    """Start a service without stores that must end by itself; wait until it has ended."""
    return subprocess.run(
        [sys.executable, *_WORDS[kind]],
        check=False,
        cwd=ROOT,
        env=_environ(changes),
        capture_output=True,
        text=True,
        timeout=END_TIMEOUT_S,
    )


@contextmanager
def begun_start(
    kind: ServerKind, log: Path, is_alive: Callable[[], bool], **changes: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a service without stores; yield once it `is_alive`, end it with the block."""

    def has_begun() -> bool:
        assert process.poll() is None, log.read_text()
        return is_alive()

    with log.open("ab") as output:
        process = spawn(
            [sys.executable, *_WORDS[kind]], output=output, environ=_environ(changes), folder=ROOT
        )
    try:
        wait_until(has_begun, START_TIMEOUT_S)
        yield process
    finally:
        stop(process, timeout_s=30)


@contextmanager
def begun_service(
    kind: ServerKind, log: Path, workers_count: int = 2, **changes: str
) -> Iterator[tuple[RunningService, subprocess.Popen[bytes]]]:
    """Yield such a service on a free port, once all workers run, with its process."""
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    numbers = {"PORT": str(port), "WEB_CONCURRENCY": str(workers_count)}
    with begun_start(kind, log, lambda: answers(base_url), **numbers, **changes) as process:
        service = RunningService(base_url, {}, process.pid, log, kind)
        wait_until(lambda: len(worker_ids(service)) == workers_count, START_TIMEOUT_S)
        yield service, process


def answers(base_url: str, context: ssl.SSLContext | None = None) -> bool:
    """Return True if `/healthz` answers there; with a `context`, over TLS."""
    address = urlsplit(base_url)
    return is_answering(str(address.hostname), address.port or 0, context=context)


def own_words(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines of the service, without the server's own, which begin with a bracket."""
    lines = (ended.stdout + ended.stderr).splitlines()
    return [line for line in lines if not line.startswith("[")]


def _environ(changes: dict[str, str]) -> dict[str, str]:
    defaults = {"HOST": "127.0.0.1", "WEB_CONCURRENCY": "1"}
    nowhere = environ_for("mongodb://127.0.0.1:1/none", "redis://127.0.0.1:1/0")
    return nowhere | defaults | changes
