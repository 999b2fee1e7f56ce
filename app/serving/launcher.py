"""Start Granian with workers that share one port, drain it on SIGTERM, replace hung workers."""

import gc
import os
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import structlog
from flask import Flask
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server import Server

from app.serving import run_folder, shared
from app.serving.adapter import Adapter
from app.serving.web import Web
from app.serving.worker import HEARTBEAT_EVERY_S, Worker

HUNG_AFTER_S = 30
# Platforms send SIGKILL thirty seconds after SIGTERM.
_END_WITHIN_S = 26
_HEADERS_BYTES = 16 * 1024
_BACKLOG_COUNT = 4_096
# A worker needs these for stores, files and answers being sent.
_OTHER_DESCRIPTORS_COUNT = 256
# Standard output is for the log lines of requests.
_AT_STDERR = {
    "class": "logging.StreamHandler",
    "stream": "ext://sys.stderr",
    "formatter": "generic",
}
_log = structlog.get_logger("turnledger.serving")


class _Server(Server):  # type: ignore[misc, valid-type]
    """Granian, which also ends by itself when a worker dies repeatedly."""

    def _spawn_worker(self, *arguments: Any, **named: Any) -> Any:
        worker = super()._spawn_worker(*arguments, **named)
        # Granian waits for a worker in two threads. While the other one has its exit status and has
        # not stored it, `Process.is_alive` is True, and Granian reports a kill of an ended worker.
        worker.is_alive = lambda: _is_alive(worker.inner.pid)
        return worker

    def _respawn_workers(self, workers: Any, *arguments: Any, delay: float = 0) -> None:
        super()._respawn_workers(workers, *arguments, delay=delay)
        if delay:  # a reload, so these were no failures
            for index in workers:
                self.respawned_wrks.pop(index, None)

    def shutdown(self, exit_code: int = 0) -> None:
        """End the service; its workers obey the SIGTERM that they receive now."""
        shared.begin_ending()
        if self.interrupt_signal:  # then workers that have already ended are no failures
            for worker in self.wrks:
                worker.interrupt_by_parent = True
            self.interrupt_children.clear()
        super().shutdown(exit_code)


def serve(load: Callable[[], Flask], web: Web, port: int, folder: Path, deadline_s: float) -> None:
    """Serve the application of `load` in each worker until SIGTERM has drained it, or SIGINT."""
    server: Any = _Server(
        "turnledger",
        web.address or "127.0.0.1",
        port,
        uds=web.socket_path,
        uds_permissions=0o666,  # as gunicorn's: the permissions of its folder decide
        interface=Interfaces.RSGI,
        workers=web.workers_count,
        http=HTTPModes.http1,
        websockets=False,
        http1_settings=HTTP1Settings(
            header_read_timeout=(web.keepalive_s or 30) * 1_000,
            keep_alive=web.keepalive_s > 0,
            max_buffer_size=_HEADERS_BYTES,
        ),
        backlog=_BACKLOG_COUNT,
        backpressure=_most_connections(),
        respawn_failed_workers=True,
        respawn_interval=1.0,  # so that HUP starts the new worker before it ends the old one
        workers_kill_timeout=_END_WITHIN_S - web.drain_s,
        log_dictconfig={"handlers": {"console": _AT_STDERR, "access": _AT_STDERR}},
        ssl_cert=web.tls_certificate,
        ssl_key=web.tls_key,
        ssl_protocol_min=SSLProtocols.tls12,
    )
    server.on_reload(shared.order_end)
    server.on_startup(partial(_begin, server, folder, web.drain_s))
    launcher_id = os.getpid()

    def make_worker() -> Worker:
        return Worker(Adapter(load(), web.threads_count, deadline_s), folder, launcher_id)

    gc.freeze()  # workers share the memory of loaded modules
    server.serve(target_loader=make_worker, wrap_loader=False)


def _begin(server: Any, folder: Path, drain_s: int) -> None:
    Thread(target=_watch_workers, args=[server, folder], daemon=True).start()

    def drain(_number: int, _frame: object) -> None:
        # A worker that is just starting has these handlers too, but must not drain the service.
        if os.getpid() == server.pid and not shared.is_draining():
            shared.begin_draining()
            signal.setitimer(signal.ITIMER_REAL, drain_s or 0.001)

    def end(number: int, frame: object) -> None:
        shared.begin_ending()
        server.signal_handler_interrupt(number, frame)

    def reload(number: int, frame: object) -> None:
        try:
            Web.from_environ()
        except SystemExit as refusal:  # for example, a certificate that is being replaced
            _log.error("reload_refused", reason=str(refusal))
        else:
            server.signal_handler_reload(number, frame)

    signal.signal(signal.SIGTERM, drain)
    signal.signal(signal.SIGHUP, reload)
    for number in (signal.SIGALRM, signal.SIGINT):
        signal.signal(number, end)


def _watch_workers(server: Any, folder: Path) -> None:
    """Kill hung workers, which Granian replaces, and remove ended ones; runs for ever."""
    while True:
        time.sleep(HEARTBEAT_EVERY_S)
        try:
            _check_workers(server, folder)
        except Exception as error:
            _log.error("watchdog_failed", error=type(error).__name__)


def _check_workers(server: Any, folder: Path) -> None:
    for process_id in run_folder.workers(folder):
        if not _is_alive(process_id):
            run_folder.remove_worker(folder, process_id)
    for worker in list(server.wrks):
        process_id = worker.inner.pid
        if process_id and run_folder.heartbeat_age_s(folder, process_id) > HUNG_AFTER_S:
            _log.error("worker_hung", worker=process_id, seconds=HUNG_AFTER_S)
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def _most_connections() -> int:
    """Raise the limit of open files as far as allowed; return the connections a worker may hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _BACKLOG_COUNT + _OTHER_DESCRIPTORS_COUNT
    if soft < wanted:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(64, min(soft, wanted) - _OTHER_DESCRIPTORS_COUNT)
