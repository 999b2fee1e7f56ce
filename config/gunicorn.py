"""gunicorn's settings; `HOST`, `PORT` and the `WEB_…` variables fit them to a platform.

A bad one ends the start with one line that names the remedy. No preloading: every worker makes its
own clients after the fork.
"""

import logging
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

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
worker_class = "gthread"
# Each thread may hold a connection, and app/backends/live.py's pools have 32.
threads = _number("WEB_THREADS", 8, 1, 32)
worker_tmp_dir = _MEMORY

# For a worker that gives no sign of life. It bounds no request: the stores' time-outs bound each
# step of one.
timeout = 30
# Platforms kill thirty seconds after SIGTERM.
graceful_timeout = 25
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
    """Refuse a bad environment once, not in every worker; start with no earlier run's counters."""
    try:
        Settings.from_environ()
    except SettingsError as error:
        raise SystemExit(str(error)) from None
    # Workers are forked, and inherit it.
    logging.getLogger("gunicorn.error").addFilter(_leave_out_requests)
    if _is_folder_ours:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="turnledger-", dir=_MEMORY)
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in _COUNTERS:
        for counters in folder.glob(pattern):
            counters.unlink()


def on_exit(_server: Any) -> None:
    """Leave nothing behind in memory."""
    if _is_folder_ours:
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
