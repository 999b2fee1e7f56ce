"""Requests are due by the clock, and a latency counts from then: nobody is spared a standstill."""

import socket
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from threading import Event, Thread

import pytest

from bench.openloop import TIMEOUT_S, Answers, Backlog, offered, schedule

STANDSTILL_S = 0.6
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_a_schedule_is_even_and_does_not_depend_on_answers() -> None:
    assert list(schedule(4, 1.5)) == [0, 0.25, 0.5, 0.75, 1.0, 1.25]


def test_who_waits_longest_goes_first() -> None:
    backlog = Backlog(deque([10.0, 10.5]))
    assert [backlog.take(10.6) for _ in range(3)] == [10.0, 10.5, None]
    assert backlog.given_up_count == 0


def test_who_waits_too_long_gives_up() -> None:
    backlog = Backlog(deque([10.0, 10.1, 10.9]))
    assert backlog.take(10.9 + TIMEOUT_S) == 10.9
    assert backlog.given_up_count == 2


def test_answers_after_the_end_have_a_latency_and_no_rate() -> None:
    answers = Answers(2.0, took_s=[0.004, 0.001, 0.002, 0.003], before_end_count=3)
    assert answers.per_s == 1.5
    assert (answers.ms(0.5), answers.ms(0.99)) == (2.0, 4.0)


@pytest.fixture
def standstill() -> Iterator[str]:
    """A server that takes `STANDSTILL_S` for its first request and no time for the others."""
    passed = Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while connection.recv(65_536):
                passed.wait(STANDSTILL_S)
                passed.set()
                connection.sendall(ANSWER)

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = Thread(target=serve, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join()


def test_a_standstill_counts_for_all_requests_due_meanwhile(standstill: str) -> None:
    answers = offered(standstill, {}, rate_per_s=50, seconds=0.4, connections=1)

    # The last of them was due after 0.38 s, and nobody was answered before the standstill ended.
    assert len(answers.took_s) == 20
    assert max(answers.took_s) >= STANDSTILL_S
    assert min(answers.took_s) >= STANDSTILL_S - 0.38
    assert answers.before_end_count == 0
