"""What each process of the admission tests does, in a module that processes can import."""

from dataclasses import dataclass
from multiprocessing.synchronize import Barrier

from redis import Redis

from app.admission.decision import Decision, Outcome, TurnCharge, Verdict
from app.tenancy.model import Limits
from tests.unit.admission.world import World, principal

ARRIVAL_TIMEOUT_S = 60


@dataclass(frozen=True, order=True)
class Try:
    """One request without turns, at its instant on Redis's clock; in the order of the answers."""

    time_us: int
    is_refused: bool
    spent: int


def arrive(everybody: Barrier) -> None:
    """Be ready, and wait until all the other processes are; BrokenBarrierError if they never."""
    everybody.wait(ARRIVAL_TIMEOUT_S)


def arrived() -> bool:
    """The least work, which no process takes up before all have arrived."""
    return True


def hammer(redis_url: str, in_force: Limits, until_us: int) -> list[Try]:
    """Ask without turns, as fast as it goes, until that instant."""
    world, tries = _world(redis_url), []
    while not tries or tries[-1].time_us < until_us:
        decision = world.gate.admit(principal(in_force))
        is_refused = decision.outcome is not Outcome.ADMITTED
        tries.append(Try(decision.time_us, is_refused, in_force.burst - decision.bucket.remaining))
    return tries


def try_turns(redis_url: str, in_force: Limits, turns: list[TurnCharge]) -> list[Verdict]:
    """One request for each turn."""
    world = _world(redis_url)
    decisions = [world.gate.admit(principal(in_force), [charge]) for charge in turns]
    return [_verdict(decision) for decision in decisions]


def same_turn(redis_url: str, in_force: Limits, turn: TurnCharge, count: int) -> list[Decision]:
    """The same request, `count` times."""
    world = _world(redis_url)
    return [world.gate.admit(principal(in_force), [turn]) for _ in range(count)]


def _verdict(decision: Decision) -> Verdict:
    (item,) = decision.items
    return item.verdict


def _world(redis_url: str) -> World:
    return World(Redis.from_url(redis_url, protocol=2, decode_responses=True))
