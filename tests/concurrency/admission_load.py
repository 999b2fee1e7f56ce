"""What each process of the admission tests does, in a module that processes can import."""

from dataclasses import dataclass
from multiprocessing.synchronize import Barrier

from redis import Redis

from app.admission.decision import Decision, Outcome, TurnCharge, Verdict
from app.tenancy.model import Limits
from tests.unit.admission.world import World, principal


@dataclass(frozen=True)
class Load:
    """How many were admitted, and between which instants of Redis's clock it was tried."""

    admitted_count: int
    first_us: int
    last_us: int


def arrive(everybody: Barrier) -> None:
    """Be ready, and wait until all the other processes are."""
    everybody.wait()


def arrived() -> bool:
    """The least work, which no process takes up before all have arrived."""
    return True


def hammer(redis_url: str, in_force: Limits, until_us: int) -> Load:
    """Ask without turns, as fast as it goes, until that instant."""
    world, instants, admitted_count = _world(redis_url), [], 0
    while not instants or instants[-1] < until_us:
        decision = world.gate.admit(principal(in_force))
        admitted_count += decision.outcome is Outcome.ADMITTED
        instants.append(decision.now_us)
    return Load(admitted_count, instants[0], instants[-1])


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
