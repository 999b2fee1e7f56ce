"""Run chores side by side until the platform asks them to end."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import structlog

from app.backends.containment import Containment
from app.backends.outages import OUTAGES, as_outages
from app.backends.reasons import reason_of
from app.worker.chores import Chore
from app.worker.stop import Stop, Stopped

# Python handles a signal when the main thread next runs. One that arrives just before the thread
# blocks does not wake it, so it wakes by itself.
_SIGNAL_CHECK_S = 1.0
_log = structlog.get_logger("turnledger.worker")


class Worker:
    """Repeats each of `chores` in a thread of its own.

    `require_ready` runs before each pass. An error that it raises, other than an outage, ends the
    worker. `count_failures` adds failed passes to the metrics.
    """

    def __init__(
        self,
        chores: Sequence[Chore],
        require_ready: Callable[[], object],
        count_failures: Callable[[Containment], object],
    ) -> None:
        self._chores = chores
        self._require_ready = require_ready
        self._count_failures = count_failures

    def run(self, only: str | None = None) -> list[str]:
        """Repeat all chores, or `only` the one of this name, until SIGTERM or SIGINT.

        Returns the names of the chores whose last pass failed. Call it in the main thread.
        """
        chores = [chore for chore in self._chores if only in {None, chore.name}]
        stop = Stop()
        with stop.on_signals(), ThreadPoolExecutor(len(chores)) as pool:
            endings = self._start(pool, chores, stop)
            while wait(endings, _SIGNAL_CHECK_S).not_done:
                pass
        return [
            chore.name
            for chore, has_failed in zip(chores, endings, strict=True)
            if has_failed.result()
        ]

    def _start(
        self, pool: ThreadPoolExecutor, chores: Sequence[Chore], stop: Stop
    ) -> list[Future[bool]]:
        """Start a thread for each chore; if one cannot start, end the others."""
        try:
            return [pool.submit(self._repeat, chore, stop) for chore in chores]
        except BaseException:
            stop.ask()
            raise

    def _repeat(self, chore: Chore, stop: Stop) -> bool:
        """Repeat a chore until the end is asked for; return True if its last pass failed."""
        has_failed = False
        try:
            stop.wait(0)
            while True:
                has_failed = self._pass(chore, stop)
                stop.wait(chore.period_s)
        except Stopped:
            return has_failed
        except BaseException:
            # A chore must never be missing while the others make the worker look sound.
            stop.ask()
            raise

    def _pass(self, chore: Chore, stop: Stop) -> bool:
        """Do one pass; return True if it failed for another reason than an outage."""
        try:
            with as_outages():
                self._require_ready()
                return self._contained(chore, stop)
        except OUTAGES as error:
            words = {"error": type(error).__name__, "reason": reason_of(error)}
            _log.warning("store_unavailable", chore=chore.name, **words)
            return False

    def _contained(self, chore: Chore, stop: Stop) -> bool:
        containment = Containment()
        with containment.of(chore.failure_event, chore=chore.name) as attempt:
            chore.run(stop.wait)
        if attempt.has_failed:
            # Damaged notes, which may be why the pass failed, must not end the worker.
            with Containment().of("failure_not_counted", chore=chore.name):
                self._count_failures(containment)
        return attempt.has_failed
