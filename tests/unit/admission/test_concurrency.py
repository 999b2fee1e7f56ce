"""How many requests of one organization may be in flight, by a clock that a test moves."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from app.admission.concurrency import ConcurrencyExceeded, ConcurrencyLimiter, InFlight
from tests.unit.clocks import Monotonic


class Worker:
    """A limiter of `threads_count` threads whose clock stands still."""

    def __init__(self, threads_count: int) -> None:
        self.clock = Monotonic()
        self.limiter = ConcurrencyLimiter(threads_count, self.clock.monotonic)

    def enter(self, organization: str, count: int = 1, *, heavy: bool = False) -> list[InFlight]:
        return [self.limiter.enter(organization, is_heavy=heavy) for _ in range(count)]

    def stream(self, organization: str) -> InFlight:
        return self.limiter.enter(organization, is_heavy=True, is_stream=True)

    def limit_for(self, organization: str, *, heavy: bool = False) -> int | None:
        """Return the limit that refuses one more request, None if it is admitted."""
        try:
            self.limiter.leave(*self.enter(organization, heavy=heavy))
        except ConcurrencyExceeded as exceeded:
            return exceeded.limit
        return None


@pytest.fixture
def worker() -> Worker:
    return Worker(8)


def test_beside_another_organization_half_of_the_threads_are_the_most(worker: Worker) -> None:
    worker.enter("other")

    worker.enter("own", 4)

    assert worker.limit_for("own") == 4
    assert worker.limit_for("own", heavy=True) == 4


def test_beside_another_organization_a_quarter_is_the_most_for_heavy_requests(
    worker: Worker,
) -> None:
    worker.enter("other")

    worker.enter("own", 2, heavy=True)

    assert worker.limit_for("own", heavy=True) == 2
    worker.enter("own", 2)  # half of the threads counts both kinds
    assert worker.limit_for("own") == 4


@pytest.mark.parametrize(
    ("threads_count", "half", "quarter"), [(1, 1, 1), (2, 1, 1), (3, 1, 1), (7, 3, 1), (32, 16, 8)]
)
def test_shares_are_rounded_down_and_at_least_one(
    threads_count: int, half: int, quarter: int
) -> None:
    for is_heavy, most in ((False, half), (True, quarter)):
        worker = Worker(threads_count)
        worker.enter("other")
        worker.enter("own", most, heavy=is_heavy)
        assert worker.limit_for("own", heavy=is_heavy) == most


@pytest.mark.parametrize("is_heavy", [False, True])
def test_alone_an_organization_has_no_limit(worker: Worker, is_heavy: bool) -> None:
    worker.enter("own", 8, heavy=is_heavy)

    assert worker.limit_for("own", heavy=is_heavy) is None


def test_another_organization_counts_for_one_second(worker: Worker) -> None:
    worker.enter("own", 6)
    worker.enter("other")

    worker.clock.now_s += 0.875
    assert worker.limit_for("own") == 4
    worker.clock.now_s += 0.125
    assert worker.limit_for("own") is None


def test_own_requests_do_not_prolong_the_second_of_another(worker: Worker) -> None:
    worker.enter("other")
    worker.enter("own", 4)

    for _ in range(7):
        worker.clock.now_s += 0.125
        assert worker.limit_for("own") == 4
    worker.clock.now_s += 0.125
    assert worker.limit_for("own") is None


def test_what_is_refused_shows_the_organization_to_others(worker: Worker) -> None:
    worker.enter("noisy", 8)
    worker.enter("quiet", 4)
    worker.clock.now_s += 0.875
    assert worker.limit_for("noisy") == 4
    worker.clock.now_s += 0.5

    assert worker.limit_for("quiet") == 4


def test_three_organizations_are_counted_apart(worker: Worker) -> None:
    for name in ("first", "second", "third"):
        worker.enter(name, 2, heavy=True)

    assert [worker.limit_for(name, heavy=True) for name in ("first", "second", "third")] == [2] * 3
    worker.clock.now_s += 0.5
    worker.enter("first", 2)
    worker.clock.now_s += 0.75  # "second" and "third" are gone, "first" is not

    assert worker.limit_for("first") is None
    assert worker.limit_for("third", heavy=True) == 2


def test_a_request_leaves_once(worker: Worker) -> None:
    worker.enter("other")
    first, *_ = worker.enter("own", 4)

    for _ in range(3):
        worker.limiter.leave(first)

    worker.enter("own")
    assert worker.limit_for("own") == 4


def test_a_heavy_request_that_leaves_makes_room_for_another(worker: Worker) -> None:
    worker.enter("other")
    first, _ = worker.enter("own", 2, heavy=True)

    worker.limiter.leave(first)

    assert worker.limit_for("own", heavy=True) is None


def test_what_is_refused_is_not_in_flight(worker: Worker) -> None:
    worker.enter("other")
    in_flight = worker.enter("own", 4)
    assert [worker.limit_for("own") for _ in range(5)] == [4] * 5

    for each in in_flight:
        worker.limiter.leave(each)

    worker.enter("own", 4)


def test_nothing_is_kept_of_organizations_with_nothing_in_flight(worker: Worker) -> None:
    for number in range(1_000):
        for is_heavy in (False, True):
            worker.limiter.leave(*worker.enter(f"org_{number}", heavy=is_heavy))

    assert worker.limiter._counts == {}


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Make threads switch as often as they can."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before_s)


@pytest.mark.usefixtures("eager_threads")
def test_threads_that_race_never_pass_the_limit_and_leave_nothing_behind(worker: Worker) -> None:
    worker.limiter.leave(*worker.enter("other"))
    barrier = Barrier(8)

    def race(number: int) -> int:
        barrier.wait()
        most = 0
        for turn in range(500):
            try:
                in_flight = worker.limiter.enter("own", is_heavy=(number + turn) % 2 == 0)
            except ConcurrencyExceeded:
                continue
            most = max(most, *worker.limiter._counts["own"])
            worker.limiter.leave(in_flight)
            worker.limiter.leave(in_flight)
        return most

    with ThreadPoolExecutor(8) as pool:
        most = max(pool.map(race, range(8)))

    assert 1 <= most <= 4
    assert worker.limiter._counts == {}


def test_streams_are_limited_also_without_another_organization(worker: Worker) -> None:
    streams = [worker.stream("alone") for _ in range(2)]

    with pytest.raises(ConcurrencyExceeded) as exceeded:
        worker.stream("alone")
    assert (exceeded.value.limit, exceeded.value.is_heavy) == (2, True)

    worker.enter("alone", 10)
    worker.enter("alone", 10, heavy=True)
    worker.limiter.leave(streams[0])
    for heavy in (True, False):
        assert worker.limit_for("alone", heavy=heavy) is None


def test_a_stream_does_not_hold_what_normal_requests_need(worker: Worker) -> None:
    worker.enter("other")
    streams = [worker.stream("own") for _ in range(2)]

    worker.enter("own", 2)

    assert worker.limit_for("own") == 4
    worker.limiter.leave(streams[0])
    assert worker.limit_for("own") is None


@pytest.mark.parametrize(("threads_count", "quarter"), [(1, 1), (4, 1), (8, 2), (32, 8)])
def test_a_quarter_of_the_threads_is_the_most_for_streams(threads_count: int, quarter: int) -> None:
    worker = Worker(threads_count)

    for _ in range(quarter):
        worker.stream("alone")
    with pytest.raises(ConcurrencyExceeded):
        worker.stream("alone")
