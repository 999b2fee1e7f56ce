"""Work in the background: soon, once for many requests, again while it must, and at the end."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from threading import Event

import pytest
from structlog.testing import capture_logs

from app.observability.flusher import FAILURES, Flusher
from tests.servers import ROOT, wait_until

# A process that asks for work and ends at once: the pause of a minute must not hold it up.
ENDING = """
from app.observability.flusher import Flusher
Flusher("work", lambda: print("done", flush=True) or True, every_s=60).wake()
"""


class Pauses:
    """Pauses that a test ends one by one."""

    def __init__(self) -> None:
        self.begun, self.over = Event(), Event()

    def __call__(self, _seconds: float) -> bool:
        self.begun.set()
        assert self.over.wait(10)
        self.over.clear()
        return False

    def end(self) -> None:
        """Wait until a pause has begun, and end it."""
        assert self.begun.wait(10)
        self.begun.clear()
        self.over.set()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


def flusher(pauses: Pauses, flush: Callable[[], bool]) -> Flusher:
    return Flusher("work", flush, pause=pauses)


def counting(answers: Iterator[bool]) -> tuple[list[int], Callable[[], bool]]:
    done: list[int] = []

    def flush() -> bool:
        done.append(1)
        return next(answers)

    return done, flush


def test_many_requests_are_one_flush(pauses: Pauses) -> None:
    done, flush = counting(iter([False]))
    ours = flusher(pauses, flush)
    for _ in range(100):
        ours.wake()
    pauses.end()
    wait_until(lambda: not ours.is_running)
    assert len(done) == 1


def test_what_waits_is_tried_again(pauses: Pauses) -> None:
    done, flush = counting(iter([True, True, False]))
    ours = flusher(pauses, flush)
    ours.wake()
    for _ in range(3):
        pauses.end()
    wait_until(lambda: not ours.is_running)
    assert len(done) == 3


def test_an_error_is_counted_and_logged_and_the_next_work_is_done(pauses: Pauses) -> None:
    done: list[int] = []

    def flush() -> bool:
        done.append(1)
        if len(done) == 1:
            ours.wake()
            raise AttributeError("redis://user:secret@host")
        return False

    failures = FAILURES.labels("work")._value
    before, ours = failures.get(), flusher(pauses, flush)
    with capture_logs() as lines:
        ours.wake()
        for _ in range(2):
            pauses.end()
        wait_until(lambda: not ours.is_running)

    assert len(done) == 2
    assert failures.get() == before + 1
    (line,) = lines
    assert (line["event"], line["log_level"], line["task"], line["error"]) == (
        *("background_work_failed", "error", "work", "AttributeError"),
    )
    assert line["at"][-1].endswith(" flush")
    assert "secret" not in str(line)


def test_a_new_thread_starts_after_an_error(pauses: Pauses) -> None:
    done: list[int] = []

    def flush() -> bool:
        done.append(1)
        raise ValueError

    ours = flusher(pauses, flush)
    for count in (1, 2):
        ours.wake()
        pauses.end()
        wait_until(lambda: not ours.is_running)
        assert len(done) == count


def test_a_request_during_the_flush_has_one_of_its_own(pauses: Pauses) -> None:
    done: list[int] = []

    def flush() -> bool:
        done.append(1)
        if len(done) == 1:
            ours.wake()
        return False

    ours = flusher(pauses, flush)
    ours.wake()
    pauses.end()
    pauses.end()
    wait_until(lambda: not ours.is_running)
    assert len(done) == 2


def test_a_new_thread_starts_after_the_last_has_ended(pauses: Pauses) -> None:
    done, flush = counting(iter([False, False]))
    ours = flusher(pauses, flush)
    for count in (1, 2):
        ours.wake()
        pauses.end()
        wait_until(lambda: not ours.is_running)
        assert len(done) == count


@pytest.mark.slow
def test_a_process_that_ends_flushes_at_once_and_only_once() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ENDING], cwd=ROOT, capture_output=True, timeout=30, check=True
    )
    assert ended.stdout.decode() == "done\n"
    assert ended.stderr.decode() == ""
