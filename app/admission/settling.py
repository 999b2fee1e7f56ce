"""Finds the period and the counters that a call to the script is about."""

import time
from collections.abc import Callable

from app.admission.clock import LedgerClock
from app.admission.keys import AccountKeys
from app.admission.policy import MAX_HOLD_S, SECOND_US, QuotaPolicy
from app.admission.replies import Reply, Status
from app.admission.seeding import WAIT_S, Seeder, SeedingLate
from app.tenancy.model import Principal
from app.tenancy.periods import Period, period_at

# The edge of a period and three wipes in a row; whoever meets more is told to come again.
_ATTEMPTS = 5

Call = Callable[[AccountKeys, QuotaPolicy], Reply]


class Settling:
    """Has calls meet the right period and, if they need one, a seeded quota."""

    def __init__(self, seeder: Seeder, clock: LedgerClock) -> None:
        self._seeder = seeder
        self._clock = clock

    def settle(
        self,
        principal: Principal,
        call: Call,
        reserved_at_us: int | None = None,
        wait_s: float = WAIT_S,
    ) -> tuple[Reply, Period]:
        """Repeat `call` until it is answered.

        The right period is the one that holds `reserved_at_us`, if it is given and has something to
        settle, else the present one. Raises `SeedingLate` if the quota is not there, or not rid of
        what has lapsed, after `wait_s`, and what `call` raises.
        """
        instant_us = self._clock.now_us()
        give_up_at_s = time.monotonic() + wait_s
        for _ in range(_ATTEMPTS):
            told_us = instant_us if reserved_at_us is None else reserved_at_us
            period = period_at(principal.signed_up_on, told_us)
            quota = QuotaPolicy.of(principal.limits, period)
            keys = AccountKeys.of(principal, period.label)
            reply = self._ask(call, keys, quota, give_up_at_s)
            if reply.status is Status.NEED_SEED:
                self._seeder.seed(keys, quota, max(0.0, give_up_at_s - time.monotonic()))
            elif reply.status is Status.PERIOD_MISMATCH:
                reserved_at_us = None
            else:
                return reply, period
            instant_us = reply.time_us
        raise SeedingLate.unavailable()

    def _ask(self, call: Call, keys: AccountKeys, quota: QuotaPolicy, give_up_at_s: float) -> Reply:
        """The reply to `call` once it depends on no more lapses; `SeedingLate` if it does then."""
        while True:
            reply = call(keys, quota)
            self._clock.learn(reply.time_us)
            if reply.status is not Status.AGAIN:
                return reply
            if time.monotonic() >= give_up_at_s:
                raise SeedingLate.unavailable()

    def present_keys(self, principal: Principal) -> AccountKeys:
        """The account's keys in its present period, as far as the clock knows."""
        period = period_at(principal.signed_up_on, self._clock.now_us())
        return AccountKeys.of(principal, period.label)

    def find_former_keys(self, principal: Principal, period: Period) -> AccountKeys | None:
        """The account's keys in the period before `period`, if a hold may reach out of it."""
        if self._clock.now_us() >= period.start_us + MAX_HOLD_S * SECOND_US:
            return None
        return AccountKeys.of(
            principal, period_at(principal.signed_up_on, period.start_us - 1).label
        )
