"""Run a slow probe at most once a second, however many callers want its answer."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

FRESH_S = 1.0

T = TypeVar("T")


class _Probe(NamedTuple, Generic[T]):
    """A probe that began at `began_s`, and its future answer."""

    began_s: float
    answer: Future[T]


class _Outage(NamedTuple, Generic[T]):
    """The bad answer of the last probe, and when that probe ended."""

    ended_s: float
    answer: T


class SharedProbe(Generic[T]):
    """Shares one probe between concurrent callers, and its answer for `FRESH_S`.

    * An answer is reused until `FRESH_S` after its probe *began*, so it is never older.
    * While a probe is running other callers wait for it.
    * They do not wait if the previous probe has just had a bad answer. They get that answer at
      once, so a store that hangs holds one thread and not all of them.
    """

    def __init__(
        self, is_bad: Callable[[T], bool], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._is_bad = is_bad
        self._monotonic = monotonic
        self._lock = Lock()
        self._last: _Probe[T] | None = None
        self._outage: _Outage[T] | None = None

    def ask(self, probe: Callable[[], T]) -> T:
        """Return the answer of `probe`, or of one that another caller runs or has just run."""
        with self._lock:
            current, is_mine = self._join()
            outage = self._outage
        if is_mine:
            self._run(probe, current)
        elif outage and not current.answer.done() and current.began_s - outage.ended_s < FRESH_S:
            return outage.answer
        return current.answer.result()

    def _join(self) -> tuple[_Probe[T], bool]:
        last, now_s = self._last, self._monotonic()
        if last and (not last.answer.done() or now_s - last.began_s < FRESH_S):
            return last, False
        self._last = current = _Probe[T](now_s, Future())
        return current, True

    def _run(self, probe: Callable[[], T], current: _Probe[T]) -> None:
        try:
            answer = probe()
        except BaseException as error:
            self._outage = None
            current.answer.set_exception(error)
            raise
        is_bad = self._is_bad(answer)
        self._outage = _Outage(self._monotonic(), answer) if is_bad else None
        current.answer.set_result(answer)
