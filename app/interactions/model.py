"""The values of a turn trace, apart from how they are stored or sent."""

from collections.abc import Iterable, KeysView, Mapping
from dataclasses import dataclass
from typing import Any

from app.admission.decision import TurnCharge
from app.http.instants import day_of_ms, format_ms
from app.interactions.ids import LAST_DATED_MS, PREFIX, find_instant_ms, instant_ms, turn_key

MODES = ("stateless", "stateful")
STATUSES = ("completed", "guardrail_blocked", "failed", "timed_out")
_BILLED = frozenset({"completed", "guardrail_blocked"})

Document = dict[str, Any]
Item = dict[str, Any]

# The producer's fields that an item shows, in the item's order.
CONTENT = (
    "mode",
    "status",
    "user_id",
    "relationship_id",
    "personality_id",
    "inferred_emotional_state",
    "memory",
    "guardrails",
    "usage",
    "latency_ms",
    "time_to_first_token_ms",
    "error_code",
)

# A page of a list that is filtered by `Filters.conditions` searches at most so many rows. Then it
# ends, and its cursor continues from there.
SEARCHED_COUNT = 1_000

# An erased row has null in these.
PEOPLE = ("user_id", "relationship_id")

# The fields of each part of an item, in the item's order.
PARTS: Mapping[str, KeysView[str]] = {
    name: dict.fromkeys(names).keys()
    for name, names in {
        "inferred_emotional_state": (
            *("primary", "confidence", "secondary"),
            *("intensity", "valence", "arousal"),
        ),
        "memory": (
            *("consulted", "summary_used"),
            *("significant_moments_referenced", "model_updated"),
        ),
        "guardrails": ("applied",),
        "usage": (
            *("turns_consumed", "active_relationship_counted"),
            *("llm_provider", "llm_model", "input_tokens", "output_tokens"),
        ),
    }.items()
}
_PARTS = tuple(PARTS.items())


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a list, combined with AND; `from_ms` is inclusive, `to_ms` is not.

    | filter | how its rows are found |
    | --- | --- |
    | `user_id`, `relationship_id` | by an index for each combination: `store.chosen_by` |
    | `from_ms`, `to_ms` | as a range of ids |
    | `status`, `mode`, `llm_model` | among a bounded number of rows for a page: `conditions` |
    | `turn_id` | by its turn key, at most one row |

    Aggregates have the first four only: roll-ups cannot be filtered by the others. A new filter
    also enters `query_schemas.ListQuerySchema` and the binding of `cursor`.
    """

    user_id: str | None = None
    relationship_id: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    status: str | None = None
    mode: str | None = None
    llm_model: str | None = None
    turn_id: str | None = None

    @property
    def conditions(self) -> dict[str, str]:
        """Return the values that rows must have in fields that no index of lists holds."""
        wanted = {"status": self.status, "mode": self.mode, "usage.llm_model": self.llm_model}
        return {path: value for path, value in wanted.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Page:
    """Some items, newest first, and the cursor of the rest if there is any."""

    items: list[Item]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class TurnTrace:
    """A finished turn as its producer reports it, with the id of its row."""

    ulid: str
    content: Mapping[str, Any]
    # The instant was more precise than a millisecond, and was cut.
    is_cut: bool = False

    @property
    def turn_key(self) -> str:
        """Return the turn's identity within its account."""
        return turn_key(self.ulid)

    @property
    def cost(self) -> int:
        """Return how many turns of the quota it uses."""
        cost: int = self.content["usage"]["turns_consumed"]
        return cost

    @property
    def uncharged(self) -> int:
        """Return how many uncharged turns it counts as: 1 if it costs nothing, else 0."""
        return int(self.cost == 0)

    def charge(self) -> TurnCharge:
        """Return the charge; only a stateful turn with a cost counts a relationship."""
        counts = self.content["mode"] == "stateful" and self.cost > 0
        return TurnCharge(
            self.turn_key, self.cost, self.content["relationship_id"] if counts else None
        )

    def document(
        self,
        account: str,
        quota_period: str,
        *,
        recorded_at_us: int,
        relationship_counted: bool,
        charged: int,
        uncharged: int,
        key_id: str | None,
        is_degraded: bool = False,
    ) -> Document:
        """Return the row to store, which counts as `charged` turns in the period's quota.

        `uncharged` is 1 if it counts as an uncharged turn, which no import does. `key_id` is the id
        of the API key that recorded it; None for an import. `day` is the day of the turn, and
        `open: 0` makes it an open turn (`app.usage`). `is_degraded` means that it was recorded
        without Redis, at an instant of this process's clock, and that reconciliation counts it.
        """
        # In the order in which the item shows it, since rows are shown as they are stored.
        counted = {"active_relationship_counted": relationship_counted}
        usage = {"turns_consumed": self.cost} | counted | self.content["usage"]
        return {
            "_id": self.ulid,
            "account": account,
            "turn_key": self.turn_key,
            "recorded_at": recorded_at_us,
            "quota_period": quota_period,
            "charged": charged,
            "uncharged": uncharged,
            "key_id": key_id,
            "day": day_of_ms(instant_ms(self.ulid)),
            "open": 0,
            **({"degraded": True} if is_degraded else {}),
            **self.content,
            "usage": usage,
        }

    def is_same_as(self, stored: Document) -> bool:
        """Return True if `stored` is this turn, by the fields that the producer reported.

        An earlier release rounded instants up where this one cuts, so a row that is one millisecond
        later can be the same turn. Such rows are gone 180 days after the upgrade. Fields that a row
        of another release lacks are equal to any value, and so are the people of an erased row.
        """
        stored_ms = find_instant_ms(stored["_id"])
        if stored_ms is None or turn_key(stored["_id"]) != self.turn_key:
            return False
        if not 0 <= stored_ms - instant_ms(self.ulid) <= self.is_cut:
            return False
        ignored = PEOPLE if is_erased(stored) else ()
        return all(
            _agrees(stored, name, value)
            for name, value in self.content.items()
            if name not in ignored
        )


def default_cost(status: str) -> int:
    """Return the turns that a status costs unless the producer reports another cost."""
    return 1 if status in _BILLED else 0


def is_erased(row: Document) -> bool:
    """Return True if user and relationship of a row were erased: it is counted but not shown."""
    return row.get("erased") is True


def _agrees(stored: Document, name: str, value: Any) -> bool:
    """Return True if a stored row holds `value` there, or lacks the field or some of its parts."""
    there = stored.get(name, value)
    if isinstance(there, dict) and isinstance(value, Mapping):
        return all(_agrees(there, part, inner) for part, inner in value.items())
    return bool(there == value)


def item_of(document: Document) -> Item:
    """Return the wire form of a stored row; null for fields that it lacks."""
    ulid = document["_id"]
    try:
        item = {"interaction_id": PREFIX + ulid, "created_at": format_ms(instant_ms(ulid))}
        for name in CONTENT:
            item[name] = document[name]
    except (KeyError, ValueError, OverflowError):
        item = _item_of_another_release(document)
    for name, parts in _PARTS:
        part = item[name]
        if part is not None and (type(part) is not dict or part.keys() != parts):
            item[name] = _completed(part, parts)
    return item


def _item_of_another_release(document: Document) -> Item:
    ulid = document["_id"]
    instant = find_instant_ms(ulid)
    created_at = None if instant is None else format_ms(min(instant, LAST_DATED_MS))
    head = {"interaction_id": PREFIX + ulid, "created_at": created_at}
    return head | {name: document.get(name) for name in CONTENT}


def _completed(part: Any, names: Iterable[str]) -> Item | None:
    """Return a part of an item with just these names, null for missing ones; None if no object."""
    return {name: part.get(name) for name in names} if isinstance(part, dict) else None
