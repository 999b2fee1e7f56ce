"""One probe for all callers, never older than a second; a store that hangs holds one thread."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest

from app.observability.shared_probe import FRESH_S, SharedProbe
from tests.servers import wait_until

CALLERS_COUNT = 8


class Probe:
    """A probe that answers "up" or "down", and hangs while it is held."""

    def __init__(self) -> None:
        self.answer = "up"
        self.asked_count = 0
        self.may_go_on = Event()
        self.may_go_on.set()

    def __call__(self) -> str:
        self.asked_count += 1
        assert self.may_go_on.wait(10)
        return self.answer


class Time:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def shared(clock: Time) -> SharedProbe[str]:
    return SharedProbe(lambda answer: answer == "down", clock)


def all_wait(pool: ThreadPoolExecutor, ask: Callable[[], str], probe: Probe) -> list[Future[str]]:
    """Start callers: the first one probes, and the others find its probe running."""
    callers = [pool.submit(ask)]
    wait_until(lambda: probe.asked_count)
    return callers + [pool.submit(ask) for _ in range(CALLERS_COUNT - 1)]


def test_concurrent_callers_share_one_probe(shared: SharedProbe[str]) -> None:
    probe = Probe()
    probe.may_go_on.clear()
    with ThreadPoolExecutor(CALLERS_COUNT) as pool:
        callers = all_wait(pool, lambda: shared.ask(probe), probe)
        assert not any(caller.done() for caller in callers)
        probe.may_go_on.set()
        assert {caller.result() for caller in callers} == {"up"}
    assert probe.asked_count == 1


def test_an_answer_is_reused_for_a_second_from_the_start_of_its_probe(
    shared: SharedProbe[str], clock: Time
) -> None:
    probe = Probe()

    def slow() -> str:
        clock.now_s += 0.5
        return probe()

    assert shared.ask(slow) == "up"
    probe.answer = "down"
    clock.now_s += FRESH_S - 0.51
    assert (shared.ask(slow), probe.asked_count) == ("up", 1)
    clock.now_s += 0.02
    assert (shared.ask(slow), probe.asked_count) == ("down", 2)


def test_a_probe_that_takes_longer_than_a_second_is_not_reused(
    shared: SharedProbe[str], clock: Time
) -> None:
    probe = Probe()

    def slow() -> str:
        clock.now_s += FRESH_S
        return probe()

    assert [shared.ask(slow) for _ in range(3)] == ["up"] * 3
    assert probe.asked_count == 3


def test_a_hanging_store_holds_one_thread_once_it_is_known_to_be_down(
    shared: SharedProbe[str], clock: Time
) -> None:
    probe = Probe()
    probe.answer = "down"

    def time_out() -> str:
        clock.now_s += FRESH_S
        return probe()

    shared.ask(time_out)
    probe.may_go_on.clear()
    with ThreadPoolExecutor(CALLERS_COUNT) as pool:
        first = pool.submit(shared.ask, probe)
        wait_until(lambda: probe.asked_count == 2)
        assert [shared.ask(probe) for _ in range(CALLERS_COUNT)] == ["down"] * CALLERS_COUNT
        assert not first.done()
        probe.answer = "up"
        probe.may_go_on.set()
        assert first.result() == "up"
    assert shared.ask(probe) == "up"


def test_an_old_outage_is_not_answered_again(shared: SharedProbe[str], clock: Time) -> None:
    probe = Probe()
    probe.answer = "down"
    shared.ask(probe)
    clock.now_s += 3_600
    probe.answer = "up"
    probe.may_go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(shared.ask, probe)
        wait_until(lambda: probe.asked_count == 2)
        second = pool.submit(shared.ask, probe)
        assert not second.done()
        probe.may_go_on.set()
        assert {first.result(), second.result()} == {"up"}


def test_a_failing_probe_fails_for_all_callers_and_is_repeated(
    shared: SharedProbe[str], clock: Time
) -> None:
    def fail() -> str:
        raise RuntimeError("on purpose")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            shared.ask(fail)
    clock.now_s += FRESH_S
    assert shared.ask(Probe()) == "up"
