"""Hold requests inside the application, and read how many each organization has in flight."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Semaphore
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.access import Access
from app.http.application import provided
from tests.callers import Caller

WAIT_S = 30


class Hold:
    """Keeps requests in a view until the test releases them."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._arrived, self._released = Semaphore(0), Event()
        self._pool = ThreadPoolExecutor(16)
        self._sent: list[Future[TestResponse]] = []

    def wrap(self, endpoint: str, before: Callable[[], Any] = lambda: None) -> None:
        """Hold the requests of this view; `before` runs in each after its release."""
        view = self._app.view_functions[endpoint]

        def held(**arguments: Any) -> Any:
            self._arrived.release()
            assert self._released.wait(WAIT_S)
            before()
            return view(**arguments)

        self._app.view_functions[endpoint] = held

    def send(self, caller: Caller, count: int, method: str, path: str, **options: Any) -> None:
        """Send `count` requests; return when all of them are in the view."""
        for _ in range(count):
            self._sent.append(self._pool.submit(caller, method, path, **options))
        for _ in range(count):
            assert self._arrived.acquire(timeout=WAIT_S)

    def release(self) -> list[int]:
        """Release every request; return the statuses of the answers."""
        self._released.set()
        statuses = [each.result(WAIT_S).status_code for each in self._sent]
        self._sent.clear()
        return statuses

    def close(self) -> None:
        self._released.set()
        self._pool.shutdown()


def freeze_limiter(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Stop the limiter's clock, so that organizations stay active; return its seconds."""
    seconds = [1_000.0]
    with app.app_context():
        monkeypatch.setattr(provided(Access)._concurrency, "_clock", lambda: seconds[0])
    return seconds


def counts(app: Flask) -> dict[str, list[int]]:
    """Return the requests in flight by organization: all of them, and the heavy ones."""
    with app.app_context():
        return dict(provided(Access)._concurrency._counts)
