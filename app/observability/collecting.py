"""Hand answers to consumers in the background, so that requests do not wait for them."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from threading import main_thread
from typing import Any, Protocol

from app.observability.answer import Answer
from app.observability.flusher import Flusher, report_failure

EVERY_S = 0.5
_TASK = "answers"
# Answers of some seconds. Of more that wait, the oldest are lost.
MOST_WAITING = 20_000


class AnswerConsumer(Protocol):
    """Looks at answers, and writes what it has found some seconds later."""

    def note(self, answer: Answer) -> None:
        """Look at an answer."""

    def flush(self) -> Any:
        """Write what was found."""


class AnswerCollector:
    """Collects answers of this process, and passes each to every consumer within half a second.

    A request appends to `answers`, and wakes `flusher` if it is not running. Neither is a call of
    our code, as long as requests arrive.
    """

    def __init__(
        self,
        consumers: Sequence[AnswerConsumer],
        *,
        has_ended: Callable[[], bool] = lambda: not main_thread().is_alive(),
    ) -> None:
        self.answers: deque[Answer] = deque(maxlen=MOST_WAITING)
        self._consumers = consumers
        self._has_ended = has_ended
        self.flusher = Flusher(
            _TASK, self.flush, every_s=EVERY_S, has_work=lambda: bool(self.answers)
        )

    def flush(self) -> bool:
        """Pass on what was collected; at the end of the process let consumers write it.

        Returns False: nothing is left. An error of one consumer ends nothing of the others.
        """
        answers = [self.answers.popleft() for _ in range(len(self.answers))]
        has_ended = self._has_ended()
        for consumer in self._consumers:
            _note_all(consumer, answers)
            if has_ended:  # its own thread may have ended
                _flush(consumer)
        return False


def _note_all(consumer: AnswerConsumer, answers: Iterable[Answer]) -> None:
    for answer in answers:
        try:
            consumer.note(answer)
        except Exception as error:
            report_failure(_TASK, error)


def _flush(consumer: AnswerConsumer) -> None:
    try:
        consumer.flush()
    except Exception as error:
        report_failure(_TASK, error)
