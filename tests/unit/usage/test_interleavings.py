"""Whatever happens in whatever order: archived and still raw is what was accepted."""

from collections.abc import Collection

import pytest

from app.usage.rollups import Rollup, merged
from app.usage.store import Fence
from tests.unit.usage.interleavings import Ledger, Operation, World

pytestmark = pytest.mark.slow  # seconds of work

SEEDS = 500
STEPS = 150


class WithoutFences(Ledger):
    """An archiver with an old fence commits all the same."""

    def commit(self, day: str, fence: Fence, rollup: Rollup, result: list[bool]) -> Operation:
        yield
        found = self.days[day]
        found.rollup = merged([found.rollup, rollup])
        found.committed = (fence.number,)
        result.append(True)


class WithoutFinish(Ledger):
    """No archiver sets the expiry of turns that a dead archiver has committed."""

    def set_expiry(self, day: str, fences: Collection[int], result: list[int]) -> Operation:
        newest = self.days[day].fence
        yield from super().set_expiry(day, [fence for fence in fences if fence == newest], result)


class SetsExpiryEarly(Ledger):
    """Turns may expire as soon as they are claimed."""

    def sum(self, day: str, fence: Fence, result: list[Rollup]) -> Operation:
        yield from super().sum(day, fence, result)
        yield from self.set_expiry(day, [fence.number], [])


def assert_nothing_is_lost(seed: int, ledger: Ledger) -> None:
    world = World(seed, ledger)
    world.run(STEPS)
    world.settle()


@pytest.mark.parametrize("first_seed", range(0, 2 * SEEDS, SEEDS))
def test_nothing_is_lost_or_counted_twice_in_any_interleaving(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + SEEDS):
        assert_nothing_is_lost(seed, Ledger())


@pytest.mark.long
@pytest.mark.parametrize("first_seed", [1_000, *range(10_000, 30_000, 1_000)])
def test_nothing_is_lost_in_many_more_interleavings(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 1_000):
        assert_nothing_is_lost(seed, Ledger())


@pytest.mark.parametrize("broken", [WithoutFences, WithoutFinish, SetsExpiryEarly])
def test_the_model_notices_every_step_that_is_left_out(broken: type[Ledger]) -> None:
    def live_through_many() -> None:
        for seed in range(SEEDS):
            assert_nothing_is_lost(seed, broken())

    with pytest.raises(AssertionError):
        live_through_many()
