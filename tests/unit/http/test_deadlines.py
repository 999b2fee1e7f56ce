"""The budget for the stores, and clients that send their body too slowly."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event, Thread

import pytest
from flask import Flask
from pymongo import _csot

from app.backends import budget_s
from app.http import deadlines
from app.http.deadlines import LOOK_EVERY_S, SlowBodies, StoreTime, waiting_for_client
from app.http.problems import Problem, offence
from app.http.provide import provided
from app.interactions.store import InteractionStore
from tests.callers import hire
from tests.unit.clocks import Monotonic


class Allowances:
    """Stands for the driver: remembers what it was allowed, and whether it is bound now."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.depth = 0

    @contextmanager
    def __call__(self, seconds: float) -> Iterator[None]:
        self.seconds.append(seconds)
        self.depth += 1
        yield
        self.depth -= 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    clock = Monotonic()
    monkeypatch.setattr(deadlines, "time", clock)
    return clock


def test_the_budget_goes_on_where_it_stood(clock: Monotonic) -> None:
    allowed = Allowances()
    times = StoreTime(allowed, 10)
    times.start()
    clock.now_s += 4
    times.stop()
    clock.now_s += 3
    times.start()
    assert allowed.depth == 1
    times.stop()
    times.stop()
    assert allowed.depth == 0
    assert allowed.seconds == [10, 6]


def test_a_spent_budget_is_never_without_bound(clock: Monotonic) -> None:
    allowed = Allowances()
    times = StoreTime(allowed, 0.01)
    times.start()
    clock.now_s += 1
    times.stop()
    times.start()
    times.stop()
    assert 0 < allowed.seconds[1] < 0.01


@pytest.mark.parametrize(("timeout_ms", "seconds"), [(2_000, 1.4), (700, 0.35), (5_000, 4.4)])
def test_the_driver_may_be_late_by_a_step_and_a_little(timeout_ms: int, seconds: float) -> None:
    assert budget_s(timeout_ms) == seconds


def test_every_operation_of_a_request_shares_one_deadline(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = hire(memory_app)
    with memory_app.app_context():
        store = provided(InteractionStore)
    seen: list[float] = []

    def note(*_: object) -> list[object]:
        seen.append(_csot.get_deadline() - time.monotonic())
        return []

    monkeypatch.setattr(store, "scan", note)
    assert caller.list_().status_code == 200
    assert 1 < seen[0] <= 9.5  # of the ten seconds of the settings of tests
    assert _csot.get_timeout() is None


@pytest.mark.parametrize(
    "within_s", [10, pytest.param(0.2 + 10 * LOOK_EVERY_S, marks=pytest.mark.long)]
)
def test_a_reader_is_woken_at_its_deadline_and_what_has_come_is_read(within_s: float) -> None:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        theirs.sendall(b"half a bo")
        began_s = time.monotonic()
        with SlowBodies().bounded(ours, 0.2):
            assert ours.recv(100) == b"half a bo"
            assert ours.recv(100) == b""
        assert 0.2 <= time.monotonic() - began_s < within_s
        theirs.settimeout(10)
        ours.sendall(b"an answer")
        assert theirs.recv(100) == b"an answer"


def test_without_a_thread_to_watch_it_no_body_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", fail)
    ours, theirs = socket.socketpair()
    bodies = SlowBodies()
    with closing(ours), closing(theirs), pytest.raises(Problem) as caught, bodies.bounded(ours, 1):
        pytest.fail("it is read")
    assert caught.value.code == "service_unavailable"


def test_a_reader_that_is_done_is_left_alone() -> None:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        with SlowBodies().bounded(ours, 2 * LOOK_EVERY_S):
            pass
        Event().wait(4 * LOOK_EVERY_S)
        theirs.sendall(b"the next request")
        assert ours.recv(100) == b"the next request"


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (None, "request_timeout"),
        (Problem.invalid([offence("body", "incomplete", "cut off")]), "request_timeout"),
        (KeyError("a fault of ours"), "a fault of ours"),
    ],
)
def test_the_stores_are_bounded_again_whatever_became_of_the_body(
    failure: Exception | None, told: str
) -> None:
    app, allowed = Flask(__name__), Allowances()
    deadlines.init_app(app, allowed, store_budget_s=1.0, deadline_s=0.0)
    seen: list[tuple[str, int]] = []

    @app.post("/")
    def read() -> str:
        try:
            with waiting_for_client():
                assert allowed.depth == 0
                if failure is not None:
                    raise failure
        except Problem as problem:
            seen.append((problem.code, allowed.depth))
        except KeyError as error:
            seen.append((error.args[0], allowed.depth))
        return ""

    app.test_client().post("/")

    assert (seen, allowed.depth) == ([(told, 1)], 0)
