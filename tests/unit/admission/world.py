"""A small world around the gate: a clock to move, a ledger in memory, principals."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from threading import Lock

from redis import Redis

from app.admission.clock import LedgerClock
from app.admission.decision import Decision, TurnCharge
from app.admission.fallback import LocalBuckets
from app.admission.keys import AccountKeys
from app.admission.ledger import LedgerCount
from app.admission.reconcile import Reconciler
from app.admission.relationships import RelationshipNames
from app.admission.script import AdmissionScript
from app.admission.seeding import Seeder
from app.tenancy.model import Environment, Limits, OveragePolicy, Principal, Scope
from app.tenancy.periods import period_at
from tests.script_clock import clocked
from tests.unit.admission.verbs import GateVerbs

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
ORGANIZATION = "org_01J00000000000000000000000"
SIGNED_UP_ON = date(2026, 1, 5)
NOON_US = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()) * SECOND_US
PERIOD = period_at(SIGNED_UP_ON, NOON_US)
KEYS = AccountKeys(ORGANIZATION, Environment.LIVE.value, PERIOD.label)
DEADLINE_S = 10.0
RELATIONSHIPS = RelationshipNames("id key of the tests")


def limits(
    rate: int = 1_000_000,
    burst: int = 1_000_000,
    turns: int | None = None,
    relationships: int | None = None,
    overage: OveragePolicy = OveragePolicy.BLOCK,
    uncharged: int | None = None,
) -> Limits:
    """Return ceilings; those not named never bind."""
    return Limits(rate, burst, turns, relationships, overage, uncharged)


def principal(
    in_force: Limits | None = None,
    *,
    signed_up_on: date = SIGNED_UP_ON,
    environment: Environment = Environment.LIVE,
) -> Principal:
    """Return a key holder of the one organization."""
    return Principal(
        organization_id=ORGANIZATION,
        organization_name="Acme",
        key_id="key_1",
        scope=Scope.READ_WRITE,
        environment=environment,
        plan="free",
        limits=in_force or limits(),
        signed_up_on=signed_up_on,
    )


def turn(name: str, turns: int = 1, relationship: str | None = None) -> TurnCharge:
    """Return a turn to charge."""
    return TurnCharge(name, turns, relationship)


@dataclass
class Hand:
    """The server's clock, moved by hand."""

    us: int = NOON_US

    def __call__(self) -> int:
        return self.us


@dataclass(frozen=True)
class Row:
    """A turn as the ledger keeps it."""

    account: str
    quota_period: str
    recorded_at_us: int
    charge: TurnCharge
    counts_uncharged: bool


@dataclass
class MemoryLedger:
    """The ledger's promises in memory: a turn is stored once, by the first sender."""

    rows: dict[str, Row] = field(default_factory=dict)
    counts_count: int = 0
    lock: Lock = field(default_factory=Lock)

    def insert(
        self,
        account: str,
        quota_period: str,
        at_us: int,
        charge: TurnCharge,
        *,
        counts_uncharged: bool = True,
    ) -> Row:
        """Store the turn unless it is there; return the stored row, own or another's.

        An earlier release stored no turn as uncharged.
        """
        row = Row(account, quota_period, at_us, charge, counts_uncharged)
        with self.lock:
            return self.rows.setdefault(charge.turn_key, row)

    def select(self, account: str, quota_period: str) -> list[Row]:
        with self.lock:
            rows = list(self.rows.values())
        return [row for row in rows if (row.account, row.quota_period) == (account, quota_period)]

    def count_turns(
        self, account: str, quota_period: str, before_us: int | None = None
    ) -> LedgerCount:
        self.counts_count += 1
        rows = [
            row
            for row in self.select(account, quota_period)
            if before_us is None or row.recorded_at_us < before_us
        ]
        uncharged = [row for row in rows if row.counts_uncharged and row.charge.turns == 0]
        return LedgerCount(sum(row.charge.turns for row in rows), len(uncharged))

    def count_relationships(self, account: str, quota_period: str) -> Iterable[tuple[str, int]]:
        counts: dict[str, int] = {}
        for row in self.select(account, quota_period):
            if name := row.charge.relationship_id:
                counts[name] = counts.get(name, 0) + 1
        return counts.items()

    def find_turns(self, account: str, turn_keys: Sequence[str]) -> dict[str, Row]:
        with self.lock:
            found = {key: self.rows[key] for key in turn_keys if key in self.rows}
        return {key: row for key, row in found.items() if row.account == account}

    def newest_recorded_at_us(self, account: str, quota_period: str) -> int:
        return max((row.recorded_at_us for row in self.select(account, quota_period)), default=0)


class World:
    """GateVerbs, reconciler and ledger on one Redis, whose own clock counts without a `hand`."""

    def __init__(
        self, client: Redis, hand: Hand | None = None, ledger: MemoryLedger | None = None
    ) -> None:
        self.client = client
        self.hand = hand or Hand()
        self.ledger = ledger or MemoryLedger()
        self.script = AdmissionScript(clocked(client, hand) if hand else client, RELATIONSHIPS)
        clock = LedgerClock(client)
        self.local = LocalBuckets(1, clock.now_us)
        seeder = Seeder(self.script, self.ledger)
        self.gate = GateVerbs(self.script, seeder, self.ledger, clock, self.local)
        self.reconciler = Reconciler(self.script, self.ledger, DEADLINE_S)

    def record(self, who: Principal, *turns: TurnCharge) -> Decision:
        """Charge, insert, and refund turns that are stored otherwise, as recording does."""
        decision = self.gate.admit(who, turns)
        self.store(who, decision, turns)
        return decision

    def store(self, who: Principal, decision: Decision, turns: Iterable[TurnCharge]) -> None:
        """Insert what was charged; a turn stored under another charge is refunded."""
        surplus = []
        for item, charge in zip(decision.items, turns, strict=True):
            if item.recorded_at_us:
                at_us = item.recorded_at_us
                row = self.ledger.insert(who.account, decision.quota_period, at_us, charge)
                if row.recorded_at_us != at_us:
                    surplus.append(item)
        if surplus:
            self.gate.refund(who, decision, surplus)

    def reconcile(self) -> None:
        """Reconcile everything, with nothing in flight."""
        self.reconciler.reconcile(self.reconciler.list_accounts(), wait=lambda _: None)

    def references(self) -> dict[str, int]:
        """Return the references of each relationship of the live account, as Redis holds them."""
        stored = self.client.hgetall(KEYS.relationships)
        return {name: int(count) for name, count in stored.items()}
