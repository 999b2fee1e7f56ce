"""Random lives of one account, every reply compared with plain Python integers."""

from fractions import Fraction
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from app.admission.decision import ItemCharge, TurnCharge, Verdict
from app.admission.ledger import LedgerCount
from app.admission.policy import UNLIMITED, BucketPolicy, QuotaPolicy
from app.admission.replies import Reply, parse_items
from app.admission.script import AdmissionScript
from tests.script_clock import clocked
from tests.unit.admission.oracle import Oracle
from tests.unit.admission.values import CACHED_FOR_US
from tests.unit.admission.world import (
    HOUR_US,
    KEYS,
    NOON_US,
    PERIOD,
    RELATIONSHIPS,
    SECOND_US,
    Hand,
)

pytestmark = pytest.mark.slow  # seconds of work

STAGING = KEYS.staging("test")
OF_THE_ORACLE = ("bucket", "quota", "references", "turns", "expiries", "holds")
NAMES = dict(zip(OF_THE_ORACLE, KEYS.for_script, strict=True))

# Ids over 32 characters have a short name in Redis.
LONG = [f"rel_{letter * 40}" for letter in "cd"]
SHORT = [RELATIONSHIPS.of(KEYS.account, plain)[0] for plain in LONG]
OTHER_NAMES = dict(zip([*LONG, *SHORT], [*SHORT, *LONG], strict=True))
relationships = st.sampled_from(["rel_a", "rel_b", *LONG])
names = st.sampled_from(["rel_a", "rel_b", *OTHER_NAMES])
costs = st.integers(0, 3)
items = st.builds(
    lambda key, turns, name: TurnCharge(key, turns, name if turns else None),
    st.sampled_from([f"turn_{number}" for number in range(6)]),
    costs,
    st.none() | relationships,
)
buckets = st.builds(
    BucketPolicy, st.sampled_from([Fraction(1), Fraction(3), Fraction(25)]), st.integers(1, 4)
)
AMPLE = BucketPolicy(Fraction(25), 4)
holds = st.sampled_from([1, SECOND_US, CACHED_FOR_US - 1, CACHED_FOR_US + 1, HOUR_US])
quotas = st.builds(
    QuotaPolicy,
    st.just(PERIOD),
    st.sampled_from([UNLIMITED, 0, 3, 6]),
    st.sampled_from([0, 1, 2, 9]),
    st.booleans(),
    st.sampled_from([0, 2, 9]),
)
steps = st.sampled_from([0, 1, SECOND_US, CACHED_FOR_US]) | st.integers(0, 20 * SECOND_US)


class Life(RuleBasedStateMachine):
    """Does the same to the script and to the oracle."""

    client: Redis
    lives_count: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.client.flushdb()
        self.hand = Hand()
        self.script = AdmissionScript(clocked(self.client, self.hand), RELATIONSHIPS)
        self.oracle = Oracle(self.hand.us, other_names=OTHER_NAMES, long_ids=LONG)
        self.charges: list[tuple[int, ItemCharge]] = [
            (NOON_US, ItemCharge(Verdict.CHARGED, 1, relationship_counted=False, turn_key="turn_0"))
        ]
        self.watermarks = [NOON_US]
        self.edges = [PERIOD.start_us, PERIOD.end_us]

    def move_to(self, instant_us: int) -> None:
        self.hand.us = self.oracle.now = instant_us

    @rule(step=steps)
    def time_passes(self, step: int) -> None:
        self.move_to(self.hand.us + step)

    @rule(step=st.sampled_from([1, SECOND_US, SECOND_US + 1, HOUR_US]))
    def clock_steps_back(self, step: int) -> None:
        self.move_to(self.hand.us - step)

    @rule(data=st.data(), off=st.integers(-1, 1))
    def something_is_due(self, data: st.DataObject, off: int) -> None:
        due = [
            *self.oracle.expiries.values(),
            *self.oracle.holds.values(),
            *self.edges[-4:],
            NOON_US,
        ]
        self.move_to(data.draw(st.sampled_from(due)) + off)

    @rule(bucket=buckets, quota=quotas, turns=st.lists(items, max_size=4))
    def admit(self, bucket: BucketPolicy, quota: QuotaPolicy, turns: list[TurnCharge]) -> None:
        reply = self.script.admit(KEYS, bucket, quota, turns)
        assert reply == self.oracle.admit(bucket, quota, turns)
        # A bucket's expiry runs by the real clock, which may be slower or faster than `hand`.
        self.client.persist(KEYS.bucket)
        if len(reply.results) > 1:
            self.edges.append(self.hand.us + reply.results[1])
        self.note_charges(reply, turns)

    def note_charges(self, reply: Reply, turns: list[TurnCharge]) -> None:
        if reply.counters and reply.results:
            charged = parse_items(reply, turns)
            self.charges += [(reply.counters.generation, item) for item in charged]

    @rule(bucket=buckets, quota=quotas)
    def enter(self, bucket: BucketPolicy, quota: QuotaPolicy) -> None:
        reply = self.script.enter(KEYS, bucket, quota)
        assert reply == self.oracle.enter(bucket, quota)
        self.client.persist(KEYS.bucket)

    @rule(bucket=buckets, quota=quotas, turn=items, hold=holds, most=st.integers(1, 4))
    def reserve(
        self, bucket: BucketPolicy, quota: QuotaPolicy, turn: TurnCharge, hold: int, most: int
    ) -> None:
        reply = self.script.reserve(KEYS, bucket, quota, turn, hold_us=hold, most_open=most)
        assert reply == self.oracle.reserve(bucket, quota, turn, hold, most)
        self.client.persist(KEYS.bucket)

    @precondition(lambda self: self.oracle.is_loaded)
    @rule(turn=items, hold=holds, most=st.integers(1, 4))
    def reserve_freely(self, turn: TurnCharge, hold: int, most: int) -> None:
        free = QuotaPolicy(PERIOD, UNLIMITED, 9, overage_allowed=False, uncharged_limit=9)
        self.reserve(AMPLE, free, turn, hold, most)

    @rule(bucket=buckets, turns=st.lists(items, min_size=1, max_size=3))
    def complete(self, bucket: BucketPolicy, turns: list[TurnCharge]) -> None:
        quota = QuotaPolicy(PERIOD, 0, 0, overage_allowed=False, uncharged_limit=9)
        reply = self.script.complete(KEYS, bucket, quota, turns, current=KEYS)
        assert reply == self.oracle.complete(bucket, quota, turns)
        self.client.persist(KEYS.bucket)
        self.note_charges(reply, turns)

    @rule(bucket=buckets, turn=items)
    def cancel(self, bucket: BucketPolicy, turn: TurnCharge) -> None:
        quota = QuotaPolicy(PERIOD, 0, 0, overage_allowed=False, uncharged_limit=9)
        reply = self.script.cancel(KEYS, bucket, quota, turn.turn_key)
        assert reply == self.oracle.cancel(bucket, quota, turn.turn_key)
        self.client.persist(KEYS.bucket)

    @precondition(lambda self: self.oracle.holds)
    @rule(data=st.data(), cost=costs, name=st.none() | relationships)
    def settle(self, data: st.DataObject, cost: int, name: str | None) -> None:
        """End a turn that is held, in one of three ways."""
        turn = TurnCharge(
            data.draw(st.sampled_from(sorted(self.oracle.holds))), cost, name if cost else None
        )
        end = data.draw(st.sampled_from([self.complete_one, self.cancel, self.record]))
        end(AMPLE, turn)

    def complete_one(self, bucket: BucketPolicy, turn: TurnCharge) -> None:
        self.complete(bucket, [turn])

    def record(self, bucket: BucketPolicy, turn: TurnCharge) -> None:
        self.admit(
            bucket, QuotaPolicy(PERIOD, 3, 1, overage_allowed=False, uncharged_limit=9), [turn]
        )

    @precondition(lambda self: self.oracle.is_loaded)
    @rule(turns=st.lists(items, min_size=1, max_size=4), relationships_limit=st.integers(0, 3))
    def admit_freely(self, turns: list[TurnCharge], relationships_limit: int) -> None:
        free = QuotaPolicy(
            PERIOD, UNLIMITED, relationships_limit, overage_allowed=False, uncharged_limit=9
        )
        self.admit(AMPLE, free, turns)

    @rule(quota=quotas)
    def read(self, quota: QuotaPolicy) -> None:
        assert self.script.read(KEYS, quota.period) == self.oracle.read(quota)

    @rule(data=st.data())
    def refund(self, data: st.DataObject) -> None:
        generation, item = data.draw(st.sampled_from(self.charges[-8:]))
        others = [item for of, item in self.charges[-8:] if of == generation]
        refunded = data.draw(st.lists(st.sampled_from(others), max_size=3))
        expected = self.oracle.refund(generation, [item, *refunded])
        assert self.script.refund(KEYS, generation, [item, *refunded]).results == (expected,)

    @precondition(lambda self: not self.oracle.is_loaded)
    @rule()
    def seed_nothing(self) -> None:
        self.move_to(NOON_US)
        self.seed(LedgerCount(0, 0), 0, {})

    @rule(
        counted=st.builds(LedgerCount, st.integers(0, 5), st.integers(0, 3)),
        ahead=st.sampled_from([-HOUR_US, 0, 5]),
        references=st.dictionaries(names, st.integers(1, 3)),
    )
    def seed(self, counted: LedgerCount, ahead: int, references: dict[str, int]) -> None:
        if references:
            self.client.hset(STAGING, mapping=references)
        newest = self.hand.us + ahead
        reply = self.script.seed(
            KEYS,
            QuotaPolicy(PERIOD, UNLIMITED, 9, overage_allowed=False, uncharged_limit=9),
            counted=counted,
            newest_recorded_at_us=newest,
            relationships_count=len(references),
            staging_key=STAGING,
        )
        assert reply == self.oracle.seed(counted, newest, references)

    @rule(ahead=st.sampled_from([-HOUR_US, 0, 5, HOUR_US]))
    def set_watermark(self, ahead: int) -> None:
        newest = self.hand.us + ahead
        watermark_at = self.script.set_watermark(KEYS, newest)
        assert watermark_at == self.oracle.set_watermark(newest)
        self.watermarks.append(watermark_at or 0)

    @rule(data=st.data(), counted=st.builds(LedgerCount, st.integers(0, 9), st.integers(0, 4)))
    def reconcile(self, data: st.DataObject, counted: LedgerCount) -> None:
        watermark_at = data.draw(st.sampled_from(self.watermarks[-2:]))
        reply = self.script.reconcile(KEYS, watermark_at, counted)
        assert reply == self.oracle.reconcile(watermark_at, counted)

    @rule(
        data=st.data(),
        corrections=st.lists(st.tuples(names, st.integers(0, 2), st.integers(0, 3)), max_size=3),
    )
    def correct(self, data: st.DataObject, corrections: list[tuple[str, int, int]]) -> None:
        watermark_at = data.draw(st.sampled_from(self.watermarks[-2:]))
        reply = self.script.correct(KEYS, watermark_at, corrections)
        assert reply == self.oracle.correct(watermark_at, corrections)

    @precondition(lambda self: self.oracle.is_loaded)
    @rule(name=st.sampled_from(sorted(NAMES)))
    def lose_a_key(self, name: str) -> None:
        self.client.delete(NAMES[name])
        if whole := {"bucket": "level", "quota": "fields"}.get(name):
            setattr(self.oracle, whole, None)
        else:
            getattr(self.oracle, name).clear()

    @precondition(lambda self: self.oracle.is_loaded)
    @rule()
    def an_earlier_release_seeds_the_quota(self) -> None:
        """Drop the fields that a later release has added."""
        self.client.hdel(KEYS.quota, "uncharged_used", "uncharged_limit", "mark_uncharged")
        self.oracle.loaded.uncharged = self.oracle.loaded.watermark_uncharged = 0

    @invariant()
    def relationships_are_equal(self) -> None:
        stored = self.client.hgetall(KEYS.relationships)
        assert {name: int(count) for name, count in stored.items()} == self.oracle.references

    def teardown(self) -> None:
        cached: dict[str, Any] = self.client.hgetall(NAMES["turns"])
        assert cached.keys() == self.oracle.turns.keys()
        held = self.client.zrange(NAMES["holds"], 0, -1, withscores=True)
        assert dict(held) == self.oracle.holds
        assert not self.client.exists(STAGING)
        type(self).lives_count += 1


# The script is the same on both; in memory a life takes longer.
@pytest.mark.parametrize(
    ("redis_client", "lives_count"),
    [("memory", 20), ("live", 50), pytest.param("live", 300, marks=pytest.mark.long)],
    indirect=["redis_client"],
)
def test_script_equals_oracle(redis_client: Redis, lives_count: int) -> None:
    """Live random lives; each rule of `Life` compares the replies, and its end the keys."""
    machine = type("LifeOnThisRedis", (Life,), {"client": redis_client})
    bounds = settings(max_examples=lives_count, stateful_step_count=60)
    run_state_machine_as_test(machine, settings=bounds)
    assert machine.lives_count >= lives_count


def test_replies_are_values() -> None:
    raw = [0, "5", "6", "-1", 0, 0, 0, 0, 3, "0", "7"]
    assert Reply.parse(raw) == Reply.parse([str(value).encode() for value in raw])
