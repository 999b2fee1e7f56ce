"""One more actor in the model of interleavings: it rebuilds days while archivers run and die."""

from collections import Counter
from collections.abc import Iterator

from app.backends.containment import Containment
from app.usage.rebuild import Rebuilder
from app.usage.rollups import Rollup, merged
from app.usage.store import Fence
from tests.unit.usage.interleavings import (
    ACCOUNT,
    DAYS,
    Actor,
    Ledger,
    Operation,
    Row,
    World,
    rollup_of,
)

REBUILT, MISSING, OVERTAKEN = "rebuilt", "still stored", "meanwhile"


class RebuildableLedger(Ledger):
    """The single operations of `RebuildStore`, as the rows that they touch one after another.

    `ended` counts how the rebuilds of days ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ended: Counter[str] = Counter()

    def fence_of_rebuild(self, day: str, result: list[Fence]) -> Operation:
        return self.fence(day, result)

    def sum_rolled_up(self, day: str, fence: Fence, result: list[Rollup]) -> Operation:
        sums = []
        for row in list(self.rows):
            yield
            # A deleted row is not met any more.
            is_stored = any(each is row for each in self.rows)
            if row.day == day and is_stored and self.is_rolled_up(row, fence):
                sums.append(rollup_of([row]))
        result.append(merged(sums))

    def is_rolled_up(self, row: Row, fence: Fence) -> bool:
        return row.is_summable and (row.open is None or row.open in fence.committed)

    def replace(self, day: str, fence: Fence, rollup: Rollup, result: list[bool]) -> Operation:
        yield
        is_newest = self.days[day].fence == fence.number
        if is_newest:
            self.days[day].rollup = rollup
        result.append(is_newest)


class RebuildActor(Actor):
    """A rebuild of all days in a thread of its own."""

    ledger: RebuildableLedger

    def open_days(self) -> Iterator[tuple[str, str]]:
        """Rebuild all days instead of archiving: the actor's archiver asks for its days first."""
        containment = Containment(lambda failure: None)
        rebuilt = Rebuilder(self).rebuild([ACCOUNT], DAYS, containment=containment)
        self.ledger.ended[REBUILT] += rebuilt.days
        for failure in containment.failures:
            known = [each for each in (MISSING, OVERTAKEN) if each in failure.reason]
            self.ledger.ended[known[0] if known else failure.sentence] += 1
        return iter(())

    # The ledger of a rebuild.

    def count_rolled_up(self, _: str, day: str) -> int:
        return self.ledger.days[day].rollup.total_turns

    def count_summable_aside(self, _: str, __: str) -> int:
        return 0  # turns that are set aside cannot be summed here

    def fence(self, _: str, day: str) -> Fence:
        result: list[Fence] = []
        self._run(self.ledger.fence_of_rebuild(day, result))
        return result[0]

    def sum_rolled_up(self, _: str, day: str, fence: Fence) -> Iterator[Rollup]:
        result: list[Rollup] = []
        self._run(self.ledger.sum_rolled_up(day, fence, result))
        return iter(result)

    def replace(self, _: str, day: str, fence: Fence, rollup: Rollup) -> bool:
        result: list[bool] = []
        self._run(self.ledger.replace(day, fence, rollup, result))
        return result[0]


class RebuildWorld(World):
    """Two archivers and a rebuild, turns, deletions, kills, and what they leave."""

    ledger: RebuildableLedger

    def __init__(self, seed: int, ledger: RebuildableLedger) -> None:
        super().__init__(seed, ledger)
        self.actors.append(RebuildActor(ledger))

    def archive(self) -> None:
        self._step(self.random.randrange(3), is_killed=False)

    def kill(self) -> None:
        self._step(self.random.randrange(3), is_killed=True)

    def _step(self, number: int, *, is_killed: bool) -> None:
        super()._step(number, is_killed=is_killed)
        replaced = self.actors[number]
        if number == 2 and not isinstance(replaced, RebuildActor):
            replaced.step(is_killed=True)  # it ends the thread
            self.actors[number] = RebuildActor(self.ledger)

    def settle(self) -> None:
        """Archive everything, then rebuild every day whose turns are all there."""
        super().settle()
        actor = RebuildActor(self.ledger)
        while not actor.is_done:
            actor.step()
        self.check()
