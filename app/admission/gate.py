"""The gate of metered routes: bucket and quota of an organization, in one call to Redis."""

from collections.abc import Iterable, Sequence

from app.admission.clock import LedgerClock
from app.admission.decision import Decision, Hold, ItemCharge, QuotaState, TurnCharge, Verdict
from app.admission.fallback import LocalBuckets
from app.admission.keys import AccountKeys
from app.admission.ledger import PeriodLedger
from app.admission.policy import MAX_HOLD_S, SECOND_US, BucketPolicy, most_reservations
from app.admission.replies import (
    Bookkeeping,
    Reply,
    parse_bookkeeping,
    parse_decision,
    parse_hold,
    parse_quota,
)
from app.admission.script import AdmissionScript
from app.admission.seeding import WAIT_S, Seeder, SeedingLate
from app.admission.settling import Call, Settling
from app.backends.outages import REDIS_OUTAGES
from app.http.faults import AccountFault, note_account_fault
from app.http.problems import Problem
from app.tenancy.model import Principal
from app.tenancy.periods import period_at

# A command of an operator is not a request.
_PATIENCE_S = 60.0
_UNCOUNTED: tuple[type[Exception], ...] = (*REDIS_OUTAGES, AccountFault)
_UNSETTLED: tuple[type[Exception], ...] = (*_UNCOUNTED, SeedingLate)


class Gate:
    """Admits principals by one script call, unless a quota is missing or a period has just ended.

    Retries while a backlog of expired reservations remains. Admits by `local` buckets if

    * Redis is unavailable,
    * the counters of the account are damaged, which is logged, or
    * the backlog or the seeding of a missing quota takes more than a second.

    Turns are then let through uncharged, or refused if `needs_charge`. Methods that only read
    counters raise the errors of Redis, and the problem `service_unavailable` for late seeding or
    damage. Requests use this `ledger`; the seeder has one with a longer timeout.
    """

    def __init__(
        self,
        script: AdmissionScript,
        seeder: Seeder,
        ledger: PeriodLedger,
        clock: LedgerClock,
        local: LocalBuckets,
        *,
        needs_charge: bool = False,
    ) -> None:
        self._script = script
        self._ledger = ledger
        self._clock = clock
        self._settling = Settling(seeder, clock)
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
        return self._decide(
            principal,
            bucket,
            turns,
            lambda keys, quota: self._script.admit(keys, bucket, quota, turns, tokens=tokens),
            tokens=tokens,
        )[0]

    def enter(self, principal: Principal) -> Decision:
        """Charge a token, for what neither charges nor tells the quota: a short call.

        The account's instant is in the decision if a quota is loaded, the quota itself only if the
        bucket refuses, too. Without Redis see `admit_locally`.
        """
        bucket = BucketPolicy.of(principal.limits)
        return self._decide(
            principal, bucket, (), lambda keys, quota: self._script.enter(keys, bucket, quota)
        )[0]

    def admit_locally(
        self,
        principal: Principal,
        turns: Sequence[TurnCharge] = (),
        *,
        tokens: int = 1,
        reserved_at_us: int | None = None,
    ) -> Decision:
        """Decide without Redis; `turns` pass uncharged, and reconciliation counts them.

        They count in the present period, or in the one that holds `reserved_at_us` as long as a
        reservation of then may live.
        Problem `service_unavailable` if there are turns and the gate `needs_charge`.
        """
        if turns and self._needs_charge:
            raise Problem.unavailable()
        bucket = BucketPolicy.of(principal.limits)
        decision = self._local.take(AccountKeys.of(principal, "").bucket, bucket, tokens)
        items = tuple(
            ItemCharge(
                Verdict.CHARGED,
                decision.time_us,
                relationship_counted=False,
                turn_key=turn.turn_key,
            )
            for turn in turns
            if not decision.is_rate_limited
        )
        told_us = decision.time_us
        if reserved_at_us is not None and told_us - reserved_at_us <= MAX_HOLD_S * SECOND_US:
            told_us = reserved_at_us
        return decision._replace(items=items, period=period_at(principal.signed_up_on, told_us))

    def reserve(self, principal: Principal, turn: TurnCharge, hold_us: int) -> Decision:
        """Hold one turn, and its relationship if it is new, for `hold_us`.

        The same turn again is the same reservation, also after the period has rolled over. Its
        `recorded_at_us` lies in the period that was charged, and so does its millisecond. Without
        Redis nothing is held, and the same turn again is another reservation.
        """
        bucket, most_open = BucketPolicy.of(principal.limits), most_reservations(principal.limits)
        decision, reply = self._decide(
            principal,
            bucket,
            [turn],
            lambda keys, quota: self._script.reserve(
                keys,
                bucket,
                quota,
                turn,
                hold_us=hold_us,
                most_open=most_open,
                former=self._settling.find_former_keys(principal, quota.period),
            ),
        )
        if reply is None:
            return decision._replace(hold=Hold(decision.time_us + hold_us, hold_us, most_open))
        return decision._replace(hold=parse_hold(reply, most_open))

    def complete(self, principal: Principal, turn: TurnCharge, reserved_at_us: int) -> Decision:
        """Charge a turn to the period that holds `reserved_at_us`, never refused for quota.

        Its reservation is settled; if there is none any more the turn is charged all the same, to
        the present period if that one has ended.
        Without Redis see `admit_locally`.
        """
        bucket = BucketPolicy.of(principal.limits)
        return self._decide(
            principal,
            bucket,
            [turn],
            lambda keys, quota: self._script.complete(
                keys, bucket, quota, turn, present=self._settling.present_keys(principal)
            ),
            reserved_at_us=reserved_at_us,
        )[0]

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
        return self._decide(
            principal,
            bucket,
            [TurnCharge(turn_key, 0, None)],
            lambda keys, quota: self._script.cancel(
                keys, bucket, quota, turn_key, tokens=tokens, is_remembered=is_remembered
            ),
            tokens=tokens,
            reserved_at_us=reserved_at_us,
            is_let_through=False,
        )[0]

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
        keys = AccountKeys.of(principal, decision.quota_period)
        try:
            reply = self._script.refund(keys, decision.generation, items)
        except _UNCOUNTED:
            return None
        return parse_quota(reply, principal.limits, decision.period)

    def quota(self, principal: Principal) -> QuotaState:
        """The account's counters in its present period, uncharged; seeded first if missing."""
        return self._read(principal, WAIT_S)[0]

    def now_us(self, principal: Principal) -> int:
        """The account's instant: later than every `recorded_at` given out; seeds if it must."""
        reply, _ = self._settling.settle(
            principal, lambda keys, quota: self._script.read(keys, quota.period)
        )
        return reply.now_us

    def now_us_by_ledger(self, principal: Principal) -> int:
        """The present, later than every `recorded_at` in the ledger; asks MongoDB, not Redis."""
        keys = self._settling.present_keys(principal)
        newest_us = self._ledger.newest_recorded_at_us(keys.account, keys.quota_period)
        return max(self._clock.now_us(), newest_us + 1)

    def inspect(self, principal: Principal) -> tuple[QuotaState, Bookkeeping]:
        """The counters with what an operator wants to know beside; waits until they are seeded."""
        return self._read(principal, _PATIENCE_S)

    def _read(self, principal: Principal, wait_s: float) -> tuple[QuotaState, Bookkeeping]:
        reply, period = self._settling.settle(
            principal, lambda keys, quota: self._script.read(keys, quota.period), wait_s=wait_s
        )
        state = parse_quota(reply, principal.limits, period)
        if state is None:
            raise AssertionError("a settled read has counters")
        return state, parse_bookkeeping(reply)

    def _decide(
        self,
        principal: Principal,
        bucket: BucketPolicy,
        turns: Sequence[TurnCharge],
        call: Call,
        *,
        tokens: int = 1,
        reserved_at_us: int | None = None,
        is_let_through: bool = True,
    ) -> tuple[Decision, Reply | None]:
        """What `call` decides, with its reply; without Redis what is decided here, without one.

        `is_let_through` says whether `turns` are let through then.
        """
        try:
            reply, period = self._settling.settle(principal, call, reserved_at_us)
        except _UNSETTLED as reason:
            if isinstance(reason, AccountFault):
                note_account_fault("account_degraded", reason.account, reason.reason)
            passing = turns if is_let_through else ()
            decision = self.admit_locally(
                principal, passing, tokens=tokens, reserved_at_us=reserved_at_us
            )
            return decision, None
        return parse_decision(reply, bucket, principal.limits, period, turns), reply
