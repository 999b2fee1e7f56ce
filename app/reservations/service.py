"""Reserving, completing and cancelling turns.

A reservation lives in Redis alone and lapses there; nothing is stored before the turn is complete.
Its id is that of the trace to come, so it carries all that is needed later: the turn's key, and the
instant that tells in which billing period the place is held.
"""

from dataclasses import dataclass
from typing import Any

from app.admission.decision import Decision, TurnCharge, Verdict
from app.admission.policy import MAX_HOLD_S
from app.admission.refusals import quota_refusal
from app.admission.ticket import AdmissionTicket
from app.http import validation
from app.http.durations import HOUR_MS
from app.http.request_errors import field_error, require_valid
from app.interactions.attempts import Recorded
from app.interactions.errors import TurnCancelled
from app.interactions.ids import PREFIX, TurnKeys, find_ulid, instant_ms, turn_key
from app.interactions.model import TurnTrace
from app.interactions.recording import (
    MAX_AHEAD_MS,
    OLDEST_MS,
    Recorder,
)
from app.interactions.store import InteractionStore
from app.reservations.errors import ReservationConflict, ReservationNotFound, TurnRecorded
from app.reservations.schemas import CompletionSchema, ReservationSchema

_RESERVATION = ReservationSchema()
_COMPLETION = CompletionSchema()
# A turn may be completed until two days after the longest hold.
OLDEST_RESERVATION_MS = OLDEST_MS + MAX_HOLD_S * 1_000


@dataclass(frozen=True, slots=True)
class ReservationRequest:
    """A turn that wants a place."""

    turn_id: str
    relationship_id: str | None
    hold_us: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """A place that is held, by this request or by the same one before."""

    interaction_id: str
    expires_at_us: int
    decision: Decision

    @property
    def is_new(self) -> bool:
        """Whether this request made the reservation."""
        return self.decision.items[0].verdict is Verdict.CHARGED


class ReservationService:
    """Answers for one account at a time."""

    def __init__(self, store: InteractionStore, recorder: Recorder, keys: TurnKeys) -> None:
        self._store = store
        self._recorder = recorder
        self._keys = keys

    def read_request(self, body: Any) -> ReservationRequest:
        """The turn in a reservation's body, or a validation problem that lists its field errors."""
        told = validation.load(_RESERVATION, body)
        relationship_id = told["relationship_id"] if told["mode"] == "stateful" else None
        return ReservationRequest(
            told["turn_id"], relationship_id, told["hold_seconds"] * 1_000_000
        )

    def reserve(self, asked: ReservationRequest, ticket: AdmissionTicket) -> Reservation:
        """Hold one turn, and its relationship if it is new.

        The same turn again is the same reservation. Raises `conflict` for a turn that is recorded,
        cancelled, or reserved with another relationship; `quota_exhausted`; what the ticket raises.
        """
        account = ticket.principal.account
        key = turn_key(self._keys.ulid(account, asked.turn_id, 0))
        decision = ticket.reserve(TurnCharge(key, 1, asked.relationship_id), asked.hold_us)
        (item,) = decision.items
        is_held = decision.hold is not None and not decision.is_local
        # If this fails the place stays held: the same turn may be asked for again at this moment.
        is_stored = not decision.is_rate_limited and self._is_stored(account, key)
        if is_stored and is_held:
            ticket.withdraw(key, item.recorded_at_us)
        _require_place(decision, is_stored=is_stored)
        if decision.hold is None:
            raise AssertionError("a reservation tells when it lapses")
        ulid = self._keys.ulid(account, asked.turn_id, item.recorded_at_us // 1_000)
        return Reservation(PREFIX + ulid, decision.hold.expires_at_us, decision)

    def read_completion(self, account: str, interaction_id: str, body: Any) -> TurnTrace:
        """The turn in a completion's body, or the problem of the id or of the body.

        The id must have been made for the body's `turn_id`, within the last 49 hours.
        """
        ulid = find_ulid(interaction_id)
        if ulid is None:
            raise ReservationNotFound
        told = validation.load(_COMPLETION, body)
        reserved_at_ms = instant_ms(ulid)
        found = []
        if not self._is_in_time(ulid):
            allowed = {"oldest_hours": OLDEST_RESERVATION_MS // HOUR_MS}
            message = "`interaction_id` was reserved too long ago, or never; record the turn."
            found.append(field_error("interaction_id", "out_of_range", message, allowed))
        if ulid != self._keys.ulid(account, told.pop("turn_id"), reserved_at_ms):
            message = (
                "`turn_id` is not the one that this interaction_id was reserved for; send that."
            )
            found.append(field_error("turn_id", "mismatch", message))
        require_valid(found)
        return TurnTrace(ulid, told)

    def complete(self, turn: TurnTrace, ticket: AdmissionTicket) -> Recorded:
        """Store a turn that was reserved and charge for it, whatever the quota says.

        The same content again is found, not stored twice. Raises `conflict` for other content and
        for a turn that was cancelled minutes ago, and what the ticket raises.
        """
        decision = ticket.complete(turn.charge(), instant_ms(turn.ulid) * 1_000)
        return self._recorder.record_charged(turn, decision, ticket)

    def read_reservation_id(self, interaction_id: str) -> str:
        """The ULID of a reservation that may still be there, or `not_found`."""
        ulid = find_ulid(interaction_id)
        if ulid is None or not self._is_in_time(ulid):
            raise ReservationNotFound
        return ulid

    def cancel(self, ulid: str, ticket: AdmissionTicket) -> None:
        """Give back what the turn of this id holds; harmless if it holds nothing (any more).

        For minutes the turn can be neither completed nor reserved then. Raises `conflict` if it is
        recorded, and what the ticket raises.
        """
        key = turn_key(ulid)
        decision = ticket.cancel(key, instant_ms(ulid) * 1_000)
        (item,) = decision.items
        if item.verdict is Verdict.RECORDED or self._is_stored(ticket.principal.account, key):
            raise TurnRecorded

    def _is_stored(self, account: str, key: str) -> bool:
        return bool(self._store.find_turns(account, [key]))

    def _is_in_time(self, ulid: str) -> bool:
        return self._recorder.request_clock().is_near(
            instant_ms(ulid), oldest_ms=OLDEST_RESERVATION_MS, ahead_ms=MAX_AHEAD_MS
        )


def _require_place(decision: Decision, *, is_stored: bool) -> None:
    (item,) = decision.items
    if is_stored or item.verdict is Verdict.RECORDED:
        raise TurnRecorded
    if item.verdict is Verdict.CANCELLED:
        raise TurnCancelled
    if item.verdict is Verdict.CONFLICT:
        raise ReservationConflict
    if item.verdict.is_exhausted:
        raise quota_refusal(decision, item)
