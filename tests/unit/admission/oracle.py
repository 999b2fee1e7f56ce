"""Admission in plain Python integers: every reply of the script must equal the oracle's.

Written from the rules, not from the Lua: whole dictionaries, exact fractions, no shared code.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import floor

from app.admission.decision import TurnCharge
from app.admission.policy import BucketPolicy, QuotaPolicy
from app.admission.replies import Reply, Status
from tests.unit.admission.judging import (
    CHARGED,
    RECORDED,
    REFUSED,
    REPLAYED,
    TOO_MANY_OPEN,
    JudgedAccount,
)
from tests.unit.admission.values import CACHED_FOR_US, NOTHING, Entry, Level
from tests.unit.admission.waits import with_waits


class Oracle(JudgedAccount):
    """The requests: each decides bucket and quota together."""

    def enter(self, bucket: BucketPolicy, quota: QuotaPolicy) -> Reply:
        if mismatch := self._mismatch(quota):
            return mismatch
        is_admitted, f = Level.refilled_at(self.level, bucket, self.now).tokens >= 1, self.fields
        if not is_admitted and (f is None or f.reserved):
            return self.admit(bucket, quota, ())
        reply = self._decide(bucket, tuple, tuple)
        # Whatever else of the quota was lost.
        counters = f.counters if f and not is_admitted else None
        return reply._replace(
            account_now_us=max(self.now, f.clock_at + 1) if f else 0, counters=counters
        )

    def admit(self, bucket: BucketPolicy, quota: QuotaPolicy, items: Sequence[TurnCharge]) -> Reply:
        if mismatch := self._mismatch(quota):
            return mismatch
        self._expire()
        if items and not self.is_loaded:
            return self._reply(Status.NEED_SEED)
        named = [self._named(item) for item in items]
        return self._decide(
            bucket, lambda: self._charge_all(named, quota), lambda: self._look(named, quota)
        )

    def reserve(
        self, bucket: BucketPolicy, quota: QuotaPolicy, item: TurnCharge, hold: int, most: int
    ) -> Reply:
        if mismatch := self._mismatch(quota):
            return mismatch
        self._expire()
        if not self.is_loaded:
            return self._reply(Status.NEED_SEED)
        item = self._named(replace(item, turns=1))

        def judged(go_on: Callable[[int], Sequence[int]]) -> Sequence[int]:
            verdict = self._judge_reservation(item, quota, most)
            if verdict in REFUSED:
                return with_waits(self, [item], quota, (verdict, *NOTHING, 0), most)
            return go_on(verdict)

        hold_it = partial(self._reserve, item, hold, most)
        return self._decide(bucket, lambda: judged(hold_it), lambda: judged(lambda _: ()))

    def complete(
        self, bucket: BucketPolicy, quota: QuotaPolicy, items: Sequence[TurnCharge]
    ) -> Reply:
        return self._settle(bucket, quota, items[0].turn_key, lambda: self._complete_all(items))

    def _complete_all(self, items: Sequence[TurnCharge]) -> Sequence[int]:
        return [value for item in items for value in self._complete(self._named(item))]

    def cancel(self, bucket: BucketPolicy, quota: QuotaPolicy, turn: str) -> Reply:
        return self._settle(bucket, quota, turn, lambda: (self._cancel(turn), *NOTHING))

    def _settle(
        self, bucket: BucketPolicy, quota: QuotaPolicy, turn: str, work: Callable[[], Sequence[int]]
    ) -> Reply:
        self._expire()
        if self._mismatch(quota) and not (self.is_loaded and self._current_entry(turn)):
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
        level = Level.refilled_at(self.level, bucket, self.now)
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
        self._expire()
        if not self.is_loaded:
            return self._reply(Status.NEED_SEED)
        f = self.loaded
        return self._reply(Status.DONE, f.reserved, f.cached, f.watermark_at, f.watermark_used)

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

    def _charge(self, item: TurnCharge) -> tuple[int, int]:
        at, name = self._tick(), item.relationship_id or ""
        own = self._release(item.turn_key) if item.turn_key in self.holds else None
        if own and self._is_same(own.relationship, name):
            name, counted = own.relationship, own.counted
        else:
            self._drop(own.relationship if own else "")
            counted = self._hold(name)
        entry = Entry("charged", item.turns, name, at, counted)
        self._replace_uncharged(item)
        self.loaded.used += item.turns
        self.loaded.uncharged += entry.uncharged
        self._add_entry(item.turn_key, entry, self.now + CACHED_FOR_US)
        return at, counted

    def _replace_uncharged(self, item: TurnCharge) -> None:
        if self._is_replaced_by(item):
            self._remove_entry(item.turn_key)

    def _complete(self, item: TurnCharge) -> Sequence[int]:
        verdict = self._judge(item, None)
        if verdict == CHARGED:
            return verdict, *self._charge(item)
        return verdict, *self._standing(verdict, item)

    def _standing(self, verdict: int, item: TurnCharge) -> tuple[int, int]:
        if verdict != REPLAYED:
            return NOTHING
        entry = self.turns[item.turn_key]
        return entry.recorded_at, entry.counted

    def _reserve(self, item: TurnCharge, hold: int, most: int, verdict: int) -> Sequence[int]:
        if verdict == CHARGED:
            name = item.relationship_id or ""
            entry = Entry("reserved", 1, name, self.now, self._hold(name))
            self._replace_uncharged(item)
            self._add_entry(item.turn_key, entry, self.now + hold)
            self.loaded.reserved += 1
            return verdict, entry.recorded_at, entry.counted, self.now + hold
        if verdict == REPLAYED:
            return verdict, *self._standing(verdict, item), self.holds[item.turn_key]
        return (
            verdict,
            *NOTHING,
            sorted(self.holds.values())[-most] if verdict == TOO_MANY_OPEN else 0,
        )

    def _cancel(self, turn: str) -> int:
        entry, expires_at = self._current_entry(turn), self.now + CACHED_FOR_US
        if entry and entry.state == "charged":
            return RECORDED
        if turn in self.holds:
            expires_at = max(expires_at, self.holds[turn])
            self._drop(self._release(turn).relationship)
        elif entry:
            expires_at = max(expires_at, self.expiries[turn])
            self._remove_entry(turn)
        self._add_entry(turn, Entry("cancelled", 0, "", self.now, 0), expires_at)
        return CHARGED
