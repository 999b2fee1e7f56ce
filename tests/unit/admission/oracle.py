"""Admission in plain Python integers: what every reply of the script must equal.

Written from the rules, not from the Lua: whole dictionaries, exact fractions, no shared code.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import floor

from app.admission.decision import ItemCharge, TurnCharge
from app.admission.policy import BucketPolicy, QuotaPolicy
from app.admission.replies import Reply, Status
from tests.unit.admission.values import MEMORY_US, NOTHING, Entry, Fields, Level
from tests.unit.admission.waits import with_waits

CHARGED, REMEMBERED, TURNS, RELATIONSHIPS, CONFLICT, RECORDED, CANCELLED, CROWDED = range(8)
REFUSED = TURNS, RELATIONSHIPS


@dataclass
class Oracle:
    """One organization with one account, and the contents of its six keys."""

    now: int
    level: "Level | None" = None
    fields: Fields | None = None
    references: dict[str, int] = field(default_factory=dict)
    turns: dict[str, Entry] = field(default_factory=dict)
    lapses: dict[str, int] = field(default_factory=dict)
    holds: dict[str, int] = field(default_factory=dict)

    @property
    def is_loaded(self) -> bool:
        f = self.fields
        return f is not None and (
            (f.active, f.remembered, f.remembered - f.reserved, f.reserved)
            == (len(self.references), len(self.turns), len(self.lapses), len(self.holds))
        )

    @property
    def loaded(self) -> Fields:
        assert self.fields is not None
        return self.fields

    @property
    def instant(self) -> int:
        return max(self.now, self.loaded.clock_at + 1) if self.is_loaded else 0

    def _mismatch(self, quota: QuotaPolicy) -> Reply | None:
        is_within = quota.period.start_us <= self.now < quota.period.end_us
        return None if is_within else Reply(Status.PERIOD_MISMATCH, self.now, 0, None, ())

    def enter(self, bucket: BucketPolicy, quota: QuotaPolicy) -> Reply:
        if mismatch := self._mismatch(quota):
            return mismatch
        is_admitted, f = Level.at_present(self.level, bucket, self.now).tokens >= 1, self.fields
        if not is_admitted and (f is None or f.reserved):
            return self.admit(bucket, quota, ())
        reply = self._decide(bucket, tuple, tuple)
        # Whatever else of the quota was lost.
        told = f.counters if f and not is_admitted else None
        return reply._replace(now_us=max(self.now, f.clock_at + 1) if f else 0, counters=told)

    def admit(self, bucket: BucketPolicy, quota: QuotaPolicy, items: Sequence[TurnCharge]) -> Reply:
        if mismatch := self._mismatch(quota):
            return mismatch
        self._lapse()
        if items and not self.is_loaded:
            return self._reply(Status.NEED_SEED)
        return self._decide(
            bucket, lambda: self._charge_all(items, quota), lambda: self._look(items, quota)
        )

    def reserve(
        self, bucket: BucketPolicy, quota: QuotaPolicy, item: TurnCharge, hold: int, most: int
    ) -> Reply:
        if mismatch := self._mismatch(quota):
            return mismatch
        self._lapse()
        if not self.is_loaded:
            return self._reply(Status.NEED_SEED)
        item = replace(item, turns=1)

        def judged(go_on: Callable[[int], Sequence[int]]) -> Sequence[int]:
            verdict = self._judge_reservation(item, quota, most)
            if verdict in REFUSED:
                return with_waits(self, [item], quota, (verdict, *NOTHING, 0), most)
            return go_on(verdict)

        hold_it = partial(self._reserve, item, hold, most)
        return self._decide(bucket, lambda: judged(hold_it), lambda: judged(lambda _: ()))

    def complete(self, bucket: BucketPolicy, quota: QuotaPolicy, item: TurnCharge) -> Reply:
        return self._settle(bucket, quota, item.turn_key, lambda: self._complete(item))

    def cancel(self, bucket: BucketPolicy, quota: QuotaPolicy, turn: str) -> Reply:
        return self._settle(bucket, quota, turn, lambda: (self._cancel(turn), *NOTHING))

    def _settle(
        self, bucket: BucketPolicy, quota: QuotaPolicy, turn: str, work: Callable[[], Sequence[int]]
    ) -> Reply:
        self._lapse()
        if self._mismatch(quota) and not (self.is_loaded and self._recall(turn)):
            return self._reply(Status.PERIOD_MISMATCH)
        if not self.is_loaded:
            return self._reply(Status.NEED_SEED)
        return self._decide(bucket, work, tuple)

    def _decide(
        self,
        bucket: BucketPolicy,
        work: Callable[[], Sequence[int]],
        look: Callable[[], Sequence[int]],
    ) -> Reply:
        level = Level.at_present(self.level, bucket, self.now)
        admitted = level.tokens >= 1
        wait = 0 if admitted else level.until(1)
        if admitted or level.stepped_back:
            level.tokens -= admitted
            self.level = level
        verdicts = work() if admitted else look()
        status = Status.DONE if admitted else Status.RATE_LIMITED
        return self._reply(status, floor(level.tokens), wait, level.until(bucket.burst), *verdicts)

    def read(self, quota: QuotaPolicy) -> Reply:
        if mismatch := self._mismatch(quota):
            return mismatch
        self._lapse()
        if not self.is_loaded:
            return self._reply(Status.NEED_SEED)
        f = self.loaded
        return self._reply(Status.DONE, f.reserved, f.remembered, f.mark_at, f.mark_used)

    def refund(self, generation: int, items: Iterable[ItemCharge]) -> int:
        self._lapse()
        if not self.is_loaded or self.loaded.generation != generation:
            return 0
        return sum([self._take_back(item) for item in items])

    def seed(self, turns: int, newest: int, references: dict[str, int]) -> Reply:
        if not self.is_loaded:
            given = self.fields.clock_at if self.fields else 0
            now = max(self.now, newest + 1, given + 1)
            self.references, self.turns, self.lapses, self.holds = dict(references), {}, {}, {}
            self.fields = Fields(turns, 0, len(references), 0, now, now, turns, now, now)
        return self._reply(Status.DONE)

    def mark(self, newest: int) -> int | None:
        self._lapse()
        if not self.is_loaded:
            return None
        self.loaded.clock_at = max(self.loaded.clock_at, newest)
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
        counters = self.loaded.counters if self.is_loaded else None
        return Reply(status, self.now, self.instant, counters, results)

    def _tick(self) -> int:
        self.loaded.clock_at = self.instant
        return self.loaded.clock_at

    def _lapse(self) -> None:
        if self.is_loaded:
            for turn in [turn for turn, at in self.lapses.items() if at <= self.now]:
                self._forget(turn)
            for turn in [turn for turn, at in self.holds.items() if at <= self.now]:
                self._drop(self._release(turn).relationship)

    def _forget(self, turn: str) -> None:
        del self.turns[turn], self.lapses[turn]
        self.loaded.remembered -= 1

    def _release(self, turn: str) -> Entry:
        """Ends a reservation; its reference is still held."""
        del self.holds[turn]
        self.loaded.remembered -= 1
        self.loaded.reserved -= 1
        return self.turns.pop(turn)

    def _remember(self, turn: str, entry: Entry, lapses_at: int) -> None:
        assert turn not in self.turns
        self.turns[turn] = entry
        (self.holds if entry.state == "reserved" else self.lapses)[turn] = lapses_at
        self.loaded.remembered += 1

    def _recall(self, turn: str) -> Entry | None:
        """An entry, unless it is a charge that the last comparison has replaced."""
        entry = self.turns.get(turn)
        if entry and entry.state == "charged" and entry.recorded_at < self.loaded.settled_at:
            self._forget(turn)
            return None
        return entry

    def _judge(self, item: TurnCharge, quota: QuotaPolicy | None) -> int:
        """`quota` is None where it has no say."""
        entry = self._recall(item.turn_key)
        if entry is None or entry.state == "reserved":
            if quota is None or quota.overage_allowed:
                return CHARGED
            return self._refusal(item, quota, entry)
        if entry.state == "cancelled":
            return CANCELLED
        same = (entry.turns, entry.relationship) == (item.turns, item.relationship_id or "")
        return REMEMBERED if same else CONFLICT

    def _judge_reservation(self, item: TurnCharge, quota: QuotaPolicy, most: int) -> int:
        if entry := self._recall(item.turn_key):
            same = entry.relationship == (item.relationship_id or "")
            held = REMEMBERED if same else CONFLICT
            return {"charged": RECORDED, "cancelled": CANCELLED, "reserved": held}[entry.state]
        refusal = CHARGED if quota.overage_allowed else self._refusal(item, quota, None)
        return refusal or (CROWDED if self.loaded.reserved >= most else CHARGED)

    def _refusal(self, item: TurnCharge, quota: QuotaPolicy, own: Entry | None) -> int:
        """As if the own reservation were given back first; but it is a promise for as much."""
        f, name = self.loaded, item.relationship_id or ""
        held_turns = own.turns if own else 0
        taken = f.used + f.reserved - held_turns
        if item.turns > held_turns and 0 <= quota.turns_limit < taken + item.turns:
            return TURNS
        others = dict(self.references)
        if own and others.get(own.relationship):
            others[own.relationship] -= 1
        is_own = own is not None and own.relationship == name
        active = sum(1 for count in others.values() if count)
        is_new = bool(name) and not others.get(name) and not is_own
        return RELATIONSHIPS if is_new and 0 <= quota.relationships_limit <= active else CHARGED

    def _look(self, items: Sequence[TurnCharge], quota: QuotaPolicy) -> Sequence[int]:
        verdict = self._judge(items[0], quota) if len(items) == 1 else CHARGED
        return with_waits(self, items, quota, (verdict, *NOTHING)) if verdict in REFUSED else ()

    def _charge_all(self, items: Sequence[TurnCharge], quota: QuotaPolicy) -> Sequence[int]:
        values: list[int] = []
        for item in items:
            verdict = self._judge(item, quota)
            charged = verdict == CHARGED
            values += [verdict, *(self._charge(item) if charged else self._standing(verdict, item))]
        return with_waits(self, items, quota, values)

    def _charge(self, item: TurnCharge, *, is_completion: bool = False) -> tuple[int, int]:
        at, name = self._tick(), item.relationship_id or ""
        own = self._release(item.turn_key) if item.turn_key in self.holds else None
        if item.turns == 0 and not own and not is_completion:
            return at, 0
        if own and own.relationship == name:
            counted = own.counted
        else:
            self._drop(own.relationship if own else "")
            counted = self._hold(name)
        self.loaded.used += item.turns
        entry = Entry("charged", item.turns, name, at, counted)
        self._remember(item.turn_key, entry, self.now + MEMORY_US)
        return at, counted

    def _complete(self, item: TurnCharge) -> Sequence[int]:
        verdict = self._judge(item, None)
        if verdict == CHARGED:
            return verdict, *self._charge(item, is_completion=True)
        return verdict, *self._standing(verdict, item)

    def _standing(self, verdict: int, item: TurnCharge) -> tuple[int, int]:
        if verdict != REMEMBERED:
            return NOTHING
        entry = self.turns[item.turn_key]
        return entry.recorded_at, entry.counted

    def _reserve(self, item: TurnCharge, hold: int, most: int, verdict: int) -> Sequence[int]:
        if verdict == CHARGED:
            name = item.relationship_id or ""
            entry = Entry("reserved", 1, name, self.now, self._hold(name))
            self._remember(item.turn_key, entry, self.now + hold)
            self.loaded.reserved += 1
            return verdict, entry.recorded_at, entry.counted, self.now + hold
        if verdict == REMEMBERED:
            return verdict, *self._standing(verdict, item), self.holds[item.turn_key]
        return verdict, *NOTHING, sorted(self.holds.values())[-most] if verdict == CROWDED else 0

    def _cancel(self, turn: str) -> int:
        entry, lapses_at = self._recall(turn), self.now + MEMORY_US
        if entry and entry.state == "charged":
            return RECORDED
        if turn in self.holds:
            lapses_at = max(lapses_at, self.holds[turn])
            self._drop(self._release(turn).relationship)
        elif entry:
            lapses_at = max(lapses_at, self.lapses[turn])
            self._forget(turn)
        self._remember(turn, Entry("cancelled", 0, "", self.now, 0), lapses_at)
        return CHARGED

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

    def _take_back(self, item: ItemCharge) -> bool:
        entry, f = self._recall(item.turn_key), self.loaded
        if entry is None or (entry.state, entry.recorded_at) != ("charged", item.recorded_at_us):
            return False
        f.used = max(0, f.used - entry.turns)
        if entry.recorded_at < f.mark_at:
            f.mark_used -= entry.turns
        self._drop(entry.relationship)
        self._forget(item.turn_key)
        return True
