"""Run the service and its worker as our children, on a port that we hold until they start."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.serving.port import claimed_port
from app.serving.web import Web, bracketed
from devkit.bundled import last_words
from devkit.children import spawn, stop
from devkit.log_files import open_appending
from devkit.probing import is_answering
from scripts.lib import ROOT
from scripts.lib.local.messages import Failure
from scripts.lib.local.stores import MEMORY

LOOPBACK = "127.0.0.1"
# Addresses that reach a service on all addresses.
_REACHED_BY = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - compared, not bound
READY_TIMEOUT_S = 60
POLL_INTERVAL_S = 0.05
STOP_TIMEOUT_S = 30
LAST_LINES = 15

Address = tuple[str, int]


@contextmanager
def claimed_address(environ: Mapping[str, str]) -> Iterator[Address]:
    """Hold what `PORT` and `HOST` ask for; yield how a program on this machine reaches it."""
    with ExitStack() as stack:
        try:
            web = Web.from_environ({"HOST": LOOPBACK, **environ})
            port = stack.enter_context(claimed_port(web))
        except SystemExit as refusal:
            raise Failure(str(refusal)) from None
        if web.socket_path:
            fix = "set an IP address or a name; `python -m app` serves at a Unix socket"
            raise Failure(f"HOST={environ['HOST']!r} is refused: {fix}")
        yield _REACHED_BY.get(web.address, web.address), port


def url_of(address: Address) -> str:
    """Return the address as a base URL."""
    return f"http://{bracketed(address[0])}:{address[1]}"


@contextmanager
def running_service(
    module: str,
    address: Address,
    log: Path,
    environ: Mapping[str, str],
    inherited: Sequence[int],
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `module` at `address`; yield once `/readyz` has answered 200, end it with the block."""
    with open_appending(log) as output:
        process = spawn(
            [sys.executable, "-m", module],
            output=output,
            environ={"HOST": LOOPBACK, **environ, "PORT": str(address[1])},
            inherited=inherited,
            # After a kill the port and the folder must be free at once: no graceful end.
            death_signal=signal.SIGKILL,
            folder=ROOT,
        )
    try:
        _wait_until_ready(process, address, log, fix_of(environ, log))
        yield process
    finally:
        stop(process, STOP_TIMEOUT_S)


@contextmanager
def running_worker(log: Path, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the Procfile's worker, which archives and reconciles; end it with the block."""
    with open_appending(log) as output:
        process = spawn(
            [sys.executable, "-m", "flask", "--app", "wsgi", "worker"],
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
    """Return the error of a child that ended too early."""
    lines = last_words(log, LAST_LINES)
    return Failure("\n".join([f"{name} ended with status {status}; from {log}:", *lines]))


def fix_of(environ: Mapping[str, str], log: Path) -> str:
    """Return the next step after a service that was not ready in time."""
    if environ.get("BACKEND") != MEMORY:
        return f"see {log}"
    # In memory the service makes the demo itself, before it listens.
    return f"set DEMO_TURNS to less than {environ['DEMO_TURNS']}, or see {log}"


def _wait_until_ready(
    process: subprocess.Popen[bytes], address: Address, log: Path, fix: str
) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not is_answering(*address, "/readyz"):
        if process.poll() is not None:
            raise ended_early("service", process.returncode, log)
        if time.monotonic() >= deadline:
            raise Failure(f"the service was not ready in {READY_TIMEOUT_S} s: {fix}")
        time.sleep(POLL_INTERVAL_S)
