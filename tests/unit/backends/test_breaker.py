"""A breaker opens after five failures in ten seconds and closes by its own probe alone."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread

import pytest
from prometheus_client import REGISTRY
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from app.backends.breaker import FAILURES_COUNT, GIVEN_UP, WITHIN_S, Breaker
from app.backends.redis_clients import RedisResting


@dataclass
class Patient:
    """A store with a clock to move, whose breaker's thread runs when the test says so.

    No other breaker of this process has its name, so nobody else tells of it.
    """

    now_s: float = 100.0
    # Whether the store is well at each probe; afterwards it is.
    probes: list[bool] = field(default_factory=list)
    pauses_s: list[float] = field(default_factory=list)
    watches: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.breaker = Breaker(
            "patient",
            self.probe,
            RedisResting,
            clock=lambda: self.now_s,
            pause=self.pause,
            start=self.watches.append,
        )

    def probe(self) -> None:
        if self.probes and not self.probes.pop(0):
            raise RedisConnectionError("still ill")

    def pause(self, seconds: float) -> None:
        """While it pauses, calls must fail at once, and whoever looks is told."""
        self.pauses_s.append(seconds)
        assert told_as_given_up() == 1
        with pytest.raises(RedisConnectionError, match="left in peace"):
            self.breaker.require_closed()

    def fail(self, times: int = 1, every_s: float = 0.0) -> None:
        for _ in range(times):
            self.breaker.note_failure()
            self.now_s += every_s


def told_as_given_up() -> float | None:
    """What the metrics say of the store."""
    return REGISTRY.get_sample_value("turnledger_store_given_up", {"store": "patient"})


@pytest.fixture
def patient() -> Patient:
    return Patient()


def test_four_failures_change_nothing_and_the_fifth_has_it_probed(patient: Patient) -> None:
    patient.fail(FAILURES_COUNT - 1)
    assert patient.watches == []
    patient.fail()
    assert len(patient.watches) == 1
    patient.breaker.require_closed()


@pytest.mark.parametrize(
    ("every_s", "is_watched"), [(WITHIN_S / 4, True), (WITHIN_S / 4 + 0.01, False)]
)
def test_only_failures_close_together_count(
    patient: Patient, every_s: float, *, is_watched: bool
) -> None:
    patient.fail(FAILURES_COUNT, every_s)
    assert bool(patient.watches) == is_watched
    patient.fail(100, WITHIN_S)
    assert len(patient.watches) == is_watched


def test_it_is_watched_by_one_thread(patient: Patient) -> None:
    patient.fail(20)
    assert len(patient.watches) == 1


def test_a_store_that_answers_the_probe_is_not_given_up(patient: Patient) -> None:
    patient.fail(FAILURES_COUNT)
    patient.watches[0]()
    assert patient.pauses_s == []
    patient.breaker.require_closed()


def test_it_opens_and_probes_once_a_second_until_one_succeeds(patient: Patient) -> None:
    patient.probes = [False, False, False, True]
    patient.fail(FAILURES_COUNT)
    patient.watches[0]()
    assert patient.probes == []
    assert patient.pauses_s == [1.0, 1.0, 1.0]
    assert told_as_given_up() == 0
    patient.breaker.require_closed()


def test_failures_from_before_it_closed_do_not_open_it_again(patient: Patient) -> None:
    patient.fail(FAILURES_COUNT + 4)
    patient.watches[0]()
    patient.fail(FAILURES_COUNT - 1)
    assert len(patient.watches) == 1
    patient.fail()
    assert len(patient.watches) == 2


def test_what_cannot_be_told_keeps_nobody_from_watching(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no file to be had")

    monkeypatch.setattr(GIVEN_UP, "labels", fail)
    patient.probes = [False, False, True]
    watches, pauses_s = patient.watches, []
    breaker = Breaker(
        "redis", patient.probe, RedisResting, pause=pauses_s.append, start=watches.append
    )
    for _ in range(FAILURES_COUNT):
        breaker.note_failure()
    watches[0]()
    assert (patient.probes, pauses_s) == ([], [1.0, 1.0])
    breaker.require_closed()
    for _ in range(FAILURES_COUNT):
        breaker.note_failure()
    assert len(watches) == 2


def test_without_a_thread_to_probe_it_stays_closed_and_tries_again(patient: Patient) -> None:
    tried: list[Callable[[], None]] = []

    def refuse(work: Callable[[], None]) -> None:
        tried.append(work)
        raise RuntimeError("can't start new thread")

    breaker = Breaker("redis", patient.probe, RedisResting, start=refuse)
    for _ in range(2 * FAILURES_COUNT):
        breaker.note_failure()
    breaker.require_closed()
    assert len(tried) == 2


def test_whoever_fails_at_once_opens_it_once_and_its_own_thread_closes_it() -> None:
    is_open, may_heal, is_well = Event(), Event(), Event()

    def probe() -> None:
        if not may_heal.is_set():
            raise RedisConnectionError("still ill")
        is_well.set()

    def pause(_: float) -> None:
        is_open.set()
        may_heal.wait(10)

    breaker = Breaker("redis", probe, RedisResting, pause=pause)
    threads = [Thread(target=breaker.note_failure) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert is_open.wait(10)
    assert breaker.is_open
    may_heal.set()
    assert is_well.wait(10)
    # What it tells of its end must not be taken for what the next test tells.
    for thread in threading.enumerate():
        if thread.name == "breaker":
            thread.join(10)
            assert not thread.is_alive()
    breaker.require_closed()


def test_its_lines_tell_whose_breaker_it_is(patient: Patient) -> None:
    patient.probes = [False, True]
    with capture_logs() as lines:
        patient.fail(FAILURES_COUNT)
        patient.watches[0]()
    told = [(line["event"], line["store"], line["pid"]) for line in lines]
    assert told == [
        (event, "patient", os.getpid()) for event in ("store_given_up", "store_is_back")
    ]
    assert lines[0]["error"] == "ConnectionError"
