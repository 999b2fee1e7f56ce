"""Settings of gunicorn: its own threaded worker, behind a router or proxy that buffers.

`HOST`, `PORT`, `DRAIN_S` and the `WEB_…` variables fit it to a platform; a bad one ends the start
with one line. What connects here can hold a thread by sending or reading slowly, so clients must
not connect directly: `python -m app` is for that.
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

# For a worker whose main thread gives no sign of life; the time of requests does not count.
timeout = 30
# Platforms kill thirty seconds after SIGTERM.
graceful_timeout = 24
# A control socket would be one more way in.
control_socket_disable = True
# The application writes one JSON line a request.
accesslog = None
errorlog = "-"
# TRUSTED_PROXY_HOPS decides what is believed, and the application reads those headers.
forwarded_allow_ips = ""
forwarder_headers = ""


def _leave_out_requests(record: logging.LogRecord) -> bool:
    """Keep the address that sent a request that gunicorn cannot read; a key may be in the rest."""
    if str(record.msg).startswith("Invalid request from ip="):
        # An IPv6 address has colons too, but no space after them.
        record.msg = record.msg.partition(": ")[0]
    return True


def on_starting(server: Any) -> None:
    """Refuse a bad environment once, not in every worker."""
    # An inherited socket is ours already: from `--bind fd://…`, systemd, or the master before us.
    is_ours = server.master_pid or "LISTEN_FDS" in os.environ or server.cfg.bind != [bind]
    if not is_ours:
        with claimed_port(_web):
            pass  # gunicorn would try for five seconds, and take a Unix socket from its owner
    try:
        Settings.from_environ().require_hosts()
    except SettingsError as error:
        raise SystemExit(str(error)) from None
    logging.getLogger("gunicorn.error").addFilter(_leave_out_requests)


def when_ready(server: Any) -> None:
    """Choose the folder of the metrics; have `/readyz` of all workers report the end first."""
    # Not before the port is ours: a start that fails there would leave the folder behind.
    run_folder.open_folder()

    def end(number: int, frame: Any) -> None:
        shared.begin_draining()
        server.signal(number, frame)

    signal.signal(signal.SIGTERM, end)


def post_worker_init(worker: Any) -> None:
    """On SIGTERM accept for `DRAIN_S` more, then refuse new connections and end what is begun.

    A timer of the process and not a thread: the handler may interrupt the very code that starts
    threads, and would wait for a lock that it holds itself.
    """
    worker.is_ending = False
    accept = worker.accept

    def accept_unless_closed(listener: Any) -> None:
        # It may be closed by a callback of the very round of events in which a client came.
        if listener.sock is not None:
            accept(listener)

    worker.accept = accept_unless_closed

    def drain(_number: int, _frame: Any) -> None:
        if not worker.is_ending:  # some platforms signal every process, and the master does too
            worker.is_ending = True
            signal.setitimer(signal.ITIMER_REAL, _web.drain_s or 0.001)

    def end(number: int, frame: Any) -> None:
        # A client that has connected and sent nothing would hold the worker up.
        for connection in worker.pending_conns:
            connection.timeout = min(connection.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
        worker.handle_exit(number, frame)
        worker.method_queue.defer(partial(_close_listeners, worker))

    for number, handler in ((signal.SIGTERM, drain), (signal.SIGALRM, end)):
        signal.signal(number, handler)
        signal.siginterrupt(number, False)  # noqa: FBT003 - it takes no keyword


def _close_listeners(worker: Any) -> None:
    # gunicorn closes them after the last answer: until then new connections would wait in vain.
    worker.set_accept_enabled(False)
    for listener in worker.sockets:
        listener.close()


def pre_request(worker: Any, request: Any) -> None:
    """Let the application close this connection; close it in any case while draining."""
    shared.connection.close = request.force_close
    if worker.is_ending or shared.is_draining():
        request.force_close()


def child_exit(_server: Any, worker: Any) -> None:
    """Delete what a worker that has ended reported of its present state."""
    run_folder.remove_worker(Path(os.environ[run_folder.VARIABLE]), worker.pid)


def on_exit(_server: Any) -> None:
    """Leave nothing behind in memory."""
    run_folder.close_folder()
