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
# Platforms kill thirty seconds after SIGTERM.
_END_WITHIN_S = 26
_HEADERS_BYTES = 16 * 1024
_BACKLOG_COUNT = 4_096
# A worker needs them for stores, files and answers in the making.
_OTHER_DESCRIPTORS_COUNT = 256
# Standard output carries the lines of requests.
_AT_STDERR = {
    "class": "logging.StreamHandler",
    "stream": "ext://sys.stderr",
    "formatter": "generic",
}
_log = structlog.get_logger("turnledger.serving")


class _Server(Server):  # type: ignore[misc, valid-type]
    """Granian, which also ends by itself when a worker dies again and again."""

    def _respawn_workers(self, workers: Any, *arguments: Any, delay: float = 0) -> None:
        super()._respawn_workers(workers, *arguments, delay=delay)
        if delay:  # a reload: those were no failures
            for index in workers:
                self.respawned_wrks.pop(index, None)

    def shutdown(self, exit_code: int = 0) -> None:
        """Have the workers obey the SIGTERM that they get now."""
        shared.begin_ending()
        if self.interrupt_signal:  # then workers that have ended already are no failures
            for worker in self.wrks:
                worker.interrupt_by_parent = True
            self.interrupt_children.clear()
        super().shutdown(exit_code)


def serve(load: Callable[[], Flask], web: Web, port: int, folder: Path, deadline_s: float) -> None:
    """Serve what `load` makes in each worker until SIGTERM has drained it, or SIGINT."""
    server: Any = _Server(
        "turnledger",
        web.address or "127.0.0.1",
        port,
        uds=web.socket_path,
        uds_permissions=0o666,  # as gunicorn's: the rights of its folder decide who connects
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
        respawn_interval=1.0,  # for a new worker to be up before HUP ends the old one
        workers_kill_timeout=_END_WITHIN_S - web.drain_s,
        log_dictconfig={"handlers": {"console": _AT_STDERR, "access": _AT_STDERR}},
        ssl_cert=web.tls_certificate,
        ssl_key=web.tls_key,
        ssl_protocol_min=SSLProtocols.tls12,
    )
    server.on_reload(shared.order_end)
    server.on_startup(partial(_begin, server, folder, web.drain_s))
    launcher_id = os.getpid()

    def work() -> Worker:
        return Worker(Adapter(load(), web.threads_count, deadline_s), folder, launcher_id)

    gc.freeze()  # workers share what is loaded already
    server.serve(target_loader=work, wrap_loader=False)


def _begin(server: Any, folder: Path, drain_s: int) -> None:
    Thread(target=_watch_workers, args=[server, folder], daemon=True).start()

    def drain(_number: int, _frame: object) -> None:
        # A worker that is just starting has these handlers too, and no say in the service's end.
        if os.getpid() == server.pid and not shared.is_draining():
            shared.begin_draining()
            signal.setitimer(signal.ITIMER_REAL, drain_s or 0.001)

    def end(number: int, frame: object) -> None:
        shared.begin_ending()
        server.signal_handler_interrupt(number, frame)

    def reload(number: int, frame: object) -> None:
        try:
            Web.from_environ()
        except SystemExit as refusal:  # above all a certificate that is being renewed
            _log.error("reload_refused", reason=str(refusal))
        else:
            server.signal_handler_reload(number, frame)

    signal.signal(signal.SIGTERM, drain)
    signal.signal(signal.SIGHUP, reload)
    for number in (signal.SIGALRM, signal.SIGINT):
        signal.signal(number, end)


def _watch_workers(server: Any, folder: Path) -> None:
    """Kill hung workers, which Granian replaces, and forget those that have ended; for ever."""
    while True:
        time.sleep(HEARTBEAT_EVERY_S)
        try:
            _look_once(server, folder)
        except Exception as error:
            _log.error("watchdog_failed", error=type(error).__name__)


def _look_once(server: Any, folder: Path) -> None:
    for process_id in run_folder.workers(folder):
        if not _is_alive(process_id):
            run_folder.forget_worker(folder, process_id)
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
    """Return how many connections a worker may hold, after asking for as many files as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _BACKLOG_COUNT + _OTHER_DESCRIPTORS_COUNT
    if soft < wanted:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(64, min(soft, wanted) - _OTHER_DESCRIPTORS_COUNT)
