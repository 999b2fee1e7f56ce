"""A breaker opens after five failures in ten seconds; only its own probe closes it."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread

import pytest
from prometheus_client import REGISTRY
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from app.backends.breaker import CIRCUIT_OPEN, FAILURES_COUNT, WITHIN_S, Breaker
from app.backends.outages import RedisCircuitOpen


@dataclass
class FakeStore:
    """A store with a settable clock, whose breaker's thread runs when the test calls it.

    No other breaker of this process has its name, so the metric of that name is its own.
    """

    now_s: float = 100.0
    # True for each probe that finds the store available; later ones do.
    probes: list[bool] = field(default_factory=list)
    pauses_s: list[float] = field(default_factory=list)
    threads: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.breaker = Breaker(
            "fake",
            self.probe,
            RedisCircuitOpen,
            clock=lambda: self.now_s,
            pause=self.pause,
            start=self.threads.append,
        )

    def probe(self) -> None:
        if self.probes and not self.probes.pop(0):
            raise RedisConnectionError("still unavailable")

    def pause(self, seconds: float) -> None:
        """Check that calls fail at once during a pause, and that the metric says so."""
        self.pauses_s.append(seconds)
        assert reported_open() == 1
        with pytest.raises(RedisConnectionError, match="is open until"):
            self.breaker.require_closed()

    def fail(self, times: int = 1, every_s: float = 0.0) -> None:
        for _ in range(times):
            self.breaker.note_failure()
            self.now_s += every_s


def reported_open() -> float | None:
    """Return the metric's value for the store."""
    return REGISTRY.get_sample_value("turnledger_store_circuit_open", {"store": "fake"})


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


def test_four_failures_change_nothing_and_the_fifth_starts_a_probe(store: FakeStore) -> None:
    store.fail(FAILURES_COUNT - 1)
    assert store.threads == []
    store.fail()
    assert len(store.threads) == 1
    store.breaker.require_closed()


@pytest.mark.parametrize(
    ("every_s", "is_probed"), [(WITHIN_S / 4, True), (WITHIN_S / 4 + 0.01, False)]
)
def test_only_failures_close_together_count(
    store: FakeStore, every_s: float, *, is_probed: bool
) -> None:
    store.fail(FAILURES_COUNT, every_s)
    assert bool(store.threads) == is_probed
    store.fail(100, WITHIN_S)
    assert len(store.threads) == is_probed


def test_one_thread_probes_the_store(store: FakeStore) -> None:
    store.fail(20)
    assert len(store.threads) == 1


def test_the_breaker_stays_closed_if_the_probe_succeeds(store: FakeStore) -> None:
    store.fail(FAILURES_COUNT)
    store.threads[0]()
    assert store.pauses_s == []
    store.breaker.require_closed()


def test_it_opens_and_probes_once_a_second_until_a_probe_succeeds(store: FakeStore) -> None:
    store.probes = [False, False, False, True]
    store.fail(FAILURES_COUNT)
    store.threads[0]()
    assert store.probes == []
    assert store.pauses_s == [1.0, 1.0, 1.0]
    assert reported_open() == 0
    store.breaker.require_closed()


def test_failures_before_it_closed_do_not_open_it_again(store: FakeStore) -> None:
    store.fail(FAILURES_COUNT + 4)
    store.threads[0]()
    store.fail(FAILURES_COUNT - 1)
    assert len(store.threads) == 1
    store.fail()
    assert len(store.threads) == 2


def test_probing_continues_if_the_metric_cannot_be_written(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no file to be had")

    monkeypatch.setattr(CIRCUIT_OPEN, "labels", fail)
    store.probes = [False, False, True]
    threads, pauses_s = store.threads, []
    breaker = Breaker(
        "redis", store.probe, RedisCircuitOpen, pause=pauses_s.append, start=threads.append
    )
    for _ in range(FAILURES_COUNT):
        breaker.note_failure()
    threads[0]()
    assert (store.probes, pauses_s) == ([], [1.0, 1.0])
    breaker.require_closed()
    for _ in range(FAILURES_COUNT):
        breaker.note_failure()
    assert len(threads) == 2


def test_it_stays_closed_if_no_thread_can_be_started_and_tries_again(store: FakeStore) -> None:
    tried: list[Callable[[], None]] = []

    def refuse(work: Callable[[], None]) -> None:
        tried.append(work)
        raise RuntimeError("can't start new thread")

    breaker = Breaker("redis", store.probe, RedisCircuitOpen, start=refuse)
    for _ in range(2 * FAILURES_COUNT):
        breaker.note_failure()
    breaker.require_closed()
    assert len(tried) == 2


def test_concurrent_failures_open_it_once_and_its_own_thread_closes_it() -> None:
    is_open, may_recover, is_available = Event(), Event(), Event()

    def probe() -> None:
        if not may_recover.is_set():
            raise RedisConnectionError("still unavailable")
        is_available.set()

    def pause(_: float) -> None:
        is_open.set()
        may_recover.wait(10)

    breaker = Breaker("redis", probe, RedisCircuitOpen, pause=pause)
    threads = [Thread(target=breaker.note_failure) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert is_open.wait(10)
    assert breaker.is_open
    may_recover.set()
    assert is_available.wait(10)
    # Its last log line must not appear in the next test.
    for thread in threading.enumerate():
        if thread.name == "breaker":
            thread.join(10)
            assert not thread.is_alive()
    breaker.require_closed()


def test_log_lines_name_the_store_and_the_process(store: FakeStore) -> None:
    store.probes = [False, True]
    with capture_logs() as lines:
        store.fail(FAILURES_COUNT)
        store.threads[0]()
    logged = [(line["event"], line["store"], line["pid"]) for line in lines]
    assert logged == [
        (event, "fake", os.getpid())
        for event in ("circuit_breaker_opened", "circuit_breaker_closed")
    ]
    assert lines[0]["error"] == "ConnectionError"
