"""gunicorn's settings; `HOST`, `PORT` and the `WEB_…` variables fit them to a platform.

A bad one ends the start with one line that names the remedy. No preloading: every worker makes its
own clients after the fork.
"""

import logging
import os
import re
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER

from config.draining import begin_draining, is_draining
from config.settings import Settings, SettingsError


def _number(name: str, default: int, lowest: int, highest: int) -> int:
    text = os.environ.get(name, str(default))
    if not re.fullmatch("[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
        raise SystemExit(
            f"{name}={text!r} is refused: set a whole number from {lowest} to {highest}, "
            f"or unset it for {default}"
        )
    return int(text)


def _leave_out_requests(record: logging.LogRecord) -> bool:
    """Keep who sent a request that gunicorn cannot read, and leave out what: a key may be in it."""
    if str(record.msg).startswith("Invalid request from ip="):
        # An IPv6 address has colons too, but no space after them.
        record.msg = record.msg.partition(": ")[0]
    return True


_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only probed, and files in it have private names
_MEMORY = str(_SHARED_MEMORY) if os.access(_SHARED_MEMORY, os.W_OK) else None

bind = f"{os.environ.get('HOST', '0.0.0.0')}:{_number('PORT', 8000, 0, 65_535)}"  # noqa: S104 - a platform routes to it
workers = _number("WEB_CONCURRENCY", 2, 1, 256)
worker_class = "config.worker.SharingWorker"
# Each thread may hold a connection, and the pool for MongoDB has 32: app/backends/live.py.
threads = _number("WEB_THREADS", 8, 1, 32)
worker_tmp_dir = _MEMORY

# For a worker whose main thread gives no sign of life. What its requests take does not count:
# app/http/deadlines.py bounds those.
timeout = 30
# Platforms kill thirty seconds after SIGTERM. A request takes REQUEST_DEADLINE_S for its body and
# MONGODB_TIMEOUT_MS for the stores at most, so this is enough unless they are set much higher.
graceful_timeout = 24
# For so long after SIGTERM a worker goes on accepting, while `/readyz` has balancers look away.
DRAIN_S = _number("DRAIN_S", 2, 0, 10)
# Longer than the idle time of the usual proxies, so that they close first.
keepalive = _number("WEB_KEEPALIVE_S", 75, 0, 3_600)

# A control socket would be one more way in.
control_socket_disable = True
# The application writes one JSON line a request.
accesslog = None
errorlog = "-"

# gunicorn would believe loopback what it says of itself. TRUSTED_PROXY_HOPS decides that, and the
# application reads those headers.
forwarded_allow_ips = ""
forwarder_headers = ""

# No file that the master imports may import prometheus_client: its first import decides, for all
# workers too, whether counters are shared.
_is_folder_ours = not os.environ.get("PROMETHEUS_MULTIPROC_DIR")
# The names that prometheus_client gives; what else lies there is not ours to delete.
_COUNTERS = ("counter_*.db", "gauge_*.db", "histogram_*.db", "summary_*.db")


def on_starting(_server: Any) -> None:
    """Refuse a bad environment once, not in every worker."""
    try:
        Settings.from_environ()
    except SettingsError as error:
        raise SystemExit(str(error)) from None
    if not _is_folder_ours:
        _make_folder(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    # Workers are forked, and inherit it.
    logging.getLogger("gunicorn.error").addFilter(_leave_out_requests)


def _make_folder(name: str) -> None:
    with suppress(OSError):
        Path(name).mkdir(parents=True, exist_ok=True)
    if not os.access(name, os.W_OK | os.X_OK):
        raise SystemExit(
            f"PROMETHEUS_MULTIPROC_DIR={name!r} is refused: set a folder that can be made and "
            "written to, or unset it for one of the service's own"
        )


def _empty_counters() -> None:
    """Start with no earlier run's counters, in a folder that workers inherit by the environment."""
    if _is_folder_ours:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="turnledger-", dir=_MEMORY)
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    for pattern in _COUNTERS:
        for counters in folder.glob(pattern):
            counters.unlink()


def when_ready(server: Any) -> None:
    """Empty the counters; have `/readyz` of all workers tell of the end before the master does."""
    # Not before the port is ours: a start that fails there would leave the folder behind.
    _empty_counters()

    def end(number: int, frame: Any) -> None:
        begin_draining()
        server.signal(number, frame)

    signal.signal(signal.SIGTERM, end)


def post_worker_init(worker: Any) -> None:
    """On SIGTERM accept for `DRAIN_S` more, then end as gunicorn does: after the last answer.

    A timer of the process and not a thread: the handler may interrupt the very code that starts
    threads, and would wait for a lock that it holds itself.
    """

    def drain(_number: int, _frame: Any) -> None:
        if not worker.is_ending:  # some platforms signal every process, and the master does too
            worker.is_ending = True
            signal.setitimer(signal.ITIMER_REAL, DRAIN_S or 0.001)

    def end(number: int, frame: Any) -> None:
        # Who has connected and never said a word would hold the worker up.
        for connection in worker.pending_conns:
            connection.timeout = min(connection.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
        worker.handle_exit(number, frame)

    for number, handler in ((signal.SIGTERM, drain), (signal.SIGALRM, end)):
        signal.signal(number, handler)
        signal.siginterrupt(number, False)  # noqa: FBT003 - it takes no keyword


def pre_request(worker: Any, request: Any) -> None:
    """Answer with `Connection: close` while draining: the next request should go elsewhere."""
    if worker.is_ending or is_draining():
        request.force_close()


def child_exit(_server: Any, worker: Any) -> None:
    """Take away what a worker that has ended told of its present state.

    Not by the library's `mark_process_dead`: see above, the master must not import it.
    """
    for gauges in Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).glob(f"gauge_live*_{worker.pid}.db"):
        gauges.unlink(missing_ok=True)


def on_exit(_server: Any) -> None:
    """Leave nothing behind in memory."""
    if _is_folder_ours:
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
