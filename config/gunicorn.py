"""gunicorn's settings; `HOST`, `PORT` and the `WEB_…` variables fit them to a platform.

A bad one ends the start with one line that names the remedy. No preloading: every worker makes its
own clients after the fork.
"""

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

# No file that the master imports may import prometheus_client: its first import decides, for all
# workers too, whether counters are shared.
_is_folder_ours = "PROMETHEUS_MULTIPROC_DIR" not in os.environ


def on_starting(_server: Any) -> None:
    """Refuse a bad environment once, not in every worker; start with no earlier run's counters."""
    try:
        Settings.from_environ()
    except SettingsError as error:
        raise SystemExit(str(error)) from None
    if _is_folder_ours:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="turnledger-", dir=_MEMORY)
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    for counters in folder.glob("*.db"):
        counters.unlink()


def on_exit(_server: Any) -> None:
    """Leave nothing behind in memory."""
    if _is_folder_ours:
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
