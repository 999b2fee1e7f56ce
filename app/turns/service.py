"""Reserving, completing and cancelling turns.

A reservation lives in Redis alone and lapses there; nothing is stored before the turn is complete.
Its id is that of the trace to come, so it carries all that is needed later: the turn's key, and the
instant that tells in which billing period the place is held.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from app.admission.decision import Decision, TurnCharge, Verdict
from app.admission.policy import MAX_HOLD_S
from app.admission.refusals import quota_problem
from app.http import offences
from app.http.durations import HOUR_MS
from app.http.problems import Problem, offence, require_valid
from app.interactions.ids import PREFIX, TurnKeys, find_ulid, instant_ms, turn_key
from app.interactions.model import Turn
from app.interactions.recording import (
    MAX_AHEAD_MS,
    OLDEST_MS,
    Desk,
    Recorded,
    Recorder,
    cancelled,
)
from app.interactions.store import InteractionStore
from app.turns.schemas import CompletionSchema, ReservationSchema

_RESERVATION = ReservationSchema()
_COMPLETION = CompletionSchema()
# A turn may be completed until two days after the longest hold.
OLDEST_RESERVATION_MS = OLDEST_MS + MAX_HOLD_S * 1_000


class TurnDesk(Desk, Protocol):
    """Where turns are also reserved."""

    def reserve(self, charge: TurnCharge, hold_us: int) -> Decision:
        """Hold a place; raises the problem of an empty bucket or of too many reservations."""

    def complete(self, charge: TurnCharge, reserved_at_us: int) -> Decision:
        """Charge a turn that was reserved; raises the problem of an empty bucket."""

    def cancel(self, turn_key: str, reserved_at_us: int) -> Decision:
        """Give a place back; raises the problem of an empty bucket."""

    def withdraw(self, turn_key: str, reserved_at_us: int) -> None:
        """Give back what this request has reserved."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A turn that wants a place."""

    turn_id: str
    relationship_id: str | None
    hold_us: int


@dataclass(frozen=True, slots=True)
class Reserved:
    """A place that is held, by this request or by the same one before."""

    interaction_id: str
    expires_at_us: int
    decision: Decision

    @property
    def is_new(self) -> bool:
        """Whether this request made the reservation."""
        return self.decision.items[0].verdict is Verdict.CHARGED


class TurnService:
    """Answers for one account at a time."""

    def __init__(self, store: InteractionStore, recorder: Recorder, keys: TurnKeys) -> None:
        self._store = store
        self._recorder = recorder
        self._keys = keys

    def read_asked(self, body: Any) -> Asked:
        """The turn in a reservation's body, or a validation problem that names its offences."""
        told = offences.load(_RESERVATION, body)
        relationship_id = told["relationship_id"] if told["mode"] == "stateful" else None
        return Asked(told["turn_id"], relationship_id, told["hold_seconds"] * 1_000_000)

    def reserve(self, account: str, asked: Asked, desk: TurnDesk) -> Reserved:
        """Hold one turn, and its relationship if it is new.

        The same turn again is the same reservation. Raises `conflict` for a turn that is recorded,
        cancelled, or reserved with another relationship; `quota_exhausted`; what the desk raises.
        """
        key = turn_key(self._keys.ulid(account, asked.turn_id, 0))
        decision = desk.reserve(TurnCharge(key, 1, asked.relationship_id), asked.hold_us)
        (item,) = decision.items
        is_held = decision.hold is not None and not decision.is_local
        # If this fails the place stays held: the same turn may be asked for again at this moment.
        is_stored = not decision.is_rate_limited and self._is_stored(account, key)
        if is_stored and is_held:
            desk.withdraw(key, item.recorded_at_us)
        _require_place(decision, is_stored=is_stored)
        if decision.hold is None:
            raise AssertionError("a reservation tells when it lapses")
        ulid = self._keys.ulid(account, asked.turn_id, item.recorded_at_us // 1_000)
        return Reserved(PREFIX + ulid, decision.hold.lapses_at_us, decision)

    def read_completed(self, account: str, interaction_id: str, body: Any) -> Turn:
        """The turn in a completion's body, or the problem of the id or of the body.

        The id must have been made for the body's `turn_id`, within the last 49 hours.
        """
        ulid = find_ulid(interaction_id)
        if ulid is None:
            raise _not_found()
        told = offences.load(_COMPLETION, body)
        reserved_at_ms = instant_ms(ulid)
        found = []
        if not self._is_in_time(ulid):
            allowed = {"oldest_hours": OLDEST_RESERVATION_MS // HOUR_MS}
            message = "`interaction_id` was reserved too long ago, or never; record the turn."
            found.append(offence("interaction_id", "out_of_range", message, allowed))
        if ulid != self._keys.ulid(account, told.pop("turn_id"), reserved_at_ms):
            message = (
                "`turn_id` is not the one that this interaction_id was reserved for; send that."
            )
            found.append(offence("turn_id", "mismatch", message))
        require_valid(found)
        return Turn(ulid, told)

    def complete(self, account: str, turn: Turn, desk: TurnDesk) -> Recorded:
        """Store a turn that was reserved and charge for it, whatever the quota says.

        The same content again is found, not stored twice. Raises `conflict` for other content and
        for a turn that was cancelled minutes ago, and what the desk raises.
        """
        decision = desk.complete(turn.charge(), instant_ms(turn.ulid) * 1_000)
        return self._recorder.record_charged(account, turn, decision, desk)

    def read_cancelled(self, interaction_id: str) -> str:
        """The ULID of a reservation that may still be there, or `not_found`."""
        ulid = find_ulid(interaction_id)
        if ulid is None or not self._is_in_time(ulid):
            raise _not_found()
        return ulid

    def cancel(self, account: str, ulid: str, desk: TurnDesk) -> None:
        """Give back what the turn of this id holds; harmless if it holds nothing (any more).

        For minutes the turn can be neither completed nor reserved then. Raises `conflict` if it is
        recorded, and what the desk raises.
        """
        key = turn_key(ulid)
        decision = desk.cancel(key, instant_ms(ulid) * 1_000)
        (item,) = decision.items
        if item.verdict is Verdict.RECORDED or self._is_stored(account, key):
            raise _recorded()

    def _is_stored(self, account: str, key: str) -> bool:
        return bool(self._store.find_turns(account, [key]))

    def _is_in_time(self, ulid: str) -> bool:
        return self._recorder.request_clock().is_near(
            instant_ms(ulid), oldest_ms=OLDEST_RESERVATION_MS, ahead_ms=MAX_AHEAD_MS
        )


def _require_place(decision: Decision, *, is_stored: bool) -> None:
    (item,) = decision.items
    if is_stored or item.verdict is Verdict.RECORDED:
        raise _recorded()
    if item.verdict is Verdict.CANCELLED:
        raise cancelled()
    if item.verdict is Verdict.CONFLICT:
        raise Problem(
            "conflict",
            "This turn_id is reserved with another relationship_id. "
            "Send that one, or a new turn_id.",
        )
    if item.verdict.is_exhausted:
        raise quota_problem(decision, item)


def _recorded() -> Problem:
    return Problem(
        "conflict",
        "This turn_id is recorded already: nothing is left to reserve or cancel. "
        "Only if it is another turn, use a new turn_id.",
    )


def _not_found() -> Problem:
    return Problem(
        "not_found", "There is no such reservation: its id is malformed or older than 49 hours."
    )
