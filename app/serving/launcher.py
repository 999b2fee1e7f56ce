"""Start Granian with workers that share one port, drain it on SIGTERM, replace silent workers."""

import gc
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import structlog
from flask import Flask
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server import Server

from app.serving import run_folder, shared
from app.serving.adapter import Adapter
from app.serving.web import Web, refuse
from app.serving.worker import BEAT_EVERY_S, Worker

SILENT_S = 30
# Platforms kill thirty seconds after SIGTERM.
_END_WITHIN_S = 26
_HEADERS_BYTES = 16 * 1024
_BACKLOG_COUNT = 4_096
# A worker needs them for stores, files and answers in the making.
_OTHER_DESCRIPTORS_COUNT = 256
_AT_STDERR = {
    "class": "logging.StreamHandler",
    "stream": "ext://sys.stderr",
    "formatter": "generic",
}
_log = structlog.get_logger("turnledger.serving")


@contextmanager
def claimed_port(web: Web) -> Iterator[int]:
    """Hold the port of `web` and yield its number; SystemExit with one line if it is taken.

    Granian's workers share the port by SO_REUSEPORT, and would share it with another service too.
    """
    if web.socket_path:
        _clear(web.socket_path)
        yield 0
        return
    family = socket.AF_INET6 if ":" in web.address else socket.AF_INET
    try:
        holder = socket.create_server((web.address, web.port), family=family)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        refuse(
            "PORT", str(web.port), f"{reason} at {web.address}; set another, or end what uses it"
        )
    with closing(holder):
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with suppress(OSError):
            holder.shutdown(socket.SHUT_RDWR)  # it stays bound, and takes no connection
        yield int(holder.getsockname()[1])


def serve(load: Callable[[], Flask], web: Web, port: int, folder: Path, deadline_s: float) -> None:
    """Serve what `load` makes in each worker until SIGTERM has drained it, or SIGINT."""
    server: Any = Server(
        "turnledger",
        web.address or "127.0.0.1",
        port,
        uds=web.socket_path,
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
    )
    server.on_reload(shared.order_end)
    server.on_startup(partial(_begin, server, folder, web.drain_s))

    def work() -> Worker:
        return Worker(Adapter(load(), web.threads_count, deadline_s), folder)

    gc.freeze()  # workers share what is loaded already
    server.serve(target_loader=work, wrap_loader=False)


def _begin(server: Any, folder: Path, drain_s: int) -> None:
    Thread(target=_watch, args=[server, folder], daemon=True).start()

    def drain(_number: int, _frame: object) -> None:
        if not shared.is_draining():
            shared.begin_draining()
            signal.setitimer(signal.ITIMER_REAL, drain_s or 0.001)

    def end(number: int, frame: object) -> None:
        shared.begin_draining()
        shared.order_end()
        server.signal_handler_interrupt(number, frame)

    signal.signal(signal.SIGTERM, drain)
    for number in (signal.SIGALRM, signal.SIGINT):
        signal.signal(number, end)


def _watch(server: Any, folder: Path) -> None:
    """Replace silent workers, and forget the state of those that have ended."""
    known: set[int] = set()
    while True:
        time.sleep(BEAT_EVERY_S)
        known |= {worker.inner.pid for worker in list(server.wrks) if worker.inner.pid}
        for process_id in list(known):
            if not _is_alive(process_id):
                run_folder.forget_worker(folder, process_id)
                known.discard(process_id)
            elif run_folder.silent_s(folder, process_id) > SILENT_S:
                _log.error("worker_silent", worker=process_id, seconds=SILENT_S)
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


def _clear(path: Path) -> None:
    """Delete the socket that a killed service has left at `path`; SystemExit if one answers."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            refuse("HOST", f"unix:{path}", f"it cannot be used ({error.strerror})")
    refuse("HOST", f"unix:{path}", "another service listens there; stop it or set another path")
