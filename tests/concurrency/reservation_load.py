"""The work of each process of the reservation tests, in a module that processes can import."""

from collections import Counter, deque
from dataclasses import dataclass, field

from redis import Redis

from app.admission.clock import LedgerClock
from app.admission.decision import Decision, Verdict
from app.admission.fallback import LocalBuckets
from app.admission.script import AdmissionScript
from app.admission.seeding import Seeder
from app.tenancy.model import Limits
from tests.script_clock import clocked
from tests.unit.admission.verbs import GateVerbs
from tests.unit.admission.world import (
    NOON_US,
    RELATIONSHIPS,
    SECOND_US,
    MemoryLedger,
    principal,
    turn,
)

CLOCK_KEY = "clock of the test"
# Each call moves the clock that all processes share, so that a hold lasts 3,000 calls.
STEP_US = 10_000
HOLD_US = 30 * SECOND_US


@dataclass
class Tally:
    """Counts of one process: its operations, and the most turns used and held that it saw."""

    did: Counter[str] = field(default_factory=Counter)
    most_taken: int = 0

    def see(self, decision: Decision) -> Verdict:
        """Note the quota of a reply; return the verdict of its one turn."""
        assert decision.quota is not None
        taken = decision.quota.turns_used + decision.quota.turns_reserved
        self.most_taken = max(self.most_taken, taken)
        (item,) = decision.items
        return item.verdict


def now_us(client: Redis) -> int:
    """Read the clock that all processes share."""
    return NOON_US + int(client.get(CLOCK_KEY) or 0)


def gate_on(client: Redis) -> GateVerbs:
    """Make a gate whose clock is in Redis, and which each call of any process moves."""
    moved = clocked(client, lambda: NOON_US + int(client.incrby(CLOCK_KEY, STEP_US)))
    script = AdmissionScript(moved, RELATIONSHIPS)
    clock = LedgerClock(client)
    local = LocalBuckets(1, clock.now_us)
    ledger = MemoryLedger()
    return GateVerbs(script, Seeder(script, ledger), ledger, clock, local)


@dataclass
class Producer:
    """Reserves turns, and settles each some calls later."""

    client: Redis
    in_force: Limits
    tally: Tally = field(default_factory=Tally)
    waiting: deque[tuple[str, int, str]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.gate, self.who = gate_on(self.client), principal(self.in_force)

    def ask(self, name: str) -> None:
        decision = self.gate.reserve(self.who, turn(name), HOLD_US)
        verdict = self.tally.see(decision)
        self.tally.did[verdict.name] += 1
        if verdict is Verdict.CHARGED:
            how = ("completed", "cancelled", "expired")[self.tally.did["CHARGED"] % 3]
            self.waiting.append((name, decision.items[0].recorded_at_us, how))

    def end(self) -> None:
        name, reserved_at_us, how = self.waiting.popleft()
        if now_us(self.client) > reserved_at_us + HOLD_US // 10:
            how = "expired"  # this process was delayed: it would settle too late
        if how == "completed":
            done = self.gate.complete(self.who, turn(name), reserved_at_us)
            assert self.tally.see(done) is Verdict.CHARGED
        elif how == "cancelled":
            done = self.gate.cancel(self.who, name, reserved_at_us)
            assert self.tally.see(done) is Verdict.CHARGED
        self.tally.did[how] += 1


def try_reservations(redis_url: str, in_force: Limits, process: int, count: int) -> Tally:
    """Reserve `count` turns; complete, cancel or let expire a third of the holds each."""
    with Redis.from_url(redis_url, protocol=2, decode_responses=True) as client:
        producer = Producer(client, in_force)
        for number in range(count):
            producer.ask(f"turn_{process}_{number}")
            waiting = producer.waiting
            if waiting and waiting[0][1] + 20 * STEP_US < now_us(client):
                producer.end()
        while producer.waiting:
            producer.end()
    return producer.tally
