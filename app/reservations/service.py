"""Reserve, complete and cancel turns.

The id of a reservation is that of the turn trace to come. It contains all that is needed later: the
turn's key, and the instant of the reservation, whose billing period holds the turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.admission.chunks import chunked
from app.admission.decision import Decision, TurnCharge, Verdict
from app.admission.refusals import quota_refusal
from app.admission.ticket import AdmissionTicket
from app.http import validation
from app.http.request_errors import field_error, require_valid
from app.interactions.attempts import (
    CHARGED_AT_ONCE_COUNT,
    Charged,
    Recorded,
    RecordingOutcome,
    pair,
)
from app.interactions.errors import TurnCancelled
from app.interactions.ids import PREFIX, TurnKeys, find_ulid, instant_ms, turn_key
from app.interactions.model import TurnTrace
from app.interactions.recording import MAX_AHEAD_MS, Recorder
from app.interactions.store import InteractionStore
from app.reservations.errors import ReservationConflict, ReservationNotFound, TurnRecorded
from app.reservations.limits import OLDEST_RESERVATION_HOURS, OLDEST_RESERVATION_MS
from app.reservations.schemas import (
    BatchedCompletionSchema,
    CompletionSchema,
    ReservationSchema,
)
from app.tenancy.periods import period_at

_RESERVATION = ReservationSchema()
_COMPLETION = CompletionSchema()
_BATCHED = BatchedCompletionSchema()


@dataclass(frozen=True, slots=True)
class ReservationRequest:
    """A turn to reserve; `relationship_id` is set only if the turn counts a relationship."""

    turn_id: str
    relationship_id: str | None
    hold_us: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """A turn that is held, by this request or by the same one before."""

    interaction_id: str
    expires_at_us: int
    decision: Decision

    @property
    def is_new(self) -> bool:
        """Return True if this request made the reservation."""
        return self.decision.items[0].verdict is Verdict.CHARGED


class ReservationService:
    """Reservations of the account that a ticket admits."""

    def __init__(self, store: InteractionStore, recorder: Recorder, keys: TurnKeys) -> None:
        self._store = store
        self._recorder = recorder
        self._keys = keys

    def read_request(self, body: Any) -> ReservationRequest:
        """Return the turn in a reservation's body, or raise InvalidFields."""
        loaded = validation.load(_RESERVATION, body)
        relationship_id = loaded["relationship_id"] if loaded["mode"] == "stateful" else None
        return ReservationRequest(
            loaded["turn_id"], relationship_id, loaded["hold_seconds"] * 1_000_000
        )

    def reserve(self, request: ReservationRequest, ticket: AdmissionTicket) -> Reservation:
        """Hold one turn, and its relationship if it is new.

        The same turn again is the same reservation. Raises TurnRecorded, TurnCancelled,
        ReservationConflict, QuotaExhausted, and what the ticket raises.
        """
        account = ticket.principal.account
        key = self._keys.turn_key(account, request.turn_id)
        decision = ticket.reserve(TurnCharge(key, 1, request.relationship_id), request.hold_us)
        (item,) = decision.items
        is_held = decision.hold is not None and not decision.is_local
        # If this fails the turn stays held: another request may reserve the same turn just now.
        is_stored = not decision.is_bucket_empty and self._is_stored(account, key)
        if is_stored and is_held:
            ticket.withdraw(key, item.recorded_at_us)
        _require_reserved(decision, is_stored=is_stored)
        if decision.hold is None:
            raise AssertionError("a reservation has an expiry")
        ulid = self._keys.ulid(account, request.turn_id, item.recorded_at_us // 1_000)
        return Reservation(PREFIX + ulid, decision.hold.expires_at_us, decision)

    def read_completion(self, account: str, interaction_id: str, body: Any) -> TurnTrace:
        """Return the turn in a completion's body.

        The id must be that of a reservation of the body's `turn_id` within the last 49 hours.
        Raises ReservationNotFound for a malformed id, and InvalidFields.
        """
        ulid = find_ulid(interaction_id)
        if ulid is None:
            raise ReservationNotFound
        return self._turn_of(account, ulid, validation.load(_COMPLETION, body))

    def read_batched(self, account: str, body: Any, *, max_field_errors: int) -> TurnTrace:
        """Return the turn in an element of a batch of completions, or raise InvalidFields."""
        loaded = validation.load(_BATCHED, body, max_field_errors=max_field_errors)
        ulid = loaded.pop("interaction_id").removeprefix(PREFIX)
        return self._turn_of(account, ulid, loaded)

    def _turn_of(self, account: str, ulid: str, loaded: dict[str, Any]) -> TurnTrace:
        reserved_at_ms = instant_ms(ulid)
        found = []
        if not self._is_in_time(ulid):
            allowed = {"oldest_hours": OLDEST_RESERVATION_HOURS}
            message = "`interaction_id` was reserved too long ago, or never; record the turn."
            found.append(field_error("interaction_id", "out_of_range", message, allowed))
        if ulid != self._keys.ulid(account, loaded.pop("turn_id"), reserved_at_ms):
            message = (
                "`turn_id` is not the one that this interaction_id was reserved for; send that."
            )
            found.append(field_error("turn_id", "mismatch", message))
        require_valid(found)
        return TurnTrace(ulid, loaded)

    def complete(self, turn: TurnTrace, ticket: AdmissionTicket) -> Recorded:
        """Store a turn that was reserved and charge for it, whatever is left of the quota.

        The same content again is found, not stored twice. Raises TurnConflict for other content,
        TurnCancelled, and what the ticket raises.
        """
        decision = ticket.complete(turn.charge(), _reserved_at_us(turn))
        return self._recorder.record_charged(turn, decision, ticket)

    def complete_many(
        self, turns: Sequence[TurnTrace], ticket: AdmissionTicket, *, tokens: int
    ) -> list[RecordingOutcome]:
        """Store reserved turns, each on its own; return what is stored, or the turn's error.

        The request is admitted for `tokens`; then each turn is charged as by `complete`.
        """
        ticket.charge(tokens=tokens)
        return self._recorder.store_charged(_charge(turns, ticket), ticket)

    def read_reservation_id(self, interaction_id: str) -> str:
        """Return the ULID of a reservation that may be open, or raise ReservationNotFound."""
        ulid = find_ulid(interaction_id)
        if ulid is None or not self._is_in_time(ulid):
            raise ReservationNotFound
        return ulid

    def cancel(self, ulid: str, ticket: AdmissionTicket) -> None:
        """Release the hold of the turn of this id; no effect if there is none.

        Afterwards the turn can be neither completed nor reserved for minutes. Raises TurnRecorded,
        and what the ticket raises.
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


def _reserved_at_us(turn: TurnTrace) -> int:
    return instant_ms(turn.ulid) * 1_000


def _charge(turns: Sequence[TurnTrace], ticket: AdmissionTicket) -> list[Charged]:
    """Charge turns of the current period in chunks, and each turn of another one by itself."""
    period = period_at(ticket.principal.signed_up_on, ticket.time_us)
    are_current = [period.start_us <= _reserved_at_us(turn) < period.end_us for turn in turns]
    current = [turn for turn, is_current in zip(turns, are_current, strict=True) if is_current]
    charged = iter(
        [each for chunk in chunked(current, CHARGED_AT_ONCE_COUNT) for each in _pair(chunk, ticket)]
    )
    return [
        next(charged) if is_current else _pair([turn], ticket)[0]
        for turn, is_current in zip(turns, are_current, strict=True)
    ]


def _pair(turns: Sequence[TurnTrace], ticket: AdmissionTicket) -> list[Charged]:
    charges = [turn.charge() for turn in turns]
    return pair(turns, ticket.complete_more(charges, _reserved_at_us(turns[0])))


def _require_reserved(decision: Decision, *, is_stored: bool) -> None:
    (item,) = decision.items
    if is_stored or item.verdict is Verdict.RECORDED:
        raise TurnRecorded
    if item.verdict is Verdict.CANCELLED:
        raise TurnCancelled
    if item.verdict is Verdict.CONFLICT:
        raise ReservationConflict
    if item.verdict.is_exhausted:
        raise quota_refusal(decision, item)
