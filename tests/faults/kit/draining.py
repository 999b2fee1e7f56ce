"""End a service by SIGTERM, and observe it while it ends."""

import os
import signal
import time
from contextlib import AbstractContextManager
from enum import StrEnum, auto
from pathlib import Path

from tests import plain_http
from tests.faults.kit.site import Site
from tests.faults.kit.workers import worker_ids
from tests.servers import RunningService, ServerKind, running_service

DRAIN_S = 2
# Far longer than draining takes, and shorter than a platform waits before SIGKILL.
EXIT_WITHIN_S = 20
FAREWELL = {
    ServerKind.GRANIAN: "Granian shutdown completed",
    ServerKind.GUNICORN: "Shutting down: Master",
}


class Ending(StrEnum):
    """The processes that receive SIGTERM."""

    PARENT = auto()
    EVERY_PROCESS = auto()  # as systemd does; the workers first
    AFTER_RELOAD = auto()  # the parent, whose workers have been replaced by SIGHUP


def draining_service(
    site: Site, kind: ServerKind, log: Path, workers_count: int = 1, **changes: str
) -> AbstractContextManager[RunningService]:
    """Yield a second service on the stores of `site`."""
    # Requests in flight wait for a frozen MongoDB, on a slow machine for longer than usual.
    own = {"DRAIN_S": str(DRAIN_S), "MONGODB_TIMEOUT_MS": "8000"}
    environ = dict(site.service.environ) | own | changes
    return running_service(environ, log, workers_count=workers_count, kind=kind)


def end(service: RunningService, ending: Ending = Ending.PARENT) -> float:
    """Send the SIGTERM; return when that was."""
    workers = worker_ids(service) if ending is Ending.EVERY_PROCESS else set()
    for process_id in [*workers, service.process_id]:
        os.kill(process_id, signal.SIGTERM)
    return time.monotonic()


def readiness(service: RunningService) -> tuple[int, str]:
    """Return the HTTP status and the `status` field of `/readyz`."""
    answer = plain_http.get(f"{service.base_url}/readyz", timeout=30)
    return answer.status_code, answer.json()["status"]


def assert_it_ended(service: RunningService, began_s: float) -> float:
    """Check that the service ends in time after draining; return the seconds it took."""
    took_s = time.monotonic() - began_s
    assert DRAIN_S <= took_s <= EXIT_WITHIN_S
    log = service.log.read_text()
    assert FAREWELL[service.kind] in log
    assert "refused to gracefully stop" not in log  # a worker of now, or one before a reload
    return round(took_s, 1)
