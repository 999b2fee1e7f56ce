"""Recording turns: charge, store, and give the charge back if the turn was there already.

The ledger is the truth and Redis a fast copy, so the order is fixed: first the charge, in one
atomic call, then the row, which carries the charge's instant and period. Only a write that has
definitely failed is refunded; one whose outcome is unknown stays charged until it is reconciled.
Many turns are charged in chunks, one after the other: a script that charged all of them at once
would hold Redis up for every other account. They are stored together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Protocol

from app.admission.chunks import chunked
from app.admission.clock import LedgerClock, RequestClock
from app.admission.decision import Decision, ItemCharge, TurnCharge, Verdict
from app.admission.refusals import quota_problem, rate_problem
from app.http import offences
from app.http.durations import HOUR_MS
from app.http.problems import Problem, offence
from app.interactions.ids import TurnKeys
from app.interactions.model import Document, Item, Turn, item_of
from app.interactions.schemas import TurnSchema
from app.interactions.store import Insertion, InteractionStore

OLDEST_MS = 48 * HOUR_MS
MAX_AHEAD_MS = 5 * 60_000
NS_OF_MS = 1_000_000
# About a millisecond of Redis's time.
CHARGED_AT_ONCE_COUNT = 100
_SCHEMA = TurnSchema()
_ACCEPTED = frozenset({Verdict.CHARGED, Verdict.REMEMBERED})


class Desk(Protocol):
    """Where a request is admitted and its charges are taken back."""

    def admit(self, turns: Sequence[TurnCharge]) -> Decision:
        """Charge the request and these turns; raises the problem of an empty bucket."""

    def admit_more(self, turns: Sequence[TurnCharge]) -> Decision:
        """Charge more turns of the same request."""

    def refund(self, decision: Decision, indexes: Iterable[int]) -> None:
        """Take back the charges of these turns of `decision`."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A stored turn: made by this request, or found to be the same as one made before."""

    document: Document
    is_new: bool

    @property
    def item(self) -> Item:
        """The turn as it is shown."""
        return item_of(self.document)


RecordingOutcome = Recorded | Problem


def turn_of(keys: TurnKeys, account: str, body: dict[str, Any]) -> Turn:
    """The turn that a valid body tells of; takes `turn_id` and `occurred_at` out of it."""
    occurred_at_ms, cut_ns = divmod(body.pop("occurred_at"), NS_OF_MS)
    ulid = keys.ulid(account, body.pop("turn_id"), occurred_at_ms)
    return Turn(ulid, body, is_cut=cut_ns > 0)


class Recorder:
    """Turns what producers tell into rows of the ledger, each once."""

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
        max_offences: int = offences.MAX_OFFENCES,
    ) -> Turn:
        """The turn in a recording's body, or a validation problem that names its offences."""
        loaded = offences.load(_SCHEMA, body, max_offences=max_offences)
        occurred_at_ms = loaded["occurred_at"] // NS_OF_MS
        if not clock.is_near(occurred_at_ms, oldest_ms=OLDEST_MS, ahead_ms=MAX_AHEAD_MS):
            allowed = {"oldest_hours": 48, "ahead_minutes": 5}
            message = "`occurred_at` must be within the last 48 hours, at most 5 minutes ahead."
            raise Problem.invalid([offence("occurred_at", "out_of_range", message, allowed)])
        return turn_of(self._keys, account, loaded)

    def record(self, account: str, turn: Turn, desk: Desk) -> Recorded:
        """Store one turn and charge for it.

        The same turn again is found, not stored twice, and costs nothing; also when the quota is
        spent. Raises `conflict` for other content under the same turn id, `quota_exhausted`, and
        whatever the desk raises.
        """
        return self.record_charged(account, turn, desk.admit([turn.charge()]), desk)

    def record_many(
        self, account: str, turns: Sequence[Turn], desk: Desk
    ) -> list[RecordingOutcome]:
        """Store each turn on its own; what became of each, in order.

        A turn that is reserved settles its reservation: it is not refused for the one turn and the
        relationship that are held, only for what it costs beyond them. The request is admitted with
        the first `CHARGED_AT_ONCE_COUNT` turns, whatever becomes of those behind them.
        """
        # Without a good turn the request pays all the same.
        first, *others = chunked(turns, CHARGED_AT_ONCE_COUNT) if turns else [[]]
        charged = [_Charged(first, desk.admit(_charges(first)))]
        return self._store_charged(account, charged + _charge_more(others, desk), desk)

    def record_charged(self, account: str, turn: Turn, decision: Decision, desk: Desk) -> Recorded:
        """Store a turn that `decision` has charged or refused already; otherwise as `record`."""
        (outcome,) = self._store_charged(account, [_Charged([turn], decision)], desk)
        if isinstance(outcome, Problem):
            raise outcome
        return outcome

    def _store_charged(
        self, account: str, charged: Sequence["_Charged"], desk: Desk
    ) -> list[RecordingOutcome]:
        pieces = self._attempt(account, charged)
        outcomes = [piece.outcome() for piece in pieces]
        if charged[0].decision.is_rate_limited and isinstance(outcomes[0], Problem):
            raise outcomes[0]  # a lone turn that the quota refuses behind an empty bucket
        refused = [index for index, outcome in enumerate(outcomes) if _is_exhausted(outcome)]
        if _refund(pieces, desk) and refused:
            # Turns that were stored long ago held places until a moment ago.
            more = chunked([pieces[index].turn for index in refused], CHARGED_AT_ONCE_COUNT)
            again = self._attempt(account, _charge_more(more, desk))
            _refund(again, desk)
            for index, piece in zip(refused, again, strict=True):
                outcomes[index] = piece.outcome()
        return outcomes

    def _attempt(self, account: str, charged: Sequence["_Charged"]) -> list["_Piece"]:
        """Insert what was admitted, and look up what is stored of the rest: two calls at most."""
        asked = [
            (turn, charge, each.decision)
            for each in charged
            for turn, charge in zip(each.turns, each.decision.items, strict=True)
        ]
        documents = {
            index: turn.document(
                account,
                decision.quota_period,
                recorded_at_us=charge.recorded_at_us,
                relationship_counted=charge.relationship_counted,
                charged=turn.cost,
                is_degraded=decision.is_local,
            )
            for index, (turn, charge, decision) in enumerate(asked)
            if charge.verdict in _ACCEPTED
        }
        insertions = dict(
            zip(documents, self._store.insert_many(list(documents.values())), strict=True)
        )
        missing = [
            turn.turn_key
            for index, (turn, _, _) in enumerate(asked)
            if insertions.get(index) is not Insertion.STORED
        ]
        stored = self._store.find_turns(account, missing) if missing else {}
        return [
            _Piece(*each, documents.get(i), insertions.get(i), stored.get(each[0].turn_key))
            for i, each in enumerate(asked)
        ]


@dataclass(frozen=True, slots=True)
class _Charged:
    """Some turns, and the decision that has charged or refused each of them."""

    turns: Sequence[Turn]
    decision: Decision


@dataclass(frozen=True, slots=True)
class _Piece:
    """One turn: its charge, the row we tried to insert and how that went, the row that is there."""

    turn: Turn
    charge: ItemCharge
    decision: Decision
    document: Document | None
    insertion: Insertion | None
    stored: Document | None

    @property
    def is_charged_in_vain(self) -> bool:
        """Whether this request paid for a turn that it definitely did not store.

        A stored row that carries this very charge's instant was stored by a twin of this request,
        on the same charge: then the charge stands.
        """
        if self.insertion is Insertion.REFUSED:
            return self.charge.verdict is Verdict.CHARGED
        if self.insertion is not Insertion.DUPLICATE or self.stored is None or not self.turn.cost:
            return False
        if self.stored.get("degraded") and self.charge.verdict is Verdict.REMEMBERED:
            # As a rule the reply of the request that was charged was lost, so that it stored the
            # turn at an instant of its own: then this is the only charge that the turn has. Else
            # the next reconciliation takes it back.
            return False
        # A remembered charge of a turn that is stored under another one was to be refunded by the
        # request that made it; doing it again is harmless, and makes good what was lost on the way.
        return bool(self.stored.get("recorded_at") != self.charge.recorded_at_us)

    def outcome(self) -> RecordingOutcome:
        """What the producer is told."""
        if self.document is not None and self.insertion is Insertion.STORED:
            return Recorded(self.document, is_new=True)
        if self.stored is not None and self.decision.is_rate_limited:
            # The quota has no say in a turn that is stored already.
            return rate_problem(self.decision)
        if self.stored is not None:
            is_same = self.turn.is_same_as(self.stored)
            return Recorded(self.stored, is_new=False) if is_same else conflict()
        if self.insertion is Insertion.REFUSED:
            return Problem("internal_error", "The turn could not be stored; it was not charged.")
        return self._refusal()

    def _refusal(self) -> Problem:
        """Why a turn that is not stored has not been."""
        if self.charge.verdict.is_exhausted:
            return quota_problem(self.decision, self.charge)
        if self.charge.verdict is Verdict.CANCELLED:
            return cancelled()
        # Another request has charged or stored the turn and its row cannot be read yet.
        return Problem(
            "service_unavailable",
            "The same turn is being recorded just now. Retry after 1 second.",
            retry_after_s=1,
        )


def _charge_more(chunks: Iterable[Sequence[Turn]], desk: Desk) -> list[_Charged]:
    return [_Charged(chunk, desk.admit_more(_charges(chunk))) for chunk in chunks]


def _refund(pieces: Sequence[_Piece], desk: Desk) -> bool:
    """Take back what was charged in vain, decision by decision; whether there was anything."""
    in_vain = [piece for piece in pieces if piece.is_charged_in_vain]
    for decision, found in groupby(in_vain, key=attrgetter("decision")):
        desk.refund(decision, [decision.items.index(piece.charge) for piece in found])
    return bool(in_vain)


def _is_exhausted(outcome: RecordingOutcome) -> bool:
    return isinstance(outcome, Problem) and outcome.code == "quota_exhausted"


def _charges(turns: Sequence[Turn]) -> list[TurnCharge]:
    return [turn.charge() for turn in turns]


def conflict() -> Problem:
    """What is said of a turn id that was used for another turn."""
    return Problem(
        "conflict",
        "This turn_id is recorded already, with other content or at another instant. "
        "Only if it is another turn, send it under a new turn_id.",
    )


def cancelled() -> Problem:
    """What is said of a turn that was cancelled minutes ago."""
    return Problem("conflict", "The reservation of this turn_id was cancelled. Use a new turn_id.")
