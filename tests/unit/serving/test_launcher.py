"""The launcher's own rules for the workers of Granian."""

import os
from typing import Any

from app.serving.launcher import _Server


def test_a_worker_that_another_thread_has_waited_for_is_not_alive() -> None:
    worker = _worker()
    worker.inner.start()
    assert worker.is_alive()
    worker.inner.kill()
    os.waitpid(worker.inner.pid, 0)  # as Granian's second thread, which stores the status later
    assert worker.inner.is_alive()
    assert not worker.is_alive()


def _worker() -> Any:
    server: Any = _Server("turnledger")
    server._ssp = server._shd = server._sso = None
    return server._spawn_worker(0, _wait_for_ever, None)


def _wait_for_ever(*_: object) -> None:
    os.read(os.pipe()[0], 1)
