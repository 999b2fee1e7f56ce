"""Stop the threads that flush in the background."""

from typing import Any

from flask import Flask

from app.http.application import provided
from app.minutes.counting import MinuteCounter
from app.request_log.recorder import RequestRecorder


class _NoThread:
    """Stands in for a `Flusher`."""

    def wake(self) -> None:
        """Leave it to the test to flush."""


def without_background(app: Flask) -> Flask:
    """Return `app`, of which no thread writes into the stores of the next test."""
    no_thread: Any = _NoThread()
    with app.app_context():
        provided(RequestRecorder)._flusher = no_thread
        provided(MinuteCounter)._flusher = no_thread
    return app
