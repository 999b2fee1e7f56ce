"""Bound the time that a request spends in MongoDB: one budget for all its operations together.

Every other wait of a request has a bound too. Redis's client has a timeout. The server has read the
body before it calls the application: Granian's adapter bounds that, and gunicorn's proxy must.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

from flask import Flask

from app.http.current import current_notes

Bounded = Callable[[float], AbstractContextManager[object]]


def init_app(app: Flask, bounded: Bounded, budget_s: float) -> None:
    """Apply `bounded(budget_s)` to each request."""

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
