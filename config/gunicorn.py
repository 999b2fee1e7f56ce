"""gunicorn's settings; each can be changed by an environment variable where a platform needs it.

No preloading: every worker makes its own clients after the fork.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from prometheus_client.multiprocess import mark_process_dead

from config.settings import Settings, SettingsError

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only probed, and files in it have private names
_MEMORY = str(_SHARED_MEMORY) if os.access(_SHARED_MEMORY, os.W_OK) else None

bind = f"{os.environ.get('HOST', '0.0.0.0')}:{os.environ.get('PORT', '8000')}"  # noqa: S104 - a platform routes to it
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS", "8"))
worker_tmp_dir = _MEMORY

# A request has ten seconds of its own; platforms kill thirty seconds after SIGTERM.
timeout = 30
graceful_timeout = 25
# Longer than the idle time of the usual proxies, so that they close first.
keepalive = int(os.environ.get("WEB_KEEPALIVE_S", "75"))

# A control socket would be one more way in.
control_socket_disable = True
# The application writes one JSON line a request.
accesslog = None
errorlog = "-"

# The folder must be known before a worker imports the metrics.
_is_folder_ours = "PROMETHEUS_MULTIPROC_DIR" not in os.environ
if _is_folder_ours:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="turnledger-", dir=_MEMORY)
_METRICS = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])


def on_starting(_server: Any) -> None:
    """Refuse a bad environment once, not in every worker; forget an earlier run's counters."""
    try:
        Settings.from_environ()
    except SettingsError as error:
        raise SystemExit(str(error)) from None
    _METRICS.mkdir(parents=True, exist_ok=True)
    for counters in _METRICS.glob("*.db"):
        counters.unlink()


def child_exit(_server: Any, worker: Any) -> None:
    """Close the books of a worker that ended."""
    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Any) -> None:
    """Leave nothing behind in memory."""
    if _is_folder_ours:
        shutil.rmtree(_METRICS, ignore_errors=True)
