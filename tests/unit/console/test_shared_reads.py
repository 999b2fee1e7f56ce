"""Values that pages share: reused for as long as their price allows."""

import pytest

from app.console.shared_reads import MOST_S, RATIO, SharedReads


class Clock:
    """A clock that stands still; each read takes `price_s`."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.price_s = 0.01
        self.reads_count = 0

    def __call__(self) -> float:
        return self.now_s

    def read(self) -> int:
        self.now_s += self.price_s
        self.reads_count += 1
        return self.reads_count


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_value_is_reused_for_a_hundred_times_its_price(clock: Clock) -> None:
    shared = SharedReads(clock)
    first, as_of = shared.read("a", clock.read)
    clock.now_s += RATIO * clock.price_s - 0.001
    assert shared.read("a", clock.read) == (first, as_of)
    clock.now_s += 0.002
    assert shared.read("a", clock.read)[0] == 2


def test_no_value_is_reused_for_longer_than_a_minute(clock: Clock) -> None:
    shared = SharedReads(clock)
    clock.price_s = 5
    shared.read("a", clock.read)
    clock.now_s += MOST_S
    assert shared.read("a", clock.read)[0] == 2


def test_values_have_names(clock: Clock) -> None:
    shared = SharedReads(clock)
    assert [shared.read(name, clock.read)[0] for name in ("a", "b", "a")] == [1, 2, 1]


def test_a_failed_read_is_not_kept(clock: Clock) -> None:
    shared = SharedReads(clock)
    with pytest.raises(ZeroDivisionError):
        shared.read("a", lambda: 1 // 0)
    assert shared.read("a", clock.read)[0] == 1
