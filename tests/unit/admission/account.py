"""An account's counters in plain Python: the contents of its keys, and the steps between them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from app.admission.decision import TurnCharge
from app.admission.policy import QuotaPolicy
from app.admission.replies import Reply, Status
from tests.unit.admission.values import Entry, Fields, Level


@dataclass
class Account:
    """One organization with one account."""

    now: int
    level: "Level | None" = None
    fields: Fields | None = None
    references: dict[str, int] = field(default_factory=dict)
    turns: dict[str, Entry] = field(default_factory=dict)
    expiries: dict[str, int] = field(default_factory=dict)
    holds: dict[str, int] = field(default_factory=dict)
    # The other name of each relationship that has two: its id, and a short one.
    other_names: Mapping[str, str] = field(default_factory=dict)
    long_ids: Collection[str] = ()

    @property
    def is_loaded(self) -> bool:
        f = self.fields
        return f is not None and (
            (f.active, f.cached, f.cached - f.reserved, f.reserved)
            == (len(self.references), len(self.turns), len(self.expiries), len(self.holds))
        )

    @property
    def loaded(self) -> Fields:
        assert self.fields is not None
        return self.fields

    @property
    def instant(self) -> int:
        return max(self.now, self.loaded.clock_at + 1) if self.is_loaded else 0

    def _reply(self, status: Status, *results: int) -> Reply:
        counters = self.loaded.counters if self.is_loaded else None
        return Reply(status, self.now, self.instant, counters, results)

    def _tick(self) -> int:
        self.loaded.clock_at = self.instant
        return self.loaded.clock_at

    def _mismatch(self, quota: QuotaPolicy) -> Reply | None:
        is_within = quota.period.start_us <= self.now < quota.period.end_us
        return None if is_within else Reply(Status.PERIOD_MISMATCH, self.now, 0, None, ())

    def _expire(self) -> None:
        if self.is_loaded:
            for turn in [turn for turn, at in self.expiries.items() if at <= self.now]:
                self._remove_entry(turn)
            for turn in [turn for turn, at in self.holds.items() if at <= self.now]:
                self._drop(self._release(turn).relationship)

    def _current_entry(self, turn: str) -> Entry | None:
        """Return an entry, unless it is a charge that the last comparison has replaced."""
        entry = self.turns.get(turn)
        if entry and entry.state == "charged" and entry.recorded_at < self.loaded.settled_at:
            self._remove_entry(turn)
            return None
        return entry

    def _add_entry(self, turn: str, entry: Entry, expires_at: int) -> None:
        assert turn not in self.turns
        self.turns[turn] = entry
        (self.holds if entry.state == "reserved" else self.expiries)[turn] = expires_at
        self.loaded.cached += 1

    def _remove_entry(self, turn: str) -> None:
        del self.turns[turn], self.expiries[turn]
        self.loaded.cached -= 1

    def _release(self, turn: str) -> Entry:
        """End a reservation; its reference is still held."""
        del self.holds[turn]
        self.loaded.cached -= 1
        self.loaded.reserved -= 1
        return self.turns.pop(turn)

    def _named(self, item: TurnCharge) -> TurnCharge:
        """Return the turn with the name under which its relationship is, or would be, counted."""
        plain = item.relationship_id
        if plain not in self.long_ids or plain in self.references:
            return item
        return replace(item, relationship_id=self.other_names[plain])

    def _is_same(self, name: str, other: str) -> bool:
        return name == other or self.other_names.get(name) == other

    def _hold(self, name: str) -> int:
        if not name:
            return 0
        counted = int(name not in self.references)
        self.references[name] = self.references.get(name, 0) + 1
        self.loaded.active += counted
        return counted

    def _drop(self, name: str) -> None:
        if self.references.get(name):
            self.references[name] -= 1
            if self.references[name] == 0:
                del self.references[name]
                self.loaded.active -= 1
