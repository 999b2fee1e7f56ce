"""The admission ticket: the object that admits one request.

A *ticket* charges its request, makes refunds and holds the decision, from which the headers of the
answer are made. A request with a valid key has an `AdmissionTicket`. One that is limited by its
address has an `AddressTicket`. Probes have none.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from app.admission.decision import Decision, ItemCharge, Outcome, QuotaState, TurnCharge
from app.admission.errors import AdmissionError, CountersUnavailable
from app.admission.gate import Gate
from app.admission.operations import TAKE_TOKEN, Cancel, Charge, Complete, Operation, Reserve
from app.admission.refusals import refusal_of
from app.backends.outages import OUTAGES
from app.http.faults import AccountFault
from app.tenancy.model import Principal

_UNANSWERED: tuple[type[Exception], ...] = (AdmissionError, AccountFault, *OUTAGES)


class AddressTicket(NamedTuple):
    """The admission of a request without a valid key: the decision over its address."""

    decision: Decision

    def require_admission(self) -> None:
        """Raise RateLimited if the address's bucket refused."""
        if self.decision.is_bucket_empty:
            raise refusal_of(self.decision)


@dataclass(slots=True, eq=False)
class AdmissionTicket:
    """The admission of one request with a key: its charges, refunds and the one `decision`.

    The door makes it, services receive it, headers and the log read it. `decision` is None until
    the first charge. Each request is charged once:

    | verb | what it does | refused by |
    | --- | --- | --- |
    | `take_token` | charges the bucket | bucket |
    | `admit_by` | charges nothing more: another bucket has decided | that bucket |
    | `charge` | charges the bucket `tokens`, and the quota for turns | bucket; the quota by item |
    | `reserve` | charges the bucket, and holds a turn | bucket, open reservations; quota by item |
    | `complete` | charges the bucket, and a turn that was reserved | bucket |
    | `cancel` | charges the bucket, and releases the hold of a turn | bucket, missing Redis |

    The others follow the first and take no token. A quota's refusal of a turn is in the decision's
    items and not raised: services weigh it, since the turn may be stored already.
    """

    gate: Gate
    principal: Principal
    decision: Decision | None = None

    def take_token(self) -> None:
        """Charge the bucket alone: for routes that neither charge nor show the quota."""
        self._decide(TAKE_TOKEN)

    def admit_by(self, decision: Decision) -> None:
        """Admit the request by a bucket other than the organization's; RateLimited if empty."""
        self.decision = decision
        if decision.is_bucket_empty:
            raise refusal_of(decision)

    def charge(self, turns: Sequence[TurnCharge] = (), *, tokens: int = 1) -> Decision:
        """Charge the bucket `tokens` and, for `turns`, the quota, in one atomic call.

        A request that costs more than the burst costs the burst: no bucket ever holds more.
        """
        return self._decide(Charge(turns, min(tokens, self.principal.limits.burst)))

    def charge_more(self, turns: Sequence[TurnCharge]) -> Decision:
        """Charge the quota for more `turns` of this request.

        Once Redis has not answered one call of this request it is not called again: a request waits
        for an unavailable Redis at most once.
        """
        return self._decide_more(Charge(turns, tokens=0))

    def reserve(self, turn: TurnCharge, hold_us: int) -> Decision:
        """Charge the bucket and hold a turn, in one atomic call."""
        return self._decide(Reserve([turn], hold_us=hold_us))

    def complete(self, turn: TurnCharge, reserved_at_us: int) -> Decision:
        """Charge the bucket and a turn that was reserved at that instant."""
        return self._decide(Complete([turn], reserved_at_us=reserved_at_us))

    def complete_more(self, turns: Sequence[TurnCharge], reserved_at_us: int) -> Decision:
        """Charge `turns` of this request that were reserved in the period of that instant.

        Several turns must be reserved in the current period. As `charge_more` without Redis.
        """
        return self._decide_more(Complete(turns, tokens=0, reserved_at_us=reserved_at_us))

    def cancel(self, turn_key: str, reserved_at_us: int) -> Decision:
        """Charge the bucket and release the hold of a turn; nothing is released without Redis."""
        decision = self._decide(
            Cancel([TurnCharge(turn_key, 0, None)], reserved_at_us=reserved_at_us)
        )
        self.require_counters()
        return decision

    def withdraw(self, turn_key: str, reserved_at_us: int) -> None:
        """Release the hold that this request has made; without Redis it expires by itself."""
        turns = [TurnCharge(turn_key, 0, None)]
        cancel = Cancel(turns, 0, reserved_at_us, blocks_turn=False)
        after = self.gate.decide(self.principal, cancel)
        self.decision = self.made._replace(quota=after.quota)

    def refund(self, decision: Decision, items: Sequence[ItemCharge]) -> None:
        """Take back the charges `items` of `decision`, which this ticket has made."""
        quota = self.gate.refund(self.principal, decision, items)
        self.decision = self.made._replace(quota=quota)

    def charge_for_refusal(self, *, counts_as_rate_limited: bool) -> None:
        """Charge the bucket for a request that is refused before its first charge; read the quota.

        With `counts_as_rate_limited` the outcome is RATE_LIMITED even if the bucket has the token:
        the concurrency limiter has refused the request.
        """
        decision = self._decide(Charge())
        if counts_as_rate_limited:
            self.decision = decision._replace(outcome=Outcome.RATE_LIMITED)

    def require_counters(self) -> None:
        """Raise CountersUnavailable if Redis did not decide this request."""
        if self.made.is_local:
            raise CountersUnavailable

    def quota(self) -> QuotaState:
        """Read the account's counters in its current period, once for a request.

        CountersUnavailable without Redis: counting in the ledger for each request would
        pass the outage on to MongoDB.
        """
        self.require_counters()
        state = self.made.quota or self.gate.quota(self.principal)
        self.decision = self.made._replace(quota=state)
        return state

    def find_quota(self) -> QuotaState | None:
        """Read the same for headers; None if it cannot be read."""
        with suppress(*_UNANSWERED):
            return self.quota()
        return None

    @property
    def time_us(self) -> int:
        """The instant of the decision, on Redis's clock."""
        return self.made.time_us

    def account_now_us(self) -> int:
        """Return an instant that is later than every turn acknowledged so far.

        Without loaded counters the decision does not contain it, since the clock may have stepped
        back. Then the ledger is read: through Redis, or directly while Redis is unavailable.
        """
        decision = self.made
        if decision.account_now_us is not None:
            return decision.account_now_us
        if not decision.is_local:
            with suppress(*_UNANSWERED):
                return self.gate.account_now_us(self.principal)
        return self.gate.account_now_us_by_ledger(self.principal)

    @property
    def made(self) -> Decision:
        """The decision, once the request is charged."""
        if self.decision is None:
            raise AssertionError("the request is not charged yet")
        return self.decision

    def _decide_more(self, operation: Operation) -> Decision:
        """Decide over more turns of this request, and keep the counters after them."""
        so_far = self.made
        decide = self.gate.decide_locally if so_far.is_local else self.gate.decide
        more = decide(self.principal, operation)
        self.decision = so_far._replace(quota=more.quota, is_local=more.is_local)
        return more

    def _decide(self, operation: Operation) -> Decision:
        """Raise RateLimited or TooManyReservations; a quota's refusal of a turn passes."""
        decision = self.decision = self.gate.decide(self.principal, operation)
        if decision.outcome is not Outcome.RATE_LIMITED:
            return decision
        raise refusal_of(decision)
