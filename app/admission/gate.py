"""The gate of metered routes: bucket and quota of an organization, in one call to Redis."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from app.admission.clock import LedgerClock
from app.admission.decision import Decision, Outcome, QuotaState, TurnCharge
from app.admission.keys import AccountKeys
from app.admission.policy import BucketPolicy, QuotaPolicy
from app.admission.replies import (
    Bookkeeping,
    Reply,
    Status,
    parse_bookkeeping,
    parse_decision,
    parse_items,
)
from app.admission.script import AdmissionScript
from app.admission.seeding import Seeder
from app.http.problems import Problem
from app.tenancy.model import Limits, Principal
from app.tenancy.periods import Period, period_at

# The edge of a period and three wipes in a row; whoever meets more is told to come again.
_ATTEMPTS = 5


class Gate:
    """Admits principals by one script call, unless a quota is missing or a period has just ended.

    Errors of Redis pass through. Problem `service_unavailable` if a missing quota cannot be seeded
    within a second.
    """

    def __init__(self, script: AdmissionScript, seeder: Seeder, clock: LedgerClock) -> None:
        self._script = script
        self._seeder = seeder
        self._clock = clock

    def admit(
        self, principal: Principal, turns: Sequence[TurnCharge] = (), *, tokens: int = 1
    ) -> Decision:
        """Charge `tokens` and `turns`, atomically, and tell what became of each.

        A refusal by rate charges nothing, a refusal by quota only the token. A turn that was
        charged minutes ago is not charged again. Without turns the quota is only looked at, and
        missing from the decision if it is not loaded.
        """
        bucket = BucketPolicy.of(principal.limits)
        reply, period = self._settle(
            principal,
            lambda keys, quota: self._script.admit(keys, bucket, quota, turns, tokens=tokens),
        )
        return _decide(reply, bucket, principal.limits, period, turns)

    def refund(
        self, principal: Principal, decision: Decision, indexes: Iterable[int]
    ) -> QuotaState | None:
        """Take back the charges of `decision.items` at `indexes`, each once, however often asked.

        Returns the counters after it, None if they are gone.

        Only for a turn that was **definitely** not stored under this charge: its insert was
        refused, or the turn is stored with another `recorded_at`. (Of two senders of a turn that
        share a charge, the one whose insert came second must not refund the first one's.) No-op
        for a charge that was refunded, has lapsed, or died with its generation.
        """
        items = [decision.items[index] for index in indexes]
        keys = _keys(principal, decision.quota_period)
        reply = self._script.refund(keys, decision.generation, items)
        if decision.period is None:
            return None
        return _quota_state(reply, principal.limits, decision.period)

    def quota(self, principal: Principal) -> QuotaState:
        """The account's counters in its present period, uncharged; seeded first if missing."""
        return self.inspect(principal)[0]

    def now_us(self, principal: Principal) -> int:
        """The account's instant: later than every `recorded_at` given out; seeds if it must."""
        reply, _ = self._settle(
            principal, lambda keys, quota: self._script.read(keys, quota.period)
        )
        return reply.now_us

    def inspect(self, principal: Principal) -> tuple[QuotaState, Bookkeeping]:
        """The same, with what an operator wants to know beside."""
        reply, period = self._settle(
            principal, lambda keys, quota: self._script.read(keys, quota.period)
        )
        state = _quota_state(reply, principal.limits, period)
        if state is None:
            raise AssertionError("a settled read has counters")
        return state, parse_bookkeeping(reply)

    def _settle(
        self, principal: Principal, call: Callable[[AccountKeys, QuotaPolicy], Reply]
    ) -> tuple[Reply, Period]:
        """Repeat `call` until it met the right period and, if it needs one, a seeded quota."""
        instant_us = self._clock.now_us()
        for _ in range(_ATTEMPTS):
            period = period_at(principal.signed_up_on, instant_us)
            quota = QuotaPolicy.of(principal.limits, period)
            keys = _keys(principal, period.label)
            reply = call(keys, quota)
            self._clock.learn(reply.time_us)
            if reply.status is Status.NEED_SEED:
                self._seeder.seed(keys, quota)
            elif reply.status is not Status.PERIOD_MISMATCH:
                return reply, period
            instant_us = reply.time_us
        raise Problem.unavailable()


def _keys(principal: Principal, quota_period: str) -> AccountKeys:
    return AccountKeys(principal.organization_id, principal.environment.value, quota_period)


def _decide(
    reply: Reply, bucket: BucketPolicy, limits: Limits, period: Period, turns: Sequence[TurnCharge]
) -> Decision:
    decision = replace(
        parse_decision(reply, bucket),
        quota=_quota_state(reply, limits, period),
        items=parse_items(reply, turns),
        generation=reply.counters.generation if reply.counters else 0,
        period=period,
    )
    if len(turns) != 1 or not any(item.verdict.is_exhausted for item in decision.items):
        return decision
    return replace(decision, outcome=Outcome.QUOTA_EXHAUSTED)


def _quota_state(reply: Reply, limits: Limits, period: Period) -> QuotaState | None:
    counters = reply.counters
    if counters is None:
        return None
    return QuotaState(
        turns_used=counters.turns_used,
        turns_reserved=counters.turns_reserved,
        turns_limit=limits.turns,
        relationships_used=counters.relationships_used,
        relationships_limit=limits.active_relationships,
        period_start_us=period.start_us,
        period_end_us=period.end_us,
    )
