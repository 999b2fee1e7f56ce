"""Configure gunicorn: its own threaded worker, behind a router or proxy that buffers.

`HOST`, `PORT`, `DRAIN_S` and the `WEB_…` variables adapt it to a platform; a bad one ends the start
with one line. A client that sends or reads slowly holds a thread here, so clients must not connect
directly. `python -m app` serves direct clients.
"""

import logging
import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER

from app.serving import run_folder, shared
from app.serving.env_file import read_env_file
from app.serving.port import claimed_port
from app.serving.web import Web
from config.settings import Settings, SettingsError

read_env_file()
_web = Web.from_environ()
bind = _web.bind
workers = _web.workers_count
worker_class = "gthread"
threads = _web.threads_count
keepalive = _web.keepalive_s
certfile = str(_web.tls_certificate) if _web.tls_certificate else None
keyfile = str(_web.tls_key) if _web.tls_key else None
worker_tmp_dir = run_folder.MEMORY

# A worker whose main thread is silent for so long is replaced; slow requests do not count.
timeout = 30
# Platforms send SIGKILL thirty seconds after SIGTERM.
graceful_timeout = 24
# A control socket would be one more entry point to protect.
control_socket_disable = True
# The application writes one JSON line a request.
accesslog = None
errorlog = "-"
# The application reads the forwarding headers itself, as far as TRUSTED_PROXY_HOPS trusts them.
forwarded_allow_ips = ""
forwarder_headers = ""


def _leave_out_requests(record: logging.LogRecord) -> bool:
    """Keep only the client's address of a malformed request; the rest may contain a key."""
    if str(record.msg).startswith("Invalid request from ip="):
        # An IPv6 address has colons too, but no space after them.
        record.msg = record.msg.partition(": ")[0]
    return True


def on_starting(server: Any) -> None:
    """Refuse a bad environment once, in the master."""
    # An inherited socket is ours already: from `--bind fd://…`, systemd or the previous master.
    is_ours = server.master_pid or "LISTEN_FDS" in os.environ or server.cfg.bind != [bind]
    if not is_ours:
        with claimed_port(_web):
            pass  # gunicorn would retry for 5 s, and replace another service's Unix socket
    try:
        Settings.from_environ().require_hosts()
    except SettingsError as error:
        raise SystemExit(str(error)) from None
    logging.getLogger("gunicorn.error").addFilter(_leave_out_requests)


def when_ready(server: Any) -> None:
    """Open the folder of the metrics; on SIGTERM, first report the end by `/readyz`."""
    # Only after the port is ours: a start that fails there would leave the folder behind.
    run_folder.open_folder()
    master_id = os.getpid()

    def end(number: int, frame: Any) -> None:
        if os.getpid() != master_id:
            # A worker that was forked just now has this handler until it has its own. Gunicorn
            # would note the signal for the master in the worker, and so lose it.
            os._exit(0)
        shared.begin_draining()
        server.signal(number, frame)

    signal.signal(signal.SIGTERM, end)


def post_worker_init(worker: Any) -> None:
    """Drain on SIGTERM: refuse connections after `DRAIN_S`, and complete begun requests.

    Uses a timer of the process rather than a thread. The handler may interrupt code that starts
    threads, and would then wait for a lock that its own thread holds.
    """
    worker.is_ending = False
    accept = worker.accept

    def accept_unless_closed(listener: Any) -> None:
        # A callback of the same round of events may have closed it before this one.
        if listener.sock is not None:
            accept(listener)

    worker.accept = accept_unless_closed

    def drain(_number: int, _frame: Any) -> None:
        if not worker.is_ending:  # some platforms signal every process, and the master does too
            worker.is_ending = True
            signal.setitimer(signal.ITIMER_REAL, _web.drain_s or 0.001)

    def end(number: int, frame: Any) -> None:
        # A client that has connected and sent nothing would delay the end.
        for connection in worker.pending_conns:
            connection.timeout = min(connection.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
        worker.handle_exit(number, frame)
        worker.method_queue.defer(partial(_close_listeners, worker))

    for number, handler in ((signal.SIGTERM, drain), (signal.SIGALRM, end)):
        signal.signal(number, handler)
        signal.siginterrupt(number, False)  # noqa: FBT003 - it takes no keyword


def _close_listeners(worker: Any) -> None:
    # gunicorn closes them only after the last answer; until then new connections would hang.
    worker.set_accept_enabled(False)
    for listener in worker.sockets:
        listener.close()


def pre_request(worker: Any, request: Any) -> None:
    """Let the application close this connection; always close it while draining."""
    shared.connection.close = request.force_close
    if worker.is_ending or shared.is_draining():
        request.force_close()


def child_exit(_server: Any, worker: Any) -> None:
    """Delete the heartbeat and live gauges of an ended worker."""
    run_folder.remove_worker(Path(os.environ[run_folder.VARIABLE]), worker.pid)


def on_exit(_server: Any) -> None:
    """Delete the folder of this run."""
    run_folder.close_folder()
