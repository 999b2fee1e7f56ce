"""Run everything locally: servers, schema, demo, service; end all in the reverse order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from app.observability.terminal import escape_unknown_signs
from config.variables import Variables
from devkit.bundled import BundledServerError
from devkit.children import FolderInUse, holding
from devkit.log_files import rotate_if_larger
from devkit.probing import is_answering
from scripts.lib.environment import begin, data_dir
from scripts.lib.local.environment import caller_environ, forget_other_run, service_environ
from scripts.lib.local.files import DataFolder
from scripts.lib.local.messages import Failure, print_files, print_ready, say
from scripts.lib.local.service import (
    Address,
    claimed_address,
    ended_early,
    running_service,
    running_worker,
    url_of,
)
from scripts.lib.local.stores import Stores, open_stores, prepare

WATCH_INTERVAL_S = 0.2
# As a load balancer asks: without any request a minute of the console has no data.
ASK_EVERY_S = 20
HOLD_WAIT_S = 10
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

Child = tuple[subprocess.Popen[bytes], Path]


class _Stopped(BaseException):
    """Ctrl-C or SIGTERM."""


def main() -> int:
    """Run until a signal (0) or until something goes wrong (1)."""
    escape_unknown_signs()
    # Before the first file: data, logs and secrets are for their owner alone.
    os.umask(0o077)
    for number in STOP_SIGNALS:
        signal.signal(number, _raise_stopped)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup asked for it
        signal.signal(signal.SIGHUP, _raise_stopped)
    try:
        _run(time.monotonic())
    except _Stopped:
        say("stopped")
        return 0
    except (Failure, BundledServerError, FolderInUse) as error:
        print(f"scripts/run: {error}", file=sys.stderr)
        return 1


def _raise_stopped(_number: int, _frame: FrameType | None) -> NoReturn:
    # Once is enough: what follows is the orderly end, and it is bounded.
    for number in (*STOP_SIGNALS, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise _Stopped


def _run(started_at: float) -> NoReturn:
    forget_other_run(os.environ)  # before `.env`, which may have variables of the same names
    begin()
    caller = caller_environ(os.environ)
    folder = DataFolder(data_dir(Variables(caller)))
    folder.make_private()
    with ExitStack() as stack:
        # The folder first: a killed run's workers hold it for as long as they hold the port.
        hold = _hold(stack, folder)
        claim = stack.enter_context(ExitStack())
        address = claim.enter_context(claimed_address(caller))
        folder.forget_addresses()
        stores = open_stores(stack, folder, caller)
        environ = service_environ(stores, folder, caller)
        if not stores.is_memory:
            prepare(stores, environ)
        say("starting the service")
        claim.close()  # the service holds the port from now on
        base_url = url_of(address)
        module = "scripts.lib.local.memory_service" if stores.is_memory else "app"
        service = stack.enter_context(
            running_service(module, address, folder.service_log, environ, [hold])
        )
        children = _children(stores, service, folder)
        if not stores.is_memory:
            worker = stack.enter_context(running_worker(folder.worker_log, environ))
            children["worker"] = (worker, folder.worker_log)
        demo = seeded(folder, stores.identity)
        folder.announce(base_url, environ, demo)
        token = None if caller.get("OPERATOR_TOKEN") else environ["OPERATOR_TOKEN"]
        print_ready(base_url, demo, token, time.monotonic() - started_at)
        print_files(folder.path, folder.service_log, has_commands=not stores.is_memory)
        _watch(children, address)


def _hold(stack: ExitStack, folder: DataFolder) -> int:
    """Take the folder for us and for the service; outlive the remains of a run that was killed."""
    try:
        hold = stack.enter_context(holding(folder.path, 0))
    except FolderInUse:
        say(f"waiting for another run to release {folder.path}")
        hold = _hold_later(stack, folder)
    folder.keep_owner(os.getpid())
    return hold


def _hold_later(stack: ExitStack, folder: DataFolder) -> int:
    try:
        return stack.enter_context(holding(folder.path, HOLD_WAIT_S))
    except FolderInUse:
        # Only for people: the number may be another program's by now, and decides nothing.
        raise Failure(
            f"DATA_DIR {folder.path} is in use by another run (process "
            f"{folder.owner_id()}): stop it, or set another DATA_DIR"
        ) from None


def seeded(folder: DataFolder, stores: str) -> Mapping[str, Any]:
    """Return the demo that was seeded into `stores`; Failure if its keys are gone."""
    demo = folder.seed(stores)
    if demo is None:
        raise Failure(
            f"DATA_DIR {folder.path} lost the demo's keys during the start: do not change its "
            "files, and start again"
        )
    return demo


def _children(
    stores: Stores, service: subprocess.Popen[bytes], folder: DataFolder
) -> dict[str, Child]:
    children = {server.name: (server.process, server.log) for server in stores.servers}
    return children | {"service": (service, folder.service_log)}


def _watch(children: Mapping[str, Child], address: Address) -> NoReturn:
    """Look after the children until a signal comes; a child that ends is the end of the run."""
    asked_at = time.monotonic()
    while True:
        for name, (process, log) in children.items():
            if process.poll() is not None:
                raise ended_early(name, process.returncode, log)
            rotate_if_larger(log)
        if time.monotonic() - asked_at >= ASK_EVERY_S:
            is_answering(*address, timeout_s=1)
            asked_at = time.monotonic()
        time.sleep(WATCH_INTERVAL_S)


if __name__ == "__main__":
    sys.exit(main())
