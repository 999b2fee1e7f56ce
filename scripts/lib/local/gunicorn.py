"""gunicorn's settings for the local run: as in production, but nothing outlives a killed master.

A master that is asked for a quick end signals its workers only once. A thread worker that is just
handing over a request then waits for a lock that it holds itself (gunicorn 27.0.1, `handle_quit`),
and keeps port and folder until the master's patience ends. The kernel forgets nobody.
"""

import signal
from typing import Any

from app.backends.children import tie_to_parent
from config.gunicorn import *  # noqa: F403 - every setting of it is one of ours


def post_fork(_server: Any, worker: Any) -> None:
    """Have the kernel end this worker with its master."""
    tie_to_parent(worker.ppid, signal.SIGKILL)
