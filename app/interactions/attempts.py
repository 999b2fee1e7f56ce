"""Attempts to record a turn: the values between the steps, and the rules of refund and answer.

    charge → Charged → insert → Inserted → look up → Attempt → refund, answer

`app.interactions.recording` has the two steps that need the store.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from app.admission.chunks import chunked
from app.admission.decision import Decision, ItemCharge, TurnCharge, Verdict
from app.admission.refusals import quota_refusal, refusal_of
from app.admission.ticket import AdmissionTicket
from app.interactions.errors import (
    TurnBeingRecorded,
    TurnCancelled,
    TurnConflict,
    TurnNotStored,
)
from app.interactions.model import Document, TurnTrace
from app.interactions.store import Insertion
from app.tenancy.model import Principal

# About a millisecond of Redis's time.
CHARGED_AT_ONCE_COUNT = 100
_ACCEPTED = frozenset({Verdict.CHARGED, Verdict.REPLAYED})


@dataclass(frozen=True, slots=True)
class Recorded:
    """A stored turn: stored by this request, or found to be the same as one stored before."""

    document: Document
    is_new: bool


# An exception is the error of this one turn.
RecordingOutcome = Recorded | Exception


class Charged(NamedTuple):
    """A turn, its charge or refusal, and the decision that made it."""

    turn: TurnTrace
    charge: ItemCharge
    decision: Decision


class Inserted(NamedTuple):
    """A charged turn, the row made of it, and the outcome of its insertion; None if refused."""

    charged: Charged
    document: Document | None
    insertion: Insertion | None


class Attempt(NamedTuple):
    """An inserted turn, and the row that is stored for it if this request did not store it."""

    charged: Charged
    document: Document | None
    insertion: Insertion | None
    stored: Document | None


def charge(turns: Sequence[TurnTrace], ticket: AdmissionTicket, tokens: int) -> list[Charged]:
    """Charge the request with its first chunk of turns, then charge the others chunk by chunk.

    The first call takes all `tokens`, also without turns.
    """
    first, others = turns[:CHARGED_AT_ONCE_COUNT], turns[CHARGED_AT_ONCE_COUNT:]
    decision = ticket.charge(_charges(first), tokens=tokens)
    return pair(first, decision) + charge_more(others, ticket)


def charge_more(turns: Sequence[TurnTrace], ticket: AdmissionTicket) -> list[Charged]:
    """Charge turns of a request that is charged already, chunk by chunk."""
    charged = []
    for chunk in chunked(turns, CHARGED_AT_ONCE_COUNT):
        charged += pair(chunk, ticket.charge_more(_charges(chunk)))
    return charged


def pair(turns: Sequence[TurnTrace], decision: Decision) -> list[Charged]:
    """Return each turn with its charge in `decision`."""
    return [Charged(turn, item, decision) for turn, item in zip(turns, decision.items, strict=True)]


def document_of(principal: Principal, charged: Charged) -> Document | None:
    """Return the row of a charged turn, recorded by this key; None if the turn was refused."""
    turn, charge, decision = charged
    if charge.verdict not in _ACCEPTED:
        return None
    return turn.document(
        principal.account,
        decision.quota_period,
        recorded_at_us=charge.recorded_at_us,
        relationship_counted=charge.relationship_counted,
        charged=turn.cost,
        uncharged=turn.uncharged,
        key_id=principal.key_id,
        is_degraded=decision.is_local,
    )


def refund(attempts: Sequence[Attempt], ticket: AdmissionTicket) -> bool:
    """Take back the charges of turns that were not stored under them; True if there were any."""
    due = [each.charged for each in attempts if is_refund_due(each)]
    for decision, group in groupby(due, key=lambda each: each.decision):
        ticket.refund(decision, [each.charge for each in group])
    return bool(due)


# | insertion           | stored row                 | verdict  | refund                           |
# | ------------------- | -------------------------- | -------- | -------------------------------- |
# | none                | any                        | refused  | no: nothing was charged          |
# | STORED              | this one                   | any      | no: the charge is this row's     |
# | REFUSED_BY_DATABASE | any                        | CHARGED  | yes                              |
# | REFUSED_BY_DATABASE | any                        | REPLAYED | no: the charging request refunds |
# | DUPLICATE           | not readable yet           | any      | no: the outcome is unknown       |
# | DUPLICATE           | with this charge's instant | any      | no: a twin request stored it     |
# | DUPLICATE           | another instant, degraded  | REPLAYED | no: see below                    |
# | DUPLICATE           | another instant            | any      | yes                              |
#
# The degraded row: Redis charged the turn and the reply was lost. The turn was then stored as
# degraded, under a local instant. The replayed charge is its only one: keep it. Should it be a
# second one for another reason, the next reconciliation takes it back.
#
# A replayed charge of a turn that is stored under another one was due for refund by the request
# that made it. A second refund is harmless, and makes good for one that was lost.
def is_refund_due(attempt: Attempt) -> bool:
    """Return True if this request charged a turn that it definitely did not store; table above."""
    charge, stored = attempt.charged.charge, attempt.stored
    if attempt.insertion is Insertion.REFUSED_BY_DATABASE:
        return charge.verdict is Verdict.CHARGED
    if attempt.insertion is not Insertion.DUPLICATE or stored is None:
        return False
    if charge.verdict is Verdict.REPLAYED and stored.get("degraded"):
        return False
    return bool(stored.get("recorded_at") != charge.recorded_at_us)


def answer(attempt: Attempt) -> RecordingOutcome:
    """Return the outcome for the producer: what is stored, or the error of this turn.

    The quota has no say in a turn that is stored already.
    """
    (turn, _, decision), document, insertion, stored = attempt
    if document is not None and insertion is Insertion.STORED:
        return Recorded(document, is_new=True)
    if stored is not None:
        if decision.is_bucket_empty:
            return refusal_of(decision)
        return Recorded(stored, is_new=False) if turn.is_same_as(stored) else TurnConflict()
    if insertion is Insertion.REFUSED_BY_DATABASE:
        return TurnNotStored()
    return _refusal(attempt.charged)


def _refusal(charged: Charged) -> Exception:
    """Return the error of a turn that is not stored and was not inserted."""
    verdict = charged.charge.verdict
    if verdict.is_exhausted:
        return quota_refusal(charged.decision, charged.charge)
    if verdict is Verdict.CANCELLED:
        return TurnCancelled()
    # Another request has charged or stored the turn, and its row cannot be read yet.
    return TurnBeingRecorded()


def _charges(turns: Sequence[TurnTrace]) -> list[TurnCharge]:
    return [turn.charge() for turn in turns]
