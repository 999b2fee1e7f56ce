"""One budget for all operations of a request on MongoDB."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from pymongo import _csot

from app.backends.time_limits import budget_s
from app.http import current
from app.http.application import Application, provided
from app.interactions.store import InteractionStore
from tests.callers import new_caller


@pytest.mark.parametrize(("timeout_ms", "seconds"), [(2_000, 1.4), (700, 0.35), (5_000, 4.4)])
def test_the_driver_may_be_late_by_a_step_and_a_little(timeout_ms: int, seconds: float) -> None:
    assert budget_s(timeout_ms) == seconds


def test_every_operation_of_a_request_shares_one_deadline(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = new_caller(memory_app)
    with memory_app.app_context():
        store = provided(InteractionStore)
    seen: list[float] = []

    def note(*_: object) -> list[object]:
        seen.append(_csot.get_deadline() - time.monotonic())
        return []

    monkeypatch.setattr(store, "scan", note)
    assert caller.list_().status_code == 200
    assert 1 < seen[0] <= 9.5  # of the ten seconds of the settings of tests
    assert _csot.get_timeout() is None


def test_the_budget_ends_with_the_request_also_if_that_fails() -> None:
    depths: list[int] = []

    @contextmanager
    def bounded(_seconds: float) -> Iterator[None]:
        depths.append(1)
        yield
        depths.append(0)

    app = Application("app")
    current.init_app(app, bounded, 1.0, lambda: None)

    @app.get("/")
    def fail() -> str:
        raise RuntimeError("on purpose")

    assert app.test_client().get("/").status_code == 500
    assert depths == [1, 0]
