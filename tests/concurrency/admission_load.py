"""The work of each process of the admission tests, in a module that processes can import."""

from dataclasses import dataclass
from multiprocessing.synchronize import Barrier

from redis import Redis

from app.admission.decision import Decision, Outcome, TurnCharge, Verdict
from app.tenancy.model import Limits
from tests.unit.admission.world import World, principal

ARRIVAL_TIMEOUT_S = 60


@dataclass(frozen=True, order=True)
class Try:
    """One request without turns and its answer; sorts by Redis's instant, then by the answer."""

    time_us: int
    is_refused: bool
    spent: int


def arrive(all_processes: Barrier) -> None:
    """Wait until all processes have started; BrokenBarrierError after a minute."""
    all_processes.wait(ARRIVAL_TIMEOUT_S)


def arrived() -> bool:
    """Return True: a task that a process can only start after all have arrived."""
    return True


def hammer(redis_url: str, in_force: Limits, until_us: int) -> list[Try]:
    """Send requests without turns as fast as possible, until `until_us`."""
    world, tries = _world(redis_url), []
    while not tries or tries[-1].time_us < until_us:
        decision = world.gate.admit(principal(in_force))
        is_refused = decision.outcome is not Outcome.ADMITTED
        tries.append(Try(decision.time_us, is_refused, in_force.burst - decision.bucket.remaining))
    return tries


def try_turns(redis_url: str, in_force: Limits, turns: list[TurnCharge]) -> list[Verdict]:
    """Send one request for each turn; return the verdicts."""
    world = _world(redis_url)
    decisions = [world.gate.admit(principal(in_force), [charge]) for charge in turns]
    return [_verdict(decision) for decision in decisions]


def same_turn(redis_url: str, in_force: Limits, turn: TurnCharge, count: int) -> list[Decision]:
    """Send the same request `count` times; return the decisions."""
    world = _world(redis_url)
    return [world.gate.admit(principal(in_force), [turn]) for _ in range(count)]


def _verdict(decision: Decision) -> Verdict:
    (item,) = decision.items
    return item.verdict


def _world(redis_url: str) -> World:
    return World(Redis.from_url(redis_url, protocol=2, decode_responses=True))
