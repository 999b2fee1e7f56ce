"""Start the service as a process, with settings and an environment for tests."""

import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx

from config.settings import BackendKind, Settings
from devkit.children import spawn, stop
from tests import plain_http

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT_S = 30
# Of the Redis of a test process; the last ones are of services that tests share.
REDIS_DATABASES_COUNT = 256
OPERATOR_TOKEN = "operator-token-of-the-tests-0123456789"
PEPPER = "pepper-of-the-tests-0123456789abcdef"
ID_KEY = "id-key-of-the-tests-0123456789abcdef"
CURSOR_SECRET = "cursor-secret-of-the-tests-0123456789"


def wait_until(predicate: Callable[[], Any], timeout_s: float = 10, every_s: float = 0.02) -> Any:
    """Return the first true result of `predicate`; AssertionError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while True:
        answer = predicate()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still not true after {timeout_s} s"
        pause.wait(every_s)


def settings_for(**changes: Any) -> Settings:
    """Return settings for tests; long time-outs, so that a loaded machine is no outage."""
    values: dict[str, Any] = {
        "backend": BackendKind.MEMORY,
        "key_peppers": (PEPPER,),
        "id_key": ID_KEY,
        "cursor_secrets": (CURSOR_SECRET,),
        "operator_token": OPERATOR_TOKEN,
        "redis_timeout_ms": 5_000,
        "mongodb_timeout_ms": 10_000,
        # All tests share one address; tests of this limit set their own.
        "ip_limit": "10000 per second",
    }
    return Settings(**(values | changes))


def environ_for(mongodb_uri: str, redis_url: str, **changes: str) -> dict[str, str]:
    """Return a complete environment for commands and for the service on live servers."""
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "FLASK_SKIP_DOTENV": "1",
        "BACKEND": "live",
        "MONGODB_URI": mongodb_uri,
        "REDIS_URL": redis_url,
        "KEY_PEPPERS": PEPPER,
        "ID_KEY": ID_KEY,
        "CURSOR_SECRETS": CURSOR_SECRET,
        "OPERATOR_TOKEN": OPERATOR_TOKEN,
        "REDIS_TIMEOUT_MS": "5000",
        "MONGODB_TIMEOUT_MS": "5000",
        "IP_LIMIT": "10000 per second",
        # No load balancer has to notice that a test's service ends.
        "DRAIN_S": "0",
        **changes,
    }


class ServerKind(StrEnum):
    """The two supported WSGI servers."""

    GRANIAN = "granian"
    GUNICORN = "gunicorn"


@dataclass(frozen=True, slots=True)
class RunningService:
    """A running service; `environ` lets commands reach the same stores."""

    base_url: str
    environ: Mapping[str, str]
    process_id: int
    log: Path
    kind: ServerKind = ServerKind.GRANIAN


@contextmanager
def running_service(
    environ: Mapping[str, str],
    log: Path,
    *,
    workers_count: int = 2,
    kind: ServerKind = ServerKind.GRANIAN,
    application: str = "wsgi:app",
    descriptors_count: int | None = None,
) -> Iterator[RunningService]:
    """Start the service on a free port, yield once `/healthz` answers, and end it at last.

    No other program can take the port meanwhile. Only gunicorn serves another `application`.
    """
    variables = {"HOST": "127.0.0.1", **environ, "WEB_CONCURRENCY": str(workers_count), "PORT": "0"}
    with closing(socket.create_server(("127.0.0.1", 0), backlog=512)) as listener:
        is_gunicorn = kind is ServerKind.GUNICORN
        command = _gunicorn(listener, application) if is_gunicorn else ["-m", "app"]
        with log.open("wb") as output:
            process = spawn(
                [*_limited(descriptors_count), sys.executable, *command],
                output=output,
                environ=variables,
                inherited=[listener.fileno()] if is_gunicorn else [],
                folder=ROOT,
            )
        port = listener.getsockname()[1] if is_gunicorn else None
    try:
        base_url = f"http://127.0.0.1:{port or _port_of(process, log)}"
        wait_until(lambda: _is_alive(base_url, process, log), START_TIMEOUT_S)
        yield RunningService(base_url, environ, process.pid, log, kind)
    finally:
        stop(process, timeout_s=30)


def _gunicorn(listener: socket.socket, application: str) -> list[str]:
    bound = ["--bind", f"fd://{listener.fileno()}"]
    return ["-m", "gunicorn", "-c", "config/gunicorn.py", *bound, application]


def _port_of(process: Any, log: Path) -> int:
    """Read the port that Granian has chosen from its log."""

    def find() -> re.Match[str] | None:
        text = log.read_text(errors="replace")
        assert process.poll() is None, text[-4_000:]
        return re.search(r"Listening at: https?://127\.0\.0\.1:(\d+)\n", text)

    return int(wait_until(find, START_TIMEOUT_S)[1])


def _limited(descriptors_count: int | None) -> list[str]:
    """Return the arguments that limit the descriptors of the command that follows them."""
    return (
        ["sh", "-c", f'ulimit -n {descriptors_count}; exec "$0" "$@"'] if descriptors_count else []
    )


def _is_alive(base_url: str, process: Any, log: Path) -> bool:
    assert process.poll() is None, log.read_text(errors="replace")[-4_000:]
    try:
        return plain_http.get(f"{base_url}/healthz", timeout=START_TIMEOUT_S).status_code == 200
    except httpx.TransportError:
        return False
