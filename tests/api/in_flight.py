"""Requests that stay in the application until a test lets them go, and who has how many there."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Semaphore
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.access import Access
from app.http.provide import provided
from tests.callers import Caller

WAIT_S = 30


class Hold:
    """Keeps requests in a view until they are let go."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._arrived, self._go = Semaphore(0), Event()
        self._pool = ThreadPoolExecutor(16)
        self._sent: list[Future[TestResponse]] = []

    def wrap(self, endpoint: str, before: Callable[[], Any] = lambda: None) -> None:
        """Hold what enters this view; `before` runs there once it is let go."""
        view = self._app.view_functions[endpoint]

        def held(**arguments: Any) -> Any:
            self._arrived.release()
            assert self._go.wait(WAIT_S)
            before()
            return view(**arguments)

        self._app.view_functions[endpoint] = held

    def send(self, caller: Caller, count: int, method: str, path: str, **options: Any) -> None:
        """Send so many requests; return when all of them are in the view."""
        for _ in range(count):
            self._sent.append(self._pool.submit(caller, method, path, **options))
        for _ in range(count):
            assert self._arrived.acquire(timeout=WAIT_S)

    def let_go(self) -> list[int]:
        """Let every request go; the statuses of their answers."""
        self._go.set()
        statuses = [each.result(WAIT_S).status_code for each in self._sent]
        self._sent.clear()
        return statuses

    def close(self) -> None:
        self._go.set()
        self._pool.shutdown()


def freeze_limiter(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Stop the limiter's clock, so that organizations stay neighbours; return its seconds."""
    seconds = [1_000.0]
    with app.app_context():
        monkeypatch.setattr(provided(Access)._in_flight._limiter, "_clock", lambda: seconds[0])
    return seconds


def counts(app: Flask) -> dict[str, list[int]]:
    """What is in flight, by organization: all, and the heavy ones of them."""
    with app.app_context():
        return dict(provided(Access)._in_flight._limiter._counts)
