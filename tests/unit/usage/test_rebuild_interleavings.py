"""A rebuild in whatever order with archivers: archived and still raw is what was accepted."""

from collections import Counter

import pytest

from app.usage.rollups import Rollup
from app.usage.store import Fence
from tests.unit.usage.interleavings import Operation, Row
from tests.unit.usage.rebuilds import (
    MISSING,
    OVERTAKEN,
    REBUILT,
    RebuildableLedger,
    RebuildWorld,
)

pytestmark = pytest.mark.slow  # seconds of work

SEEDS = 300
STEPS = 150


class WithoutFences(RebuildableLedger):
    """A rebuild with an old fence replaces the roll-up all the same."""

    def replace(self, day: str, fence: Fence, rollup: Rollup, result: list[bool]) -> Operation:
        yield
        self.days[day].rollup = rollup
        result.append(True)


class WithoutItsOwnFence(RebuildableLedger):
    """A rebuild takes no new fence, so that an archiver that is at work may commit after it."""

    def fence_of_rebuild(self, day: str, result: list[Fence]) -> Operation:
        yield
        found = self.days[day]
        result.append(Fence(found.fence, found.committed, found.rollup))


class CountsLiveTurns(RebuildableLedger):
    """A rebuild sums turns that an archiver has claimed and not committed."""

    def is_rolled_up(self, row: Row, fence: Fence) -> bool:
        return row.is_summable and row.open != 0


class WithoutRefusal(RebuildableLedger):
    """A rebuild does not know how many turns the roll-up counts."""

    def fence_of_rebuild(self, day: str, result: list[Fence]) -> Operation:
        yield from super().fence_of_rebuild(day, result)
        fence = result.pop()
        result.append(Fence(fence.number, fence.committed, Rollup()))


class CommitsItsFence(RebuildableLedger):
    """A rebuild replaces the committed fences, which turns may still carry."""

    def replace(self, day: str, fence: Fence, rollup: Rollup, result: list[bool]) -> Operation:
        yield from super().replace(day, fence, rollup, result)
        if result[0]:
            self.days[day].committed = (fence.number,)


def ended_after(seed: int, ledger: RebuildableLedger) -> Counter[str]:
    """Run a world; return how the rebuilds of days ended."""
    world = RebuildWorld(seed, ledger)
    world.run(STEPS)
    world.settle()
    return ledger.ended


def test_a_rebuild_loses_no_turn_and_counts_none_twice_in_any_interleaving() -> None:
    ended: Counter[str] = Counter()
    for seed in range(SEEDS):
        ended += ended_after(seed, RebuildableLedger())
    assert set(ended) <= {REBUILT, MISSING, OVERTAKEN}
    assert ended[REBUILT] > SEEDS
    assert ended[MISSING] > SEEDS


@pytest.mark.long
@pytest.mark.parametrize("first_seed", range(10_000, 20_000, 1_000))
def test_a_rebuild_loses_no_turn_in_many_more_interleavings(first_seed: int) -> None:
    ended: Counter[str] = Counter()
    for seed in range(first_seed, first_seed + 1_000):
        ended += ended_after(seed, RebuildableLedger())
    assert set(ended) <= {REBUILT, MISSING, OVERTAKEN}
    assert ended[REBUILT] > 1_000


@pytest.mark.parametrize(
    "broken",
    [WithoutFences, WithoutItsOwnFence, CountsLiveTurns, WithoutRefusal, CommitsItsFence],
)
def test_the_model_notices_every_step_of_a_rebuild_that_is_left_out(
    broken: type[RebuildableLedger],
) -> None:
    def live_through_many() -> None:
        for seed in range(SEEDS):
            ended_after(seed, broken())

    with pytest.raises(AssertionError):
        live_through_many()
