"""Admission in plain Python integers: what every reply of the script must equal.

Written from the rules, not from the Lua: whole dictionaries, exact fractions, no shared code.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

from app.admission.decision import ItemCharge, TurnCharge
from app.admission.policy import BucketPolicy, QuotaPolicy
from app.admission.replies import Counters, Reply, Status

SECOND_US = 1_000_000
MEMORY_US = 300 * SECOND_US
CHARGED, REMEMBERED, TURNS, RELATIONSHIPS, CONFLICT = range(5)

NOTHING = (0, 0)


@dataclass
class Fields:
    """The quota hash."""

    used: int
    active: int
    remembered: int
    generation: int
    mark_at: int
    mark_used: int
    settled_at: int
    clock_at: int


@dataclass
class Entry:
    """A remembered charge."""

    turns: int
    relationship: str
    recorded_at: int
    counted: int


@dataclass
class Level:
    """The bucket at an instant."""

    tokens: Fraction
    at: int
    rate: Fraction
    now: int
    stepped_back: bool = False

    def until(self, tokens: int) -> int:
        if self.tokens >= tokens:
            return 0
        return ceil((tokens - self.tokens) * SECOND_US / self.rate) + self.at - self.now


@dataclass
class Oracle:
    """One organization with one account, and the contents of its five keys."""

    now: int
    level: "Level | None" = None
    fields: Fields | None = None
    references: dict[str, int] = field(default_factory=dict)
    turns: dict[str, Entry] = field(default_factory=dict)
    lapses: dict[str, int] = field(default_factory=dict)

    @property
    def is_loaded(self) -> bool:
        f = self.fields
        return f is not None and (f.active, f.remembered, f.remembered) == (
            len(self.references),
            len(self.turns),
            len(self.lapses),
        )

    @property
    def loaded(self) -> Fields:
        assert self.fields is not None
        return self.fields

    @property
    def instant(self) -> int:
        return max(self.now, self.loaded.clock_at + 1) if self.is_loaded else self.now

    def lose(self, name: str) -> None:
        """A key vanishes."""
        if name == "bucket":
            self.level = None
        elif name == "quota":
            self.fields = None
        else:
            getattr(self, name).clear()

    def admit(self, bucket: BucketPolicy, quota: QuotaPolicy, items: Sequence[TurnCharge]) -> Reply:
        if not quota.period.start_us <= self.now < quota.period.end_us:
            return Reply(Status.PERIOD_MISMATCH, self.now, self.now, None, ())
        self._lapse()
        if items and not self.is_loaded:
            return self._reply(Status.NEED_SEED)
        level = self._level(bucket)
        admitted = level.tokens >= 1
        wait = 0 if admitted else level.until(1)
        if admitted or level.stepped_back:
            level.tokens -= admitted
            self.level = level
        verdicts = self._charge_all(items, quota) if admitted else self._look(items, quota)
        status = Status.DONE if admitted else Status.RATE_LIMITED
        return self._reply(status, floor(level.tokens), wait, level.until(bucket.burst), *verdicts)

    def read(self, quota: QuotaPolicy) -> Reply:
        if not quota.period.start_us <= self.now < quota.period.end_us:
            return Reply(Status.PERIOD_MISMATCH, self.now, self.now, None, ())
        self._lapse()
        if not self.is_loaded:
            return self._reply(Status.NEED_SEED)
        f = self.loaded
        return self._reply(Status.DONE, 0, f.remembered, f.mark_at, f.mark_used)

    def refund(self, generation: int, items: Iterable[ItemCharge]) -> int:
        self._lapse()
        if not self.is_loaded or self.loaded.generation != generation:
            return 0
        return sum([self._take_back(item) for item in items])

    def seed(self, turns: int, newest: int, references: dict[str, int]) -> Reply:
        if not self.is_loaded:
            now = max(self.now, newest + 1)
            self.references, self.turns, self.lapses = dict(references), {}, {}
            self.fields = Fields(turns, len(references), 0, now, now, turns, now, now)
        return self._reply(Status.DONE)

    def mark(self) -> int | None:
        self._lapse()
        if not self.is_loaded:
            return None
        self.loaded.mark_at, self.loaded.mark_used = self._tick(), self.loaded.used
        return self.loaded.mark_at

    def reconcile(self, mark_at: int, ledger_turns: int) -> Reply:
        status = self._marked(mark_at)
        change = 0
        if status is Status.DONE:
            f = self.loaded
            change = max(-f.used, ledger_turns - f.mark_used)
            f.used, f.mark_used, f.settled_at = f.used + change, ledger_turns, f.mark_at
        return self._reply(status, change)

    def mend(self, mark_at: int, corrections: Iterable[tuple[str, int, int]]) -> Reply:
        status = self._marked(mark_at)
        before = len(self.references)
        for name, seen, right in corrections if status is Status.DONE else ():
            if self.references.get(name, 0) == seen:
                self.references[name] = right
                if right == 0:
                    del self.references[name]
        change = len(self.references) - before
        if status is Status.DONE:
            self.loaded.active += change
        return self._reply(status, change)

    def _marked(self, mark_at: int) -> Status:
        self._lapse()
        if not self.is_loaded:
            return Status.NEED_SEED
        return Status.DONE if self.loaded.mark_at == mark_at else Status.STALE

    def _reply(self, status: Status, *results: int) -> Reply:
        f = self.loaded if self.is_loaded else None
        counters = Counters(f.generation, f.used, 0, f.active) if f else None
        return Reply(status, self.now, self.instant, counters, results)

    def _level(self, bucket: BucketPolicy) -> "Level":
        """The bucket as it would be now; refusals must not keep it."""
        full = Fraction(bucket.burst)
        if self.level is None:
            return Level(full, self.now, bucket.rate, self.now)
        tokens, at = min(self.level.tokens, full), self.level.at
        elapsed = self.now - at
        if elapsed > 0:
            tokens = min(full, tokens + bucket.rate * Fraction(elapsed, SECOND_US))
        stepped_back = elapsed < -SECOND_US
        at = self.now if elapsed > 0 or stepped_back else at
        return Level(tokens, at, bucket.rate, self.now, stepped_back)

    def _tick(self) -> int:
        self.loaded.clock_at = self.instant
        return self.loaded.clock_at

    def _lapse(self) -> None:
        if self.is_loaded:
            for turn in [turn for turn, at in self.lapses.items() if at <= self.now]:
                self._forget(turn)

    def _forget(self, turn: str) -> None:
        del self.turns[turn], self.lapses[turn]
        self.loaded.remembered -= 1

    def _recall(self, turn: str) -> Entry | None:
        """An entry whose charge the last comparison has not replaced."""
        entry = self.turns.get(turn)
        if entry and entry.recorded_at < self.loaded.settled_at:
            self._forget(turn)
            return None
        return entry

    def _judge(self, item: TurnCharge, quota: QuotaPolicy) -> int:
        name, f = item.relationship_id or "", self.loaded
        if item.turns == 0:
            return CHARGED
        if entry := self._recall(item.turn_key):
            same = (entry.turns, entry.relationship) == (item.turns, name)
            return REMEMBERED if same else CONFLICT
        if quota.overage_allowed:
            return CHARGED
        if 0 <= quota.turns_limit < f.used + item.turns:
            return TURNS
        if name and name not in self.references and 0 <= quota.relationships_limit <= f.active:
            return RELATIONSHIPS
        return CHARGED

    def _look(self, items: Sequence[TurnCharge], quota: QuotaPolicy) -> Sequence[int]:
        verdict = self._judge(items[0], quota) if len(items) == 1 else CHARGED
        return (verdict, *NOTHING) if verdict in (TURNS, RELATIONSHIPS) else ()

    def _charge_all(self, items: Sequence[TurnCharge], quota: QuotaPolicy) -> Sequence[int]:
        values: list[int] = []
        for item in items:
            verdict = self._judge(item, quota)
            charge = NOTHING
            if verdict == CHARGED:
                charge = self._charge(item)
            elif verdict == REMEMBERED:
                entry = self.turns[item.turn_key]
                charge = (entry.recorded_at, entry.counted)
            values += [verdict, *charge]
        return values

    def _charge(self, item: TurnCharge) -> tuple[int, int]:
        at, name, counted = self._tick(), item.relationship_id or "", 0
        if item.turns == 0:
            return at, 0
        self.loaded.used += item.turns
        if name:
            counted = int(name not in self.references)
            self.references[name] = self.references.get(name, 0) + 1
            self.loaded.active += counted
        self.turns[item.turn_key] = Entry(item.turns, name, at, counted)
        self.lapses[item.turn_key] = self.now + MEMORY_US
        self.loaded.remembered += 1
        return at, counted

    def _take_back(self, item: ItemCharge) -> bool:
        entry, f = self._recall(item.turn_key), self.loaded
        if entry is None or entry.recorded_at != item.recorded_at_us:
            return False
        f.used = max(0, f.used - entry.turns)
        if entry.recorded_at < f.mark_at:
            f.mark_used -= entry.turns
        if self.references.get(entry.relationship):
            self.references[entry.relationship] -= 1
            if self.references[entry.relationship] == 0:
                del self.references[entry.relationship]
                f.active -= 1
        self._forget(item.turn_key)
        return True
