"""The operations on an account's counters: each is a small value that calls the script once.

| ticket verb | operation | script method | Lua file |
| --- | --- | --- | --- |
| `take_token` | TakeToken | `enter` | `enter.lua`; `look.lua` where that cannot end the call |
| `charge`, `charge_more` | Charge | `admit` | `admit.lua`; `look.lua` without turns |
| `charge_for_refusal` | Charge | `admit` | `look.lua` |
| `reserve` | Reserve | `reserve` | `reserve.lua` |
| `complete` | Complete | `complete` | `settle.lua` |
| `cancel`, `withdraw` | Cancel | `cancel` | `settle.lua` |
| `quota`, `account_now_us` | ReadCounters | `read` | `read.lua` |
| `refund` | none: `Gate.refund` calls the script | `refund` | `refund.lua` |
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.admission.decision import TurnCharge
from app.admission.keys import AccountKeys, account_keys
from app.admission.policy import (
    MAX_HOLD_S,
    SECOND_US,
    BucketPolicy,
    QuotaPolicy,
    most_reservations,
)
from app.admission.replies import Reply
from app.admission.script import AdmissionScript
from app.tenancy.model import Principal
from app.tenancy.periods import period_at


class AccountPeriod(NamedTuple):
    """An account in one billing period: its keys in Redis and the limits in force.

    `now_us` is the current time as this process knows it, which may lie in another period.
    """

    principal: Principal
    keys: AccountKeys
    bucket: BucketPolicy
    quota: QuotaPolicy
    now_us: int

    @property
    def current_keys(self) -> AccountKeys:
        """The account's keys in the current period."""
        return self._keys_at(self.now_us)

    @property
    def previous_keys(self) -> AccountKeys | None:
        """The account's keys in the period before; None if no hold can reach out of it any more."""
        start_us = self.quota.period.start_us
        if self.now_us >= start_us + MAX_HOLD_S * SECOND_US:
            return None
        return self._keys_at(start_us - 1)

    def _keys_at(self, instant_us: int) -> AccountKeys:
        who = self.principal
        period = period_at(who.signed_up_on, instant_us)
        return account_keys(who.organization_id, who.environment.value, period.label)


@dataclass(frozen=True, slots=True)
class Operation(ABC):
    """One request's call on its account's counters.

    `turns` are those to judge: the decision has an item for each, in this order. `tokens` are taken
    from the bucket. `reserved_at_us` is set to reach the period that holds that instant. `hold_us`
    is set if the operation reserves.
    """

    turns: Sequence[TurnCharge] = ()
    tokens: int = 1
    reserved_at_us: int | None = None
    hold_us: int | None = None

    @property
    def turns_without_redis(self) -> Sequence[TurnCharge]:
        """The turns that pass without a charge while Redis is unavailable."""
        return self.turns

    @abstractmethod
    def call(self, script: AdmissionScript, at: AccountPeriod) -> Reply:
        """Call the script once."""


class TakeToken(Operation):
    """Take a token and look at no quota: the short call of routes that only read.

    The reply contains the account's instant if a quota is loaded, and the counters only if the
    bucket refuses as well.
    """

    __slots__ = ()

    def call(self, script: AdmissionScript, at: AccountPeriod) -> Reply:
        """Call the script once."""
        return script.enter(at.keys, at.bucket, at.quota)


class Charge(Operation):
    """Charge the bucket and the quota for `turns`; without turns only read the quota.

    A turn that was charged minutes ago is not charged again.
    """

    __slots__ = ()

    def call(self, script: AdmissionScript, at: AccountPeriod) -> Reply:
        """Call the script once."""
        return script.admit(at.keys, at.bucket, at.quota, self.turns, tokens=self.tokens)


class Reserve(Operation):
    """Hold one turn, and its relationship if it is new, for `hold_us`.

    The same turn again is the same reservation, also after the period has rolled over. The
    `recorded_at_us` of its item lies in the period that was charged, and so does its millisecond.
    While Redis is unavailable nothing is held, and the same turn again is another reservation.
    """

    __slots__ = ()

    def call(self, script: AdmissionScript, at: AccountPeriod) -> Reply:
        """Call the script once."""
        (turn,) = self.turns
        return script.reserve(
            at.keys,
            at.bucket,
            at.quota,
            turn,
            hold_us=self.hold_us or 0,
            most_open=most_reservations(at.principal.limits),
            previous=at.previous_keys,
        )


class Complete(Operation):
    """Charge turns to the period of their reservations, never refused for quota.

    This ends the reservations. Without one a turn is charged all the same: to the current period
    if the period of `reserved_at_us` is over. Several turns must be reserved in the current period.
    """

    __slots__ = ()

    def call(self, script: AdmissionScript, at: AccountPeriod) -> Reply:
        """Call the script once."""
        return script.complete(
            at.keys,
            at.bucket,
            at.quota,
            self.turns,
            current=at.current_keys,
            tokens=self.tokens,
        )


@dataclass(frozen=True, slots=True)
class Cancel(Operation):
    """Release the hold of a turn in the period of `reserved_at_us`, if there is one.

    The verdict is RECORDED if the turn is charged. With `blocks_turn` the turn can be neither
    reserved nor completed for minutes afterwards. While Redis is unavailable the decision is local
    and has no items: the hold expires by itself.
    """

    blocks_turn: bool = True

    @property
    def turns_without_redis(self) -> Sequence[TurnCharge]:
        """None: only Redis can release a hold."""
        return ()

    def call(self, script: AdmissionScript, at: AccountPeriod) -> Reply:
        """Call the script once."""
        (turn,) = self.turns
        return script.cancel(
            at.keys,
            at.bucket,
            at.quota,
            turn.turn_key,
            tokens=self.tokens,
            blocks_turn=self.blocks_turn,
        )


class ReadCounters(Operation):
    """Read the counters; charge nothing."""

    __slots__ = ()

    def call(self, script: AdmissionScript, at: AccountPeriod) -> Reply:
        """Call the script once."""
        return script.read(at.keys, at.quota.period)


TAKE_TOKEN = TakeToken()
READ_COUNTERS = ReadCounters()
