"""Serve the service by Granian's WSGI interface: threads as the service has, HTTP/1 only.

`PROMETHEUS_MULTIPROC_DIR` must be set: nothing here chooses the folder of the metrics.
"""

import os

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server import Server

THREADS_COUNT = 8
BACKLOG_COUNT = 4_096

if __name__ == "__main__":
    Server(
        "wsgi:app",
        os.environ["HOST"],
        int(os.environ["PORT"]),
        interface=Interfaces.WSGI,
        workers=int(os.environ["WEB_CONCURRENCY"]),
        blocking_threads=THREADS_COUNT,
        http=HTTPModes.http1,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=30_000),
        backlog=BACKLOG_COUNT,
        respawn_failed_workers=True,
    ).serve()
