"""The gate of metered routes: bucket and quota of an organization, in one call to Redis."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from app.admission.clock import LedgerClock
from app.admission.decision import (
    Decision,
    Hold,
    ItemCharge,
    Outcome,
    QuotaState,
    TurnCharge,
    Verdict,
)
from app.admission.fallback import LocalBuckets
from app.admission.keys import AccountKeys
from app.admission.policy import BucketPolicy, QuotaPolicy, most_reservations
from app.admission.replies import (
    Bookkeeping,
    Reply,
    Status,
    parse_bookkeeping,
    parse_decision,
    parse_items,
    parse_lapse,
)
from app.admission.script import AdmissionScript
from app.admission.seeding import WAIT_S, Seeder, SeedingLate
from app.backends import REDIS_OUTAGES
from app.http.problems import Problem
from app.tenancy.model import Limits, Principal
from app.tenancy.periods import Period, period_at

# The edge of a period and three wipes in a row; whoever meets more is told to come again.
_ATTEMPTS = 5
# A command of an operator is not a request.
_PATIENCE_S = 60.0
_UNSETTLED: tuple[type[Exception], ...] = (*REDIS_OUTAGES, SeedingLate)


class Gate:
    """Admits principals by one script call, unless a quota is missing or a period has just ended.

    While Redis is ill, or a missing quota cannot be seeded within a second, it admits by `local`
    buckets. Turns are then let through uncharged, or refused if `needs_charge`. What only asks for
    counters passes on the errors of Redis, and the problem `service_unavailable` for late seeding.
    """

    def __init__(
        self,
        script: AdmissionScript,
        seeder: Seeder,
        clock: LedgerClock,
        local: LocalBuckets,
        *,
        needs_charge: bool = False,
    ) -> None:
        self._script = script
        self._seeder = seeder
        self._clock = clock
        self._local = local
        self._needs_charge = needs_charge

    def admit(
        self, principal: Principal, turns: Sequence[TurnCharge] = (), *, tokens: int = 1
    ) -> Decision:
        """Charge `tokens` and `turns`, atomically, and tell what became of each.

        A refusal by rate charges nothing, a refusal by quota only the token. A turn that was
        charged minutes ago is not charged again. Without turns the quota is only looked at, and
        missing from the decision if it is not loaded. Without Redis see `admit_locally`.
        """
        bucket = BucketPolicy.of(principal.limits)
        try:
            reply, period = self._settle(
                principal,
                lambda keys, quota: self._script.admit(keys, bucket, quota, turns, tokens=tokens),
            )
        except _UNSETTLED:
            return self.admit_locally(principal, turns, tokens=tokens)
        return _decide(reply, bucket, principal.limits, period, turns)

    def admit_locally(
        self,
        principal: Principal,
        turns: Sequence[TurnCharge] = (),
        *,
        tokens: int = 1,
        settled_at_us: int | None = None,
    ) -> Decision:
        """Decide without Redis; `turns` pass uncharged, and reconciliation counts them.

        They count in the present period, or in the one that holds `settled_at_us`.
        Problem `service_unavailable` if there are turns and the gate `needs_charge`.
        """
        if turns and self._needs_charge:
            raise Problem.unavailable()
        bucket = BucketPolicy.of(principal.limits)
        decision = self._local.take(_bucket_key(principal), bucket, tokens)
        items = tuple(
            ItemCharge(
                Verdict.CHARGED,
                decision.now_us,
                relationship_counted=False,
                turn_key=turn.turn_key,
            )
            for turn in turns
            if not decision.is_rate_limited
        )
        told_us = decision.now_us if settled_at_us is None else settled_at_us
        return replace(decision, items=items, period=period_at(principal.signed_up_on, told_us))

    def reserve(self, principal: Principal, turn: TurnCharge, hold_us: int) -> Decision:
        """Hold one turn, and its relationship if it is new, for `hold_us`.

        The same turn again is the same reservation. Its `recorded_at_us` lies in the period that
        was charged, and so does its millisecond. Without Redis nothing is held, and the same turn
        again is another reservation.
        """
        bucket, most_open = BucketPolicy.of(principal.limits), most_reservations(principal.limits)
        try:
            reply, period = self._settle(
                principal,
                lambda keys, quota: self._script.reserve(
                    keys, bucket, quota, turn, hold_us=hold_us, most_open=most_open
                ),
            )
        except _UNSETTLED:
            decision = self.admit_locally(principal, [turn])
            return replace(decision, hold=Hold(decision.now_us + hold_us, hold_us, most_open))
        decision = _decide(reply, bucket, principal.limits, period, [turn])
        lapses_at_us = parse_lapse(reply)
        if not lapses_at_us:
            return decision
        return replace(decision, hold=Hold(lapses_at_us, lapses_at_us - reply.time_us, most_open))

    def complete(self, principal: Principal, turn: TurnCharge, reserved_at_us: int) -> Decision:
        """Charge a turn to the period that holds `reserved_at_us`, never refused for quota.

        Its reservation is settled; if there is none any more the turn is charged all the same, to
        the present period if that one has ended.
        Without Redis see `admit_locally`.
        """
        bucket = BucketPolicy.of(principal.limits)
        try:
            reply, period = self._settle(
                principal,
                lambda keys, quota: self._script.complete(
                    keys, bucket, quota, turn, present=self._present_keys(principal)
                ),
                reserved_at_us,
            )
        except _UNSETTLED:
            return self.admit_locally(principal, [turn], settled_at_us=reserved_at_us)
        return _decide(reply, bucket, principal.limits, period, [turn])

    def cancel(
        self,
        principal: Principal,
        turn_key: str,
        reserved_at_us: int,
        *,
        tokens: int = 1,
        is_remembered: bool = True,
    ) -> Decision:
        """Give back what the turn holds in the period of `reserved_at_us`, if it holds anything.

        If that `is_remembered`, it can be neither completed nor reserved for minutes then. RECORDED
        if it is charged. Without Redis the decision is local, without items: only Redis can give a
        place back, and in time it does by itself.
        """
        bucket = BucketPolicy.of(principal.limits)
        try:
            reply, period = self._settle(
                principal,
                lambda keys, quota: self._script.cancel(
                    keys, bucket, quota, turn_key, tokens=tokens, is_remembered=is_remembered
                ),
                reserved_at_us,
            )
        except _UNSETTLED:
            return self.admit_locally(principal, tokens=tokens)
        return _decide(reply, bucket, principal.limits, period, [TurnCharge(turn_key, 0, None)])

    def _present_keys(self, principal: Principal) -> AccountKeys:
        period = period_at(principal.signed_up_on, self._clock.now_us())
        return _keys(principal, period.label)

    def refund(
        self, principal: Principal, decision: Decision, indexes: Iterable[int]
    ) -> QuotaState | None:
        """Take back the charges of `decision.items` at `indexes`, each once, however often asked.

        Returns the counters after it, None if they are gone. A charge that cannot be taken back
        because Redis is ill stands until reconciliation.

        Only for a turn that was **definitely** not stored under this charge: its insert was
        refused, or the turn is stored with another `recorded_at`. (Of two senders of a turn that
        share a charge, the one whose insert came second must not refund the first one's.) No-op
        for a charge that was refunded, has lapsed, or died with its generation.
        """
        if decision.is_local or decision.period is None:
            return None
        items = [decision.items[index] for index in indexes]
        keys = _keys(principal, decision.quota_period)
        try:
            reply = self._script.refund(keys, decision.generation, items)
        except REDIS_OUTAGES:
            return None
        return _quota_state(reply, principal.limits, decision.period)

    def quota(self, principal: Principal) -> QuotaState:
        """The account's counters in its present period, uncharged; seeded first if missing."""
        return self._read(principal, WAIT_S)[0]

    def now_us(self, principal: Principal) -> int:
        """The account's instant: later than every `recorded_at` given out; seeds if it must."""
        reply, _ = self._settle(
            principal, lambda keys, quota: self._script.read(keys, quota.period)
        )
        return reply.now_us

    def now_us_by_ledger(self, principal: Principal) -> int:
        """The present, later than every `recorded_at` in the ledger; asks MongoDB, not Redis."""
        now_us = self._clock.now_us()
        keys = _keys(principal, period_at(principal.signed_up_on, now_us).label)
        return max(now_us, self._seeder.newest_recorded_at_us(keys) + 1)

    def inspect(self, principal: Principal) -> tuple[QuotaState, Bookkeeping]:
        """The counters with what an operator wants to know beside; waits until they are seeded."""
        return self._read(principal, _PATIENCE_S)

    def _read(self, principal: Principal, wait_s: float) -> tuple[QuotaState, Bookkeeping]:
        reply, period = self._settle(
            principal, lambda keys, quota: self._script.read(keys, quota.period), wait_s=wait_s
        )
        state = _quota_state(reply, principal.limits, period)
        if state is None:
            raise AssertionError("a settled read has counters")
        return state, parse_bookkeeping(reply)

    def _settle(
        self,
        principal: Principal,
        call: Callable[[AccountKeys, QuotaPolicy], Reply],
        settled_at_us: int | None = None,
        wait_s: float = WAIT_S,
    ) -> tuple[Reply, Period]:
        """Repeat `call` until it met the right period and, if it needs one, a seeded quota.

        The right period is the one that holds `settled_at_us`, if it is given and has something to
        settle, else the present one. Raises `SeedingLate` if that is not so after `wait_s`.
        """
        instant_us = self._clock.now_us()
        give_up_at_s = time.monotonic() + wait_s
        for _ in range(_ATTEMPTS):
            told_us = instant_us if settled_at_us is None else settled_at_us
            period = period_at(principal.signed_up_on, told_us)
            quota = QuotaPolicy.of(principal.limits, period)
            keys = _keys(principal, period.label)
            reply = call(keys, quota)
            self._clock.learn(reply.time_us)
            if reply.status is Status.NEED_SEED:
                self._seeder.seed(keys, quota, max(0.0, give_up_at_s - time.monotonic()))
            elif reply.status is not Status.PERIOD_MISMATCH:
                return reply, period
            else:
                settled_at_us = None
            instant_us = reply.time_us
        raise SeedingLate.unavailable()


def _bucket_key(principal: Principal) -> str:
    return _keys(principal, "").bucket


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
    if len(turns) == 1 and any(item.verdict.is_exhausted for item in decision.items):
        return replace(decision, outcome=Outcome.QUOTA_EXHAUSTED)
    if any(item.verdict is Verdict.CROWDED for item in decision.items):
        return replace(decision, outcome=Outcome.RATE_LIMITED)
    return decision


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
