"""Count the quota of a billing period, its open reservations, and the request bucket."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from .wire import Refusal, format_ms

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Limits:
    """Hold the limits of a plan; None is unlimited."""

    turns: int | None
    relationships: int | None
    uncharged_turns: int | None
    requests_per_second: int
    burst: int
    overage_policy: Literal["block", "allow"]

    @property
    def most_open(self) -> int:
        """Return how many reservations may be open."""
        return 150 * self.burst

    @property
    def uncharged_ceiling(self) -> int:
        """Return how many turns that cost nothing a period may record."""
        if self.uncharged_turns is not None:
            return self.uncharged_turns
        return 1_000_000 if self.turns is None else min(self.turns, 1_000_000)


@dataclass(frozen=True, slots=True)
class Hold:
    """Hold one open reservation."""

    key: str
    turn_id: str
    interaction_id: str
    expires_ms: int
    relationship_id: str | None


@dataclass(slots=True)
class Bucket:
    """Refill tokens by the clock."""

    limits: Limits
    tokens: float
    at_ms: int

    def take(self, price: int, now_ms: int) -> int:
        """Take tokens; return 0, or the milliseconds after which they are there."""
        rate = self.limits.requests_per_second
        self.tokens = min(self.limits.burst, self.tokens + (now_ms - self.at_ms) * rate / 1000)
        self.at_ms = now_ms
        price = min(price, self.limits.burst)
        if self.tokens < price:
            return max(1, round((price - self.tokens) * 1000 / rate))
        self.tokens -= price
        return 0

    def item(self, now_ms: int) -> dict[str, Any]:
        """Return the bucket as it is now; no token is taken."""
        rate, burst = self.limits.requests_per_second, self.limits.burst
        tokens = min(burst, self.tokens + (now_ms - self.at_ms) * rate / 1000)
        return {
            "requests_per_second": rate,
            "burst": burst,
            "remaining": int(tokens),
            "resets_at": format_ms(now_ms + round((burst - tokens) * 1000 / rate)),
        }

    def refusal(self, price: int, wait_ms: int) -> Refusal:
        """Return the 429 of a request that the bucket refuses."""
        details = {"limit": self.limits.requests_per_second, "retry_after_ms": wait_ms}
        if price > 1:
            details["tokens"] = price
        message = f"Rate limit exceeded. Retry after {-(-wait_ms // 1000)} seconds."
        return Refusal("rate_limit_exceeded", message, details, wait_ms=wait_ms)

    def headers(self) -> dict[str, str]:
        """Return the headers that show the bucket."""
        rate = self.limits.requests_per_second
        full_ms = self.at_ms + round((self.limits.burst - self.tokens) * 1000 / rate)
        return {
            "X-RateLimit-Limit": str(rate),
            "X-RateLimit-Remaining": str(int(self.tokens)),
            "X-RateLimit-Reset": format_ms(full_ms),
        }


@dataclass(slots=True)
class Quota:
    """Count turns, relationships and uncharged turns of the billing period."""

    limits: Limits
    start_ms: int
    used: int = 0
    uncharged: int = 0
    relationships: set[str] = field(default_factory=set)
    holds: dict[str, Hold] = field(default_factory=dict)
    # Something has read or changed the counters in this period.
    is_loaded: bool = False

    @property
    def end_ms(self) -> int:
        """Return the end of the billing period: a month after its start."""
        start = _EPOCH + timedelta(milliseconds=self.start_ms)
        year, month = divmod(start.year * 12 + start.month, 12)
        first = datetime(year, month + 1, 1, tzinfo=timezone.utc)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        end = first.replace(day=min(start.day, last.day))
        return (end - _EPOCH) // timedelta(milliseconds=1)

    def move(self, now_ms: int) -> None:
        """Drop expired holds; begin a new period if this one is over."""
        self.holds = {key: hold for key, hold in self.holds.items() if hold.expires_ms > now_ms}
        while now_ms >= self.end_ms:
            self.start_ms = self.end_ms
            self.used = self.uncharged = 0
            self.is_loaded = False
            self.relationships = set()

    def require(self, cost: int, relationship_id: str | None, own: str, now_ms: int) -> None:
        """Raise the 429 of a turn that does not fit beyond its own hold, that of the key `own`."""
        hold = self.holds.get(own)
        others = [each for each in self.holds.values() if each.key != own]
        if cost == 0 and hold is None:
            self._require_uncharged(1, now_ms)
        if cost > (hold is not None) and self.limits.overage_policy == "block":
            self._require_turns(cost, others, now_ms)
        is_held = hold is not None and hold.relationship_id == relationship_id
        if relationship_id is not None and not is_held:
            self._require_relationship(relationship_id, others, now_ms)

    def require_reservable(self, now_ms: int) -> None:
        """Raise the 429 if completions have exceeded the ceiling of uncharged turns."""
        self._require_uncharged(0, now_ms)

    def _require_uncharged(self, more: int, now_ms: int) -> None:
        ceiling = self.limits.uncharged_ceiling
        if self.uncharged + more > ceiling:
            raise self._exhausted("uncharged_turns", self.uncharged, ceiling, None, now_ms)

    def _require_turns(self, cost: int, others: list[Hold], now_ms: int) -> None:
        most = self.limits.turns
        if most is None or self.used + len(others) + cost <= most:
            return
        missing = self.used + len(others) + cost - most
        held_until = self._expiry(others, missing) if self.used + cost <= most else None
        raise self._exhausted("turns", self.taken(), most, held_until, now_ms)

    def _require_relationship(self, name: str, others: list[Hold], now_ms: int) -> None:
        most = self.limits.relationships
        active = self.relationships | self._held_relationships(others)
        if most is None or name in active or len(active) < most:
            return
        held_until = self._expiry(others, 1) if len(self.relationships) < most else None
        raise self._exhausted("active_relationships", len(active), most, held_until, now_ms)

    def charge(self, cost: int, relationship_id: str | None) -> bool:
        """Count a turn; return True if its relationship is new in the period."""
        self.used += cost
        self.uncharged += cost == 0
        is_new = relationship_id is not None and relationship_id not in self.relationships
        if relationship_id is not None:
            self.relationships.add(relationship_id)
        return is_new

    def taken(self) -> int:
        """Return the turns that are used or held."""
        return self.used + len(self.holds)

    def active(self) -> set[str]:
        """Return the relationships that are used or held."""
        return self.relationships | self._held_relationships(list(self.holds.values()))

    def item(self) -> dict[str, Any]:
        """Return the quota as answers show it."""
        turns = self.limits.turns
        return {
            "turns_used": self.used,
            "turns_reserved": len(self.holds),
            "turns_limit": turns,
            "turns_remaining": None if turns is None else max(0, turns - self.taken()),
            "uncharged_turns_used": self.uncharged,
            "uncharged_turns_limit": self.limits.uncharged_ceiling,
            "period_start": format_ms(self.start_ms),
            "period_end": format_ms(self.end_ms),
            "overage_policy": self.limits.overage_policy,
        }

    def headers(self) -> dict[str, str]:
        """Return the headers that show the quota."""
        shown = {
            "X-Quota-Turns-Used": self.taken(),
            "X-Quota-Turns-Limit": self.limits.turns,
            "X-Quota-Active-Relationships-Used": len(self.active()),
            "X-Quota-Active-Relationships-Limit": self.limits.relationships,
            "X-Quota-Reset": format_ms(self.end_ms),
        }
        return {name: str(value) for name, value in shown.items() if value is not None}

    @staticmethod
    def _held_relationships(holds: list[Hold]) -> set[str]:
        return {hold.relationship_id for hold in holds if hold.relationship_id is not None}

    @staticmethod
    def _expiry(holds: list[Hold], count: int) -> int | None:
        """Return when `count` of the holds have expired."""
        expiries = sorted(hold.expires_ms for hold in holds)
        return expiries[count - 1] if 0 < count <= len(expiries) else None

    def _exhausted(
        self, component: str, used: int, limit: int, held_until_ms: int | None, now_ms: int
    ) -> Refusal:
        if held_until_ms is not None and held_until_ms >= self.end_ms:
            held_until_ms = None
        wait_ms = (held_until_ms or self.end_ms) - now_ms
        details = {
            "component": component,
            "used": used,
            "limit": limit,
            "resets_at": format_ms(self.end_ms),
            "held_until": None if held_until_ms is None else format_ms(held_until_ms),
            "retry_after_ms": wait_ms,
        }
        message = f"The quota of {limit} {component.replace('_', ' ')} is spent or held."
        return Refusal("quota_exhausted", message, details, wait_ms=wait_ms)
