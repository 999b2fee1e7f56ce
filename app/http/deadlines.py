"""Bound the time that a request spends in MongoDB: one budget for all its operations together.

Nothing else on a request's way waits without a bound: Redis has its own time-out, and the server
in front has the body before it calls the application. Granian's adapter bounds its arrival; behind
gunicorn's router or proxy that is theirs.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

from flask import Flask

from app.http.current import current_notes

Bounded = Callable[[float], AbstractContextManager[object]]


def init_app(app: Flask, bounded: Bounded, budget_s: float) -> None:
    """Have `bounded(budget_s)` in force while a request is worked on."""

    def begin() -> None:
        notes = current_notes()
        notes.store_time = bounded(budget_s)
        notes.store_time.__enter__()

    def end(_error: BaseException | None) -> None:
        # A streamed answer is torn down twice.
        store_time = current_notes().pop("store_time", None)
        if store_time is not None:
            store_time.__exit__(None, None, None)

    app.before_request(begin)
    app.teardown_request(end)
