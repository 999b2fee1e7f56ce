"""Stop the threads that flush in the background, and do their work when a test asks for it."""

from typing import Any

from flask import Flask

from app.http.application import provided
from app.minutes.counting import MinuteCounter
from app.observability.collecting import AnswerCollector
from app.request_log.recorder import RequestRecorder


class _NoThread:
    """Stands in for a `Flusher`."""

    is_running = True

    def wake(self) -> None:
        """Leave it to the test to flush."""


def without_background(app: Flask) -> Flask:
    """Return `app`, of which no thread writes into the stores of the next test."""
    no_thread: Any = _NoThread()
    with app.app_context():
        provided(AnswerCollector).flusher = no_thread
        provided(RequestRecorder)._flusher = no_thread
        provided(MinuteCounter)._flusher = no_thread
    return app


def flush_background(app: Flask) -> None:
    """Write what the service would write within three seconds."""
    with app.app_context():
        for worker in (AnswerCollector, RequestRecorder, MinuteCounter):
            provided(worker).flush()
