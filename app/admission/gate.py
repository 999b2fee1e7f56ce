"""The gate of metered routes: bucket and quota of an organization, in one call to Redis."""

import time
from collections.abc import Sequence

from app.admission.clock import LedgerClock
from app.admission.decision import Decision, ItemCharge, QuotaState
from app.admission.errors import CountersUnavailable, SeedingTimeout
from app.admission.fallback import LocalBuckets
from app.admission.keys import account_keys
from app.admission.ledger import PeriodLedger
from app.admission.operations import READ_COUNTERS, AccountPeriod, Operation
from app.admission.policy import BucketPolicy, QuotaPolicy, most_reservations
from app.admission.replies import (
    Bookkeeping,
    Reply,
    Status,
    parse_bookkeeping,
    parse_decision,
    parse_hold,
    parse_quota,
)
from app.admission.script import AdmissionScript
from app.admission.seeding import WAIT_S, Seeder
from app.backends.outages import REDIS_OUTAGES
from app.http.faults import AccountFault, note_account_fault
from app.tenancy.model import Principal
from app.tenancy.periods import period_at

# A command of an operator may wait longer than a request.
_COMMAND_WAIT_S = 60.0
# A period boundary and three losses of the counters in a row. After more of these a charge is
# decided locally, and a read raises SeedingTimeout.
_MAX_ATTEMPTS = 5
_UNAVAILABLE: tuple[type[Exception], ...] = (*REDIS_OUTAGES, AccountFault)
_UNDECIDED: tuple[type[Exception], ...] = (*_UNAVAILABLE, SeedingTimeout)


class Gate:
    """Decides over each request by one script call, unless counters are missing or a period ended.

    Decides by `local` buckets, and lets turns pass without a charge, if

    * Redis is unavailable,
    * the counters of the account are damaged, which is logged,
    * clearing a backlog or seeding a missing quota takes more than a second, or
    * counters are lost, or the period ends, more often than `_MAX_ATTEMPTS` allows.

    With `needs_charge` turns are refused then. Methods that only read counters raise the errors of
    Redis, SeedingTimeout and AccountFault. Requests use this `ledger`; the seeder has one with a
    longer timeout.
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
        self._seeder = seeder
        self._ledger = ledger
        self._clock = clock
        self._local = local
        self._needs_charge = needs_charge

    def decide(self, principal: Principal, operation: Operation) -> Decision:
        """Decide bucket and quota together, atomically; locally without Redis.

        A refusal by rate charges nothing, a refusal by quota only the tokens.
        """
        try:
            reply, at = self._call(principal, operation)
        except _UNDECIDED as reason:
            if isinstance(reason, AccountFault):
                note_account_fault("account_degraded", reason.account, reason.reason)
            return self.decide_locally(principal, operation)
        decision = parse_decision(
            reply,
            at.bucket,
            principal.limits,
            at.quota.period,
            operation.turns,
            tokens=operation.tokens,
        )
        if operation.hold_us is None:
            return decision
        return decision._replace(hold=parse_hold(reply, most_reservations(principal.limits)))

    def decide_locally(self, principal: Principal, operation: Operation) -> Decision:
        """Decide without Redis; CountersUnavailable for turns that `needs_charge`."""
        if self._needs_charge and operation.turns_without_redis:
            raise CountersUnavailable
        return self._local.decide(principal, operation)

    def refund(
        self, principal: Principal, decision: Decision, items: Sequence[ItemCharge]
    ) -> QuotaState | None:
        """Take back the charges `items` of `decision`, each once, however often asked.

        Returns the counters after it, None if they are missing. A charge that cannot be taken back
        because Redis is unavailable stands until reconciliation.

        Only for a turn that was **definitely** not stored under this charge: its insert was
        refused, or the turn is stored with another `recorded_at`. (Of two senders of a turn that
        share a charge, the one whose insert came second must not refund the first one's.) No-op
        for a charge that was refunded, has expired, or belongs to an earlier generation.
        """
        if decision.is_local or decision.period is None:
            return None
        keys = account_keys(
            principal.organization_id, principal.environment.value, decision.quota_period
        )
        try:
            reply = self._script.refund(keys, decision.generation, items)
        except _UNAVAILABLE:
            return None
        return parse_quota(reply, principal.limits, decision.period)

    def quota(self, principal: Principal) -> QuotaState:
        """Read the account's counters in its current period; seed them first if missing."""
        return self._read(principal, WAIT_S)[0]

    def inspect(self, principal: Principal) -> tuple[QuotaState, Bookkeeping]:
        """Read the counters with what operators need beside them; wait until they are seeded."""
        return self._read(principal, _COMMAND_WAIT_S)

    def account_now_us(self, principal: Principal) -> int:
        """Return the account's instant: later than every `recorded_at` given out."""
        return self._call(principal, READ_COUNTERS)[0].account_now_us

    def account_now_us_by_ledger(self, principal: Principal) -> int:
        """Return the account's instant by MongoDB alone: now, or after the newest turn if later."""
        now_us = self._clock.now_us()
        period = period_at(principal.signed_up_on, now_us)
        return max(now_us, self._ledger.newest_recorded_at_us(principal.account, period.label) + 1)

    def _read(self, principal: Principal, wait_s: float) -> tuple[QuotaState, Bookkeeping]:
        reply, at = self._call(principal, READ_COUNTERS, wait_s)
        state = parse_quota(reply, principal.limits, at.quota.period)
        if state is None:
            raise AssertionError("a reply to a read has counters")
        return state, parse_bookkeeping(reply)

    def _call(
        self, principal: Principal, operation: Operation, wait_s: float = WAIT_S
    ) -> tuple[Reply, AccountPeriod]:
        """Call the script until it answers for the right period, with the counters it needs.

        | status | what follows |
        | --- | --- |
        | BACKLOG | more has expired than one call clears: call again, until the deadline |
        | NEED_SEED | seed the counters from the ledger, within the deadline |
        | PERIOD_MISMATCH | use the period of the server's clock |

        The first try uses the period of `reserved_at_us`, or of this process's clock. Raises
        SeedingTimeout after `wait_s` seconds or too many attempts, and what the script raises.
        """
        deadline_s = time.monotonic() + wait_s
        now_us = self._clock.now_us()
        reserved_at_us = operation.reserved_at_us
        bucket = BucketPolicy.of(principal.limits)
        attempts_left = _MAX_ATTEMPTS
        while attempts_left:
            instant_us = now_us if reserved_at_us is None else reserved_at_us
            period = period_at(principal.signed_up_on, instant_us)
            quota = QuotaPolicy.of(principal.limits, period)
            keys = account_keys(
                principal.organization_id, principal.environment.value, period.label
            )
            at = AccountPeriod(principal, keys, bucket, quota, now_us)
            reply = operation.call(self._script, at)
            now_us = reply.time_us
            self._clock.learn(now_us)
            if reply.status is Status.BACKLOG:
                if time.monotonic() >= deadline_s:
                    break
                continue
            if reply.status is Status.NEED_SEED:
                self._seeder.seed(keys, quota, max(0.0, deadline_s - time.monotonic()))
            elif reply.status is Status.PERIOD_MISMATCH:
                reserved_at_us = None
            else:
                return reply, at
            attempts_left -= 1
        raise SeedingTimeout
