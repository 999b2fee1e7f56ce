"""gunicorn as our child, on a socket that we hold from the first moment."""

import errno
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from app.backends.bundled import last_words
from app.backends.children import spawn, stop
from scripts.lib import ROOT
from scripts.lib.local.messages import Failure

LOOPBACK = "127.0.0.1"
READY_TIMEOUT_S = 60
POLL_INTERVAL_S = 0.05
PROBE_TIMEOUT_S = 5
STOP_TIMEOUT_S = 30
OK = 200
LAST_LINES = 15


def listen(environ: Mapping[str, str]) -> socket.socket:
    """The socket that `PORT` and `HOST` ask for, so that nobody else can take the port."""
    host, port = environ.get("HOST", LOOPBACK), environ.get("PORT", "8000")
    if not (port.isascii() and port.isdigit()):
        raise Failure(f"PORT={port} is no port number")
    try:
        return socket.create_server((host, int(port)), backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            remedy = f"stop what uses it, or choose another one: PORT={int(port) + 1} scripts/run"
            raise Failure(f"PORT {port} is in use: {remedy}") from None
        raise Failure(f"cannot listen on HOST {host} PORT {port}: {error}") from None
    except OverflowError:
        raise Failure(f"PORT={port} is no port number") from None


def address_of(listener: socket.socket) -> tuple[str, int]:
    """Where a program on this machine reaches the listener."""
    host, port = listener.getsockname()[:2]
    return (LOOPBACK if host == "0.0.0.0" else host), port  # noqa: S104 - compared, not bound


@contextmanager
def running_gunicorn(
    application: str,
    listener: socket.socket,
    log: Path,
    environ: Mapping[str, str],
    inherited: Sequence[int],
) -> Iterator[subprocess.Popen[bytes]]:
    """A gunicorn behind `listener`, once `/readyz` has answered 200; ended with the block."""
    address = address_of(listener)
    with log.open("wb") as output:
        process = spawn(
            [
                *(sys.executable, "-m", "gunicorn", "-c", "scripts/lib/local/gunicorn.py"),
                *("--bind", f"fd://{listener.fileno()}", application),
            ],
            output=output,
            environ=environ,
            inherited=[listener.fileno(), *inherited],
            # Whoever kills us wants the port and the folder back at once: no graceful end.
            death_signal=signal.SIGKILL,
            folder=ROOT,
        )
    try:
        listener.close()
        _wait_until_ready(process, address, log)
        yield process
    finally:
        stop(process, STOP_TIMEOUT_S)


@contextmanager
def running_worker(log: Path, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The Procfile's worker, which archives and reconciles each minute; ended with the block."""
    with log.open("wb") as output:
        process = spawn(
            [sys.executable, "-m", "flask", "--app", "wsgi", "archive", "watch"],
            output=output,
            environ=environ,
            # A kill at any step does the archive no harm, and a store that dies with us no delay.
            death_signal=signal.SIGKILL,
            folder=ROOT,
        )
    try:
        yield process
    finally:
        stop(process, STOP_TIMEOUT_S)


def ended_early(name: str, status: int, log: Path) -> Failure:
    """What to tell when a child is gone that should be there."""
    lines = last_words(log, LAST_LINES)
    return Failure("\n".join([f"{name} ended with status {status}; from {log}:", *lines]))


def _wait_until_ready(
    process: subprocess.Popen[bytes], address: tuple[str, int], log: Path
) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not _is_ready(*address):
        if process.poll() is not None:
            raise ended_early("gunicorn", process.returncode, log)
        if time.monotonic() >= deadline:
            raise Failure(f"the service was not ready in {READY_TIMEOUT_S} s; see {log}")
        time.sleep(POLL_INTERVAL_S)


def _is_ready(host: str, port: int) -> bool:
    connection = HTTPConnection(host, port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
