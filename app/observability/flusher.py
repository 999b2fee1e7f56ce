"""Do work some seconds after it is asked for, in a thread that lives only while there is work."""

from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread, main_thread

import structlog
from prometheus_client import Counter

from app.http.frames import frames_of

EVERY_S = 2.0
_log = structlog.get_logger("turnledger.background")
FAILURES = Counter(
    "turnledger_background_failures",
    "Unexpected errors of work in the background of requests; what it held is lost.",
    ["task"],
)


def report_failure(task: str, error: Exception) -> None:
    """Count and log an unexpected error of work in the background, which goes on."""
    with suppress(Exception):  # a full disk, or no file for the metric
        FAILURES.labels(task).inc()
        _log.error(
            "background_work_failed", task=task, error=type(error).__name__, at=frames_of(error)
        )


def pause_or_end(seconds: float) -> bool:
    """Wait; return True at once when the process begins to end.

    A process ends its main thread first and then waits for its other threads, unless they are
    daemons.
    """
    main_thread().join(seconds)
    return not main_thread().is_alive()


class Flusher:
    """Calls `flush` at most once in `every_s`, and once more before the process ends.

    `flush` returns True if it has left work for the next time. It handles outages of its store; any
    other error is counted and logged, and the next work is done. Threads are started by `wake`, so
    after a fork. Safe between threads.

    Callers that add work which `has_work` finds need `wake` only while `is_running` is False.
    """

    def __init__(
        self,
        name: str,
        flush: Callable[[], bool],
        *,
        every_s: float = EVERY_S,
        pause: Callable[[float], bool] = pause_or_end,
        has_work: Callable[[], bool] = lambda: False,
    ) -> None:
        self._name = name
        self._flush = flush
        self._every_s = every_s
        self._pause = pause
        self._has_work = has_work
        self._lock = Lock()
        self._is_asked = self.is_running = False

    def wake(self) -> None:
        """Ask for a flush; costs two attributes while the thread runs."""
        self._is_asked = True
        if self.is_running:
            return
        with self._lock:
            if self.is_running:
                return
            self.is_running = True
        try:
            Thread(target=self._run, name=self._name).start()
        except RuntimeError:  # no thread can start; the next request tries again
            self.is_running = False

    def _run(self) -> None:
        has_ended = False
        while not has_ended:
            has_ended = self._pause(self._every_s)
            self._is_asked = False
            has_more = self._flush_contained()
            # In this order: `wake` sets the one before it reads the other, and callers add work
            # before they read it.
            self.is_running = False
            if not (self._is_asked or has_more or self._has_work()):
                return
            with self._lock:
                if self.is_running:  # another thread has been started meanwhile
                    return
                self.is_running = True

    def _flush_contained(self) -> bool:
        try:
            return self._flush()
        except Exception as error:
            report_failure(self._name, error)
            return False
