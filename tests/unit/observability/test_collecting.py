"""Answers reach every consumer in the background, also the last ones of a process."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from app.observability.answer import Answer
from app.observability.collecting import MOST_WAITING, AnswerCollector


class Consumer:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.noted: list[str] = []
        self.written: list[str] = []

    def note(self, answer: Answer) -> None:
        self.noted.append(answer.request_id)

    def flush(self) -> None:
        self.written, self.noted = [*self.written, *self.noted], []


def answer(request_id: str) -> Answer:
    unknown: Any = dict.fromkeys(Answer._fields)
    return Answer(**unknown | {"request_id": request_id})


@pytest.mark.parametrize("has_ended", [False, True])
def test_every_consumer_gets_every_answer_once(*, has_ended: bool) -> None:
    consumers = [Consumer(), Consumer()]
    collector = AnswerCollector(consumers, has_ended=lambda: has_ended)
    collector.answers.extend([answer("1"), answer("2")])

    assert collector.flush() is collector.flush() is False

    for consumer in consumers:
        assert (consumer.noted, consumer.written) == (
            ([], ["1", "2"]) if has_ended else (["1", "2"], [])
        )


def test_the_oldest_answers_are_lost_if_too_many_wait() -> None:
    consumer = Consumer()
    collector = AnswerCollector([consumer], has_ended=lambda: False)
    collector.answers.extend(answer(str(number)) for number in range(MOST_WAITING + 1))
    collector.flush()
    assert (consumer.noted[0], len(consumer.noted)) == ("1", MOST_WAITING)


class Failing(Consumer):
    """Fails at one answer, and when it writes."""

    def note(self, answer: Answer) -> None:
        if answer.request_id == "1":
            raise ValueError("a secret")
        super().note(answer)

    def flush(self) -> None:
        raise ValueError("a secret")


def test_an_error_of_one_consumer_loses_nothing_of_the_others() -> None:
    failing, sound = Failing(), Consumer()
    collector = AnswerCollector([failing, sound], has_ended=lambda: True)
    collector.answers.extend(answer(str(number)) for number in range(3))
    with capture_logs() as lines:
        assert collector.flush() is False
    assert failing.noted == ["0", "2"]
    assert sound.written == ["0", "1", "2"]
    assert [line["task"] for line in lines] == ["answers", "answers"]
    assert "secret" not in str(lines)
