"""Recording turns: charge, store, and give the charge back if the turn was there already.

The ledger is the truth and Redis a fast copy, so the order is fixed: first the charge, in one
atomic call, then the row, which carries the charge's instant and period. Only a write that has
definitely failed is refunded; one whose outcome is unknown stays charged until it is reconciled.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from app.access import quota_problem, rate_problem
from app.admission.clock import LedgerClock
from app.admission.decision import Decision, ItemCharge, TurnCharge, Verdict
from app.admission.gate import Gate
from app.http import offences
from app.http.problems import Problem, offence
from app.interactions.ids import TurnKeys
from app.interactions.model import Document, Item, Turn, item_of
from app.interactions.schemas import TurnSchema
from app.interactions.store import Insertion, InteractionStore
from app.tenancy.model import Principal

OLDEST_MS = 48 * 3_600_000
MOST_AHEAD_MS = 5 * 60_000
_SCHEMA = TurnSchema()
_HISTORY_CHUNK = 1_000

Admit = Callable[[Sequence[TurnCharge]], Decision]
_ACCEPTED = frozenset({Verdict.CHARGED, Verdict.REMEMBERED})
_COMPONENTS = {
    Verdict.TURNS_EXHAUSTED: "turns",
    Verdict.RELATIONSHIPS_EXHAUSTED: "active_relationships",
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """A stored turn: made by this request, or found to be the same as one made before."""

    document: Document
    is_new: bool

    @property
    def item(self) -> Item:
        """The turn as it is shown."""
        return item_of(self.document)


class Recorder:
    """Turns what producers tell into rows of the ledger, each once."""

    def __init__(
        self, store: InteractionStore, gate: Gate, clock: LedgerClock, keys: TurnKeys
    ) -> None:
        self._store = store
        self._gate = gate
        self._clock = clock
        self._keys = keys

    def read(self, account: str, body: Any) -> Turn:
        """The turn in a recording's body, or a validation problem that names every offence."""
        told = offences.load(_SCHEMA, body)
        now_ms = self._clock.now_us() // 1000
        if not now_ms - OLDEST_MS <= told["occurred_at"] <= now_ms + MOST_AHEAD_MS:
            allowed = {"oldest_hours": 48, "ahead_minutes": 5}
            message = "`occurred_at` must be within the last 48 hours, at most 5 minutes ahead."
            raise Problem.invalid([offence("occurred_at", "out_of_range", message, allowed)])
        return self._turn(account, told)

    def _turn(self, account: str, told: dict[str, Any]) -> Turn:
        ulid = self._keys.ulid(account, told.pop("turn_id"), told.pop("occurred_at"))
        return Turn(ulid, told)

    def record(self, principal: Principal, turn: Turn, admit: Admit) -> Recorded:
        """Store one turn and charge for it.

        The same turn again is found, not stored twice, and costs nothing; also when the quota is
        spent. Raises `conflict` for other content under the same turn id, `quota_exhausted`, and
        whatever `admit` raises.
        """
        (outcome,) = self.record_many(principal, [turn], admit)
        if isinstance(outcome, Problem):
            raise outcome
        return outcome

    def record_many(
        self, principal: Principal, turns: Sequence[Turn], admit: Admit
    ) -> list[Recorded | Problem]:
        """Store each turn on its own; what became of each, in order."""
        decision = admit([turn.charge() for turn in turns])
        accepted = {
            index: turn.document(
                principal.account,
                decision.quota_period,
                recorded_at_us=charge.recorded_at_us,
                relationship_counted=charge.relationship_counted,
                charged=turn.cost,
            )
            for index, (turn, charge) in enumerate(zip(turns, decision.items, strict=True))
            if charge.verdict in _ACCEPTED
        }
        inserted = dict(
            zip(accepted, self._store.insert_many(list(accepted.values())), strict=True)
        )
        outcomes: dict[int, Recorded | Problem] = {
            index: Recorded(accepted[index], is_new=True)
            for index, insertion in inserted.items()
            if insertion is Insertion.STORED
        }
        missing = [index for index in range(len(turns)) if index not in outcomes]
        if missing:
            outcomes |= self._settle(principal, decision, turns, missing, inserted)
        return [outcomes[index] for index in range(len(turns))]

    def _settle(
        self,
        principal: Principal,
        decision: Decision,
        turns: Sequence[Turn],
        missing: list[int],
        inserted: dict[int, Insertion],
    ) -> dict[int, Recorded | Problem]:
        """Look up what is stored for turns that this request did not store; refund them."""
        stored = self._store.find_turns(
            principal.account, [turns[index].turn_key for index in missing]
        )
        outcomes: dict[int, Recorded | Problem] = {}
        refundable: list[int] = []
        for index in missing:
            charge = decision.items[index]
            row = stored.get(turns[index].turn_key)
            insertion = inserted.get(index)
            if insertion and _is_charged_in_vain(charge, insertion, row):
                refundable.append(index)
            outcomes[index] = _outcome(turns[index], decision, charge, insertion, row)
        if refundable:
            self._gate.refund(principal, decision, refundable)
        return outcomes

    def import_history(
        self, account: str, bodies: Iterable[Any], quota_period: str, recorded_at_us: int
    ) -> tuple[int, int]:
        """Store finished turns of the past, charging no quota: (stored, duplicates).

        Bodies are as in a recording, but may be older than 48 hours.
        """
        counts: Counter[Insertion] = Counter()
        rows = (
            self._turn(account, offences.load(_SCHEMA, body)).document(
                account,
                quota_period,
                recorded_at_us=recorded_at_us,
                relationship_counted=False,
                charged=0,
            )
            for body in bodies
        )
        while chunk := list(islice(rows, _HISTORY_CHUNK)):
            counts.update(self._store.insert_many(chunk))
        if counts[Insertion.REFUSED]:
            raise RuntimeError("the database refused rows that the schema accepted")
        return counts[Insertion.STORED], counts[Insertion.DUPLICATE]


def _is_charged_in_vain(charge: ItemCharge, insertion: Insertion, row: Document | None) -> bool:
    """Whether this request paid for a turn that it definitely did not store.

    A stored row that carries this very charge's instant was stored by a twin of this request,
    on the same charge: then the charge stands.
    """
    if charge.verdict is not Verdict.CHARGED:
        return False
    if insertion is Insertion.REFUSED:
        return True
    return row is not None and row["recorded_at"] != charge.recorded_at_us


def _outcome(
    turn: Turn,
    decision: Decision,
    charge: ItemCharge,
    insertion: Insertion | None,
    row: Document | None,
) -> Recorded | Problem:
    if row is not None and decision.is_rate_limited:
        return rate_problem(decision)  # the quota has nothing to say: the turn is stored already
    if row is not None:
        return Recorded(row, is_new=False) if turn.is_same_as(row) else _conflict()
    if insertion is Insertion.REFUSED:
        return Problem("internal_error", "The turn could not be stored; it was not charged.")
    if insertion is Insertion.DUPLICATE:
        return Problem.unavailable()  # stored a moment ago, and not readable yet: ask again
    if charge.verdict is Verdict.CONFLICT:
        return _conflict()
    return quota_problem(decision, _COMPONENTS[charge.verdict])


def _conflict() -> Problem:
    return Problem(
        "conflict",
        "This turn_id was already used for a turn with other content. "
        "Send the same content, or a new turn_id.",
    )
