"""Keep the turns of one environment: reserve, record, complete and cancel them."""

from dataclasses import dataclass
from typing import Any

from .fields import (
    BATCHED_COMPLETION,
    COMPLETION,
    RESERVATION,
    TURN,
    load_body,
)
from .quota import Bucket, Hold, Limits, Quota
from .wire import (
    ULID,
    Refusal,
    conflict,
    field_error,
    format_ms,
    instant_of,
    interaction_id,
    invalid,
    key_of,
    turn_key,
)

Item = dict[str, Any]
_DAY_MS = 86_400_000
PEEK_LIMITS = Limits(None, None, None, 5, 10, "block")
_OLDEST_RESERVATION_MS = 49 * 3_600_000
_CANCELLED_MS = 5 * 60_000
_MOST_ERRORS_OF_AN_ELEMENT = 5
_CONTENT = (
    *("mode", "status", "user_id", "relationship_id", "personality_id"),
    *("inferred_emotional_state", "memory", "guardrails", "usage"),
    *("latency_ms", "time_to_first_token_ms", "error_code"),
)


@dataclass(frozen=True, slots=True)
class Stored:
    """Hold a turn: as it was sent, its content, and the item that answers show."""

    turn_id: str
    at_ms: int
    sent: Item
    content: Item
    item: Item


class FakeAccount:
    """Answer for one environment; each method gets the time and is one request's work."""

    def __init__(self, environment: str, limits: Limits, now_ms: int) -> None:
        self.environment = environment
        self.limits = limits
        self.turns: dict[str, Stored] = {}
        self.quota = Quota(limits, now_ms - now_ms % _DAY_MS)
        self.bucket = Bucket(limits, limits.burst, now_ms)
        # Requests that only look at the limits have a bucket of their own.
        self.peek_bucket = Bucket(PEEK_LIMITS, PEEK_LIMITS.burst, now_ms)
        self.signed_up_ms = self.quota.start_ms
        self._cancelled_until: dict[str, int] = {}

    def change_limits(self, limits: Limits) -> None:
        """Apply other limits from now on."""
        self.limits = self.quota.limits = self.bucket.limits = limits

    def record(self, body: Any, now_ms: int, most_errors: int | None = None) -> tuple[Stored, bool]:
        """Store a turn; return it, and True if it is new."""
        loaded = self.check_recording(body, now_ms, most_errors)
        if isinstance(loaded, Stored):
            return loaded, False
        at_ms = loaded.pop("occurred_at")
        return self._store(self._key(loaded), loaded, at_ms, body), True

    def record_batched(self, body: Any, now_ms: int) -> tuple[Stored, bool]:
        """Store an element of a batch, as `record`."""
        return self.record(body, now_ms, _MOST_ERRORS_OF_AN_ELEMENT)

    def check_recording(
        self, body: Any, now_ms: int, most_errors: int | None = None
    ) -> Stored | Item:
        """Return the fields of a recording that fits, or the stored turn; change nothing."""
        loaded = load_body(TURN, body, now_ms, most_errors)
        key = self._key(loaded)
        content = {name: value for name, value in loaded.items() if name != "occurred_at"}
        known = self._known(key, content, loaded["occurred_at"], now_ms)
        if known:
            return known
        cost = loaded["usage"]["turns_consumed"]
        self.quota.require(cost, _counted(loaded), key, now_ms)
        return loaded

    def complete(self, id_: str, body: Any, now_ms: int) -> tuple[Stored, bool]:
        """Store a reserved turn, whatever is left of the quota."""
        if ULID.fullmatch(id_) is None:
            raise Refusal("not_found", "There is no such reservation.")
        return self._complete(id_, load_body(COMPLETION, body, now_ms), body, now_ms)

    def complete_batched(self, body: Any, now_ms: int) -> tuple[Stored, bool]:
        """Store an element of a batch of completions, as `complete`."""
        loaded = load_body(BATCHED_COMPLETION, body, now_ms, _MOST_ERRORS_OF_AN_ELEMENT)
        sent = {name: value for name, value in body.items() if name != "interaction_id"}
        return self._complete(loaded.pop("interaction_id"), loaded, sent, now_ms)

    def _complete(self, id_: str, loaded: Item, sent: Item, now_ms: int) -> tuple[Stored, bool]:
        key = self._key(loaded)
        self._require_reserved(id_, key, now_ms)
        known = self._known(key, loaded, instant_of(id_), now_ms)
        if known:
            return known, False
        return self._store(key, loaded, instant_of(id_), sent), True

    def reserve(self, body: Any, now_ms: int) -> tuple[Item, bool]:
        """Hold a turn; return the answer, and True if the hold is new."""
        loaded = self.check_reservation(body, now_ms)
        key = self._key(loaded)
        hold = self.quota.holds.get(key)
        is_new = hold is None
        if hold is None:
            hold = Hold(
                key,
                loaded["turn_id"],
                interaction_id(now_ms, key),
                now_ms + loaded["hold_seconds"] * 1000,
                _held(loaded),
            )
            self.quota.holds[key] = hold
        answer = {"interaction_id": hold.interaction_id, "expires_at": format_ms(hold.expires_ms)}
        return {**answer, "quota": self.quota.item()}, is_new

    def check_reservation(self, body: Any, now_ms: int) -> Item:
        """Return the fields of a reservation that fits; change nothing."""
        loaded = load_body(RESERVATION, body, now_ms)
        key = self._key(loaded)
        if key in self.turns:
            raise conflict("recorded", "This turn_id is recorded already.")
        self._require_not_cancelled(key, now_ms)
        hold = self.quota.holds.get(key)
        if hold is None:
            self._require_room(_held(loaded), key, now_ms)
        elif hold.relationship_id != _held(loaded):
            raise conflict("reserved_elsewhere", "This turn_id is reserved elsewhere.")
        return loaded

    def cancel(self, id_: str, now_ms: int) -> None:
        """Release the hold of the turn of this id; no effect if there is none."""
        if ULID.fullmatch(id_) is None or not _is_in_time(id_, now_ms):
            raise Refusal("not_found", "There is no such reservation.")
        key = key_of(id_)
        if key in self.turns:
            raise conflict("recorded", "This turn_id is recorded already.")
        hold = self.quota.holds.pop(key, None)
        until_ms = now_ms + _CANCELLED_MS
        if hold is not None:
            until_ms = max(until_ms, hold.expires_ms)
        self._cancelled_until[key] = max(until_ms, self._cancelled_until.get(key, 0))

    def _key(self, loaded: Item) -> str:
        return turn_key(self.environment, loaded["turn_id"])

    def _require_reserved(self, id_: str, key: str, now_ms: int) -> None:
        errors = []
        if not _is_in_time(id_, now_ms):
            message = "was reserved too long ago, or never; record the turn"
            allowed = {"oldest_hours": 49}
            errors.append(field_error("interaction_id", "out_of_range", message, allowed))
        if key_of(id_) != key:
            message = "is not the one that this interaction_id was reserved for; send that"
            errors.append(field_error("turn_id", "mismatch", message))
        if errors:
            raise invalid(errors)

    def _require_room(self, relationship_id: str | None, key: str, now_ms: int) -> None:
        self.quota.require_reservable(now_ms)
        self.quota.require(1, relationship_id, key, now_ms)
        holds = self.quota.holds
        if len(holds) >= self.limits.most_open:
            wait_ms = min(hold.expires_ms for hold in holds.values()) - now_ms
            limit = self.limits.most_open
            details = {"component": "reservations", "limit": limit, "retry_after_ms": wait_ms}
            message = f"{limit} reservations are open."
            raise Refusal("rate_limit_exceeded", message, details, wait_ms=wait_ms)

    def _known(self, key: str, content: Item, at_ms: int, now_ms: int) -> Stored | None:
        """Return the turn if it is stored; raise the 409 of other content, or of a cancel."""
        known = self.turns.get(key)
        if known is None:
            self._require_not_cancelled(key, now_ms)
            return None
        if known.at_ms != at_ms or known.content != content:
            raise conflict("other_content", "This turn_id is recorded with other content.")
        return known

    def _require_not_cancelled(self, key: str, now_ms: int) -> None:
        if self._cancelled_until.get(key, 0) > now_ms:
            raise conflict("cancelled", "The reservation of this turn_id was cancelled.")

    def _store(self, key: str, content: Item, at_ms: int, sent: Item) -> Stored:
        usage = content["usage"]
        is_new = self.quota.charge(usage["turns_consumed"], _counted(content))
        self.quota.holds.pop(key, None)
        counted = {"active_relationship_counted": is_new}
        head = {"interaction_id": interaction_id(at_ms, key), "created_at": format_ms(at_ms)}
        shown = {name: content[name] for name in _CONTENT}
        shown["usage"] = {"turns_consumed": usage["turns_consumed"], **counted, **usage}
        stored = Stored(content["turn_id"], at_ms, sent, content, {**head, **shown})
        self.turns[key] = stored
        return stored


def _counted(content: Item) -> str | None:
    """Return the relationship that a turn counts: only a stateful turn with a cost does."""
    is_counted = content["mode"] == "stateful" and content["usage"]["turns_consumed"] > 0
    relationship_id: str | None = content["relationship_id"]
    return relationship_id if is_counted else None


def _held(loaded: Item) -> str | None:
    """Return the relationship that a reservation counts."""
    relationship_id: str | None = loaded["relationship_id"]
    return relationship_id if loaded["mode"] == "stateful" else None


def _is_in_time(id_: str, now_ms: int) -> bool:
    return now_ms - _OLDEST_RESERVATION_MS <= instant_of(id_) <= now_ms + 5 * 60_000
