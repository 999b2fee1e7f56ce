"""Record turns: charge, insert, look up, refund, answer.

The ledger is the truth and Redis a fast copy, so the order is fixed:

1. charge the turns, in one atomic call, or in chunks: a script that charged a long batch at once
   would block Redis for every other account
2. insert the rows of the charged ones, which carry the instant and the period of their charge
3. look up the others: they may be stored already
4. refund the charges of turns that were definitely not stored; an unknown outcome stays charged
   until reconciliation
5. answer for each turn

If refunds freed quota that refused other turns of the request, those have one more attempt.
"""

from collections.abc import Sequence
from typing import Any

from app.admission.clock import LedgerClock, RequestClock
from app.admission.decision import Decision
from app.admission.errors import QuotaExhausted
from app.admission.ticket import AdmissionTicket
from app.http import validation
from app.http.durations import HOUR_MS
from app.http.request_errors import InvalidFields, field_error
from app.interactions.attempts import (
    Attempt,
    Charged,
    Inserted,
    Recorded,
    RecordingOutcome,
    answer,
    charge,
    charge_more,
    document_of,
    pair,
    refund,
)
from app.interactions.ids import TurnKeys
from app.interactions.model import TurnTrace
from app.interactions.schemas import TurnSchema
from app.interactions.store import Insertion, InteractionStore
from app.tenancy.model import Principal

OLDEST_HOURS = 48
OLDEST_MS = OLDEST_HOURS * HOUR_MS
MAX_AHEAD_MINUTES = 5
MAX_AHEAD_MS = MAX_AHEAD_MINUTES * 60_000
NS_OF_MS = 1_000_000
_SCHEMA = TurnSchema()


def turn_of(keys: TurnKeys, account: str, body: dict[str, Any]) -> TurnTrace:
    """Return the turn in a valid body; takes `turn_id` and `occurred_at` out of it."""
    occurred_at_ms, cut_ns = divmod(body.pop("occurred_at"), NS_OF_MS)
    ulid = keys.ulid(account, body.pop("turn_id"), occurred_at_ms)
    return TurnTrace(ulid, body, is_cut=cut_ns > 0)


class Recorder:
    """Stores each turn of the producers once, and charges for it once."""

    def __init__(self, store: InteractionStore, clock: LedgerClock, keys: TurnKeys) -> None:
        self._store = store
        self._clock = clock
        self._keys = keys

    def request_clock(self) -> RequestClock:
        """Return the clock by which one request judges `occurred_at`."""
        return RequestClock(self._clock)

    def read(
        self,
        account: str,
        body: Any,
        clock: RequestClock,
        *,
        max_field_errors: int = validation.MAX_FIELD_ERRORS,
    ) -> TurnTrace:
        """Return the turn in a recording's body, or raise InvalidFields."""
        loaded = validation.load(_SCHEMA, body, max_field_errors=max_field_errors)
        occurred_at_ms = loaded["occurred_at"] // NS_OF_MS
        if not clock.is_near(occurred_at_ms, oldest_ms=OLDEST_MS, ahead_ms=MAX_AHEAD_MS):
            allowed = {"oldest_hours": OLDEST_HOURS, "ahead_minutes": MAX_AHEAD_MINUTES}
            message = (
                f"`occurred_at` must be within the last {OLDEST_HOURS} hours, "
                f"at most {MAX_AHEAD_MINUTES} minutes ahead."
            )
            raise InvalidFields([field_error("occurred_at", "out_of_range", message, allowed)])
        return turn_of(self._keys, account, loaded)

    def record(self, turn: TurnTrace, ticket: AdmissionTicket) -> Recorded:
        """Store one turn and charge for it.

        The same turn again is found, not stored twice, and costs nothing; also when the quota is
        spent. Raises TurnConflict for other content under the same turn id, QuotaExhausted, other
        errors of this one turn, and what the ticket raises.
        """
        return self.record_charged(turn, ticket.charge([turn.charge()]), ticket)

    def record_charged(
        self, turn: TurnTrace, decision: Decision, ticket: AdmissionTicket
    ) -> Recorded:
        """Store a turn that `decision` has charged or refused already; otherwise as `record`."""
        (outcome,) = self.store_charged(pair([turn], decision), ticket)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def record_many(
        self, turns: Sequence[TurnTrace], ticket: AdmissionTicket, *, tokens: int
    ) -> list[RecordingOutcome]:
        """Store each turn on its own; return what is stored, or the turn's error, in order.

        A turn that is reserved ends its reservation: the quota refuses it only for what it costs
        beyond the hold. The request is admitted with its first chunk, for `tokens`, whatever
        becomes of the other turns.
        """
        return self.store_charged(charge(turns, ticket, tokens), ticket)

    def record_more(
        self, turns: Sequence[TurnTrace], ticket: AdmissionTicket
    ) -> list[RecordingOutcome]:
        """Store more turns of a request that is charged already; otherwise as `record_many`."""
        return self.store_charged(charge_more(turns, ticket), ticket)

    def store_charged(
        self, charged: Sequence[Charged], ticket: AdmissionTicket
    ) -> list[RecordingOutcome]:
        """Store turns that are charged or refused already; otherwise as `record_many`."""
        principal = ticket.principal
        attempts = self._look_up(principal.account, self._insert(principal, charged))
        outcomes = [answer(each) for each in attempts]
        # The ticket did not raise: the outcome of a lone turn that the quota refuses is
        # QUOTA_EXHAUSTED, also behind an empty bucket, since the turn may be stored. The bucket
        # refused the request, so a batch of one turn fails as a whole.
        if charged and charged[0].decision.is_bucket_empty and isinstance(outcomes[0], Exception):
            raise outcomes[0]
        refused = [i for i, each in enumerate(outcomes) if isinstance(each, QuotaExhausted)]
        if refund(attempts, ticket) and refused:
            charged = charge_more([charged[index].turn for index in refused], ticket)
            attempts = self._look_up(principal.account, self._insert(principal, charged))
            refund(attempts, ticket)
            for index, attempt in zip(refused, attempts, strict=True):
                outcomes[index] = answer(attempt)
        return outcomes

    def _insert(self, principal: Principal, charged: Sequence[Charged]) -> list[Inserted]:
        documents = [document_of(principal, each) for each in charged]
        insertions = iter(self._store.insert_many([each for each in documents if each is not None]))
        return [
            Inserted(each, document, None if document is None else next(insertions))
            for each, document in zip(charged, documents, strict=True)
        ]

    def _look_up(self, account: str, inserted: Sequence[Inserted]) -> list[Attempt]:
        missing = [
            each.charged.turn.turn_key
            for each in inserted
            if each.insertion is not Insertion.STORED
        ]
        stored = self._store.find_turns(account, missing) if missing else {}
        return [
            Attempt(*each, stored.get(each.charged.turn.turn_key) if stored else None)
            for each in inserted
        ]
