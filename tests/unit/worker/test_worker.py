"""The worker: chores repeat side by side, contain their failures, and end when asked to."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from traceback import walk_stack
from typing import Any

import pytest
from pymongo.errors import OperationFailure
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from app.backends.containment import Containment
from app.worker import service
from app.worker.chores import Chore
from app.worker.service import Worker
from app.worker.stop import Stopped, Wait
from tests.servers import wait_until

TIMEOUT_S = 30


class Kit:
    """Makes workers of given passes, and keeps the failures that they count."""

    def __init__(self) -> None:
        self.counted: list[str] = []

    def worker(
        self, *passes: Callable[[Wait], Any], require_ready: Callable[[], object] = lambda: None
    ) -> Worker:
        """Return a worker whose chores are named after their functions, without pauses."""
        chores = [Chore(each.__name__, each, f"{each.__name__}_failed", 0) for each in passes]
        return Worker(chores, require_ready, self._count)

    def _count(self, containment: Containment) -> None:
        self.counted += [failure.event for failure in containment.failures]


@pytest.fixture
def kit() -> Kit:
    return Kit()


def ask_to_end(number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


def test_a_pass_repeats_until_sigterm_and_then_the_handlers_are_as_before(kit: Kit) -> None:
    before = signal.getsignal(signal.SIGTERM)
    passes: list[int] = []

    def count(wait: Wait) -> None:
        passes.append(len(passes))
        if len(passes) == 3:
            ask_to_end()
            with pytest.raises(Stopped):
                wait(TIMEOUT_S)

    assert kit.worker(count).run() == []

    assert passes == [0, 1, 2]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_wait_inside_a_pass_ends_at_once(kit: Kit, number: signal.Signals) -> None:
    reached: list[str] = []

    def wait_long(wait: Wait) -> None:
        ask_to_end(number)
        with pytest.raises(Stopped):
            wait(3_600)
        reached.append("the exception, not the hour")
        wait(0)

    assert kit.worker(wait_long).run() == []

    assert reached == ["the exception, not the hour"]


def test_a_chore_that_a_store_holds_up_does_not_delay_the_others(kit: Kit) -> None:
    passes: list[int] = []
    others_went_on = threading.Event()

    def held_up(wait: Wait) -> None:
        assert others_went_on.wait(TIMEOUT_S)
        ask_to_end()
        wait(TIMEOUT_S)

    def quick(_wait: Wait) -> None:
        passes.append(len(passes))
        if len(passes) == 3:
            others_went_on.set()

    assert kit.worker(held_up, quick).run() == []

    assert len(passes) >= 3
    assert kit.counted == []


def test_the_end_reaches_every_chore(kit: Kit) -> None:
    all_run = threading.Barrier(3, ask_to_end, TIMEOUT_S)
    ended: list[str] = []

    def chore(name: str) -> Callable[[Wait], None]:
        def run(wait: Wait) -> None:
            all_run.wait()
            try:
                wait(3_600)
            finally:
                ended.append(name)

        run.__name__ = name
        return run

    assert kit.worker(*map(chore, "abc")).run() == []

    assert sorted(ended) == ["a", "b", "c"]


def test_a_failed_pass_is_logged_by_name_and_counted_and_the_others_go_on(kit: Kit) -> None:
    passes: list[int] = []
    has_failed = threading.Event()

    def archive(_wait: Wait) -> None:
        has_failed.set()
        raise ValueError("a secret")

    def reconcile(_wait: Wait) -> None:
        assert has_failed.wait(TIMEOUT_S)
        passes.append(len(passes))
        if len(passes) == 3:
            ask_to_end()

    with capture_logs() as logs:
        failed = kit.worker(archive, reconcile).run()

    assert failed == ["archive"]
    assert len(passes) >= 3
    found = {(line["event"], line["chore"], line["error"]) for line in logs}
    assert found == {("archive_failed", "archive", "ValueError")}
    assert set(kit.counted) == {"archive_failed"}
    assert "a secret" not in str(logs)


def test_only_the_last_pass_decides_whether_a_chore_has_failed(kit: Kit) -> None:
    passes: list[int] = []

    def recovers(_wait: Wait) -> None:
        passes.append(len(passes))
        if len(passes) == 1:
            raise ValueError
        ask_to_end()

    assert kit.worker(recovers).run() == []
    assert kit.counted == ["recovers_failed"]


def test_an_outage_costs_one_pass_and_not_the_chore(kit: Kit) -> None:
    passes: list[int] = []

    def archive(wait: Wait) -> None:
        passes.append(len(passes))
        if len(passes) == 1:
            raise RedisConnectionError("secret address")
        ask_to_end()
        wait(TIMEOUT_S)

    with capture_logs() as logs:
        assert kit.worker(archive).run() == []

    assert len(passes) == 2
    assert [(line["event"], line["chore"]) for line in logs] == [("store_unavailable", "archive")]
    assert "secret address" not in str(logs)
    assert kit.counted == []


def test_a_user_that_mongodb_refuses_is_an_outage(kit: Kit) -> None:
    passes: list[int] = []

    def archive(wait: Wait) -> None:
        passes.append(len(passes))
        if len(passes) == 1:
            raise OperationFailure("Authentication failed", code=18)
        ask_to_end()
        wait(TIMEOUT_S)

    with capture_logs() as logs:
        assert kit.worker(archive).run() == []

    assert [line["event"] for line in logs] == ["store_unavailable"]


def test_an_unprepared_database_ends_every_chore(kit: Kit) -> None:
    passes: list[int] = []

    def never(_wait: Wait) -> None:
        passes.append(1)

    def also_never(_wait: Wait) -> None:
        passes.append(2)

    def refuse() -> None:
        raise LookupError("indexes are missing")

    with pytest.raises(LookupError, match="indexes are missing"):
        kit.worker(never, also_never, require_ready=refuse).run()

    assert passes == []


def test_a_thread_that_dies_ends_the_worker(kit: Kit) -> None:
    def dies(_wait: Wait) -> None:
        raise SystemExit(3)

    def goes_on(_wait: Wait) -> None:
        pass

    with pytest.raises(SystemExit):
        kit.worker(dies, goes_on).run()


def test_one_chore_can_run_alone(kit: Kit) -> None:
    def archive(_wait: Wait) -> None:
        raise AssertionError

    def reconcile(wait: Wait) -> None:
        ask_to_end()
        wait(TIMEOUT_S)

    assert kit.worker(archive, reconcile).run("reconcile") == []


def test_a_signal_that_does_not_wake_the_main_thread_ends_the_worker(kit: Kit) -> None:
    """Deliver SIGTERM to the chore's thread while the main one blocks: that does not wake it."""
    main = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def main_blocks() -> bool:
        frame = sys._current_frames()[threading.main_thread().ident or 0]
        names = [each.f_code.co_name for each, _ in walk_stack(frame)]
        return frame.f_code.co_filename == threading.__file__ and "submit" not in names

    def catch(wait: Wait) -> None:
        wait_until(main_blocks, TIMEOUT_S)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        ask_to_end()
        wait(TIMEOUT_S)
        raise AssertionError("the signal is not noticed")

    try:
        assert kit.worker(catch).run() == []
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, main)
    assert kit.counted == []


def test_a_signal_before_the_first_pass_runs_none(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(ThreadPoolExecutor):
        def submit(self, *given: Any, **named: Any) -> Any:
            signal.raise_signal(signal.SIGTERM)
            return super().submit(*given, **named)

    def never(_wait: Wait) -> None:
        raise AssertionError

    monkeypatch.setattr(service, "ThreadPoolExecutor", Late)

    assert kit.worker(never).run() == []


def test_a_thread_that_cannot_start_ends_the_worker(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(ThreadPoolExecutor):
        def submit(self, *given: Any, **named: Any) -> Any:
            if self._threads:
                raise RuntimeError("can't start new thread")
            return super().submit(*given, **named)

    def starts(_wait: Wait) -> None:
        pass

    def never(_wait: Wait) -> None:
        raise AssertionError

    monkeypatch.setattr(service, "ThreadPoolExecutor", Full)

    with pytest.raises(RuntimeError, match="can't start new thread"):
        kit.worker(starts, never).run()
