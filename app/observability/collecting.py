"""Hand answers to consumers in the background, so that requests do not wait for them."""

from collections import deque
from collections.abc import Callable, Sequence

from app.observability.answer import Answer
from app.observability.flusher import Flusher

EVERY_S = 0.5
# Answers of some seconds. Of more that wait, the oldest are lost.
MOST_WAITING = 20_000


class AnswerCollector:
    """Collects answers of this process, and passes each to every consumer within half a second.

    A request appends to `answers`, and wakes `flusher` if it is not running: that costs two
    instructions of Python and no call. Consumers must not raise.
    """

    def __init__(self, consumers: Sequence[Callable[[Answer], object]]) -> None:
        self.answers: deque[Answer] = deque(maxlen=MOST_WAITING)
        self._consumers = consumers
        self.flusher = Flusher(
            "answers", self.flush, every_s=EVERY_S, has_work=lambda: bool(self.answers)
        )

    def flush(self) -> bool:
        """Pass on what was collected; return False, since nothing is left."""
        for _ in range(len(self.answers)):
            answer = self.answers.popleft()
            for consume in self._consumers:
                consume(answer)
        return False
