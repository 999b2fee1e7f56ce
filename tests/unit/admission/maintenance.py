"""Seeding, refunds and reconciliation of the oracle's account."""

from collections.abc import Iterable

from app.admission.decision import ItemCharge
from app.admission.ledger import LedgerCount
from app.admission.replies import Reply, Status
from tests.unit.admission.account import Account
from tests.unit.admission.values import Fields


class MaintainedAccount(Account):
    """The operations that serve no request's admission."""

    def seed(self, counted: LedgerCount, newest: int, references: dict[str, int]) -> Reply:
        if not self.is_loaded:
            given = self.fields.clock_at if self.fields else 0
            now = max(self.now, newest + 1, given + 1)
            self.references, self.turns, self.expiries, self.holds = dict(references), {}, {}, {}
            turns, uncharged = counted
            self.fields = Fields(
                turns, 0, len(references), 0, now, now, turns, now, now, uncharged, uncharged
            )
        return self._reply(Status.DONE)

    def set_watermark(self, newest: int) -> int | None:
        self._expire()
        if not self.is_loaded:
            return None
        self.loaded.clock_at = max(self.loaded.clock_at, newest)
        f = self.loaded
        f.watermark_at, f.watermark_used = self._tick(), f.used
        f.watermark_uncharged = f.uncharged
        return f.watermark_at

    def reconcile(self, watermark_at: int, counted: LedgerCount) -> Reply:
        status = self._open_at(watermark_at)
        change = uncharged_change = 0
        if status is Status.DONE:
            f = self.loaded
            change = max(-f.used, counted.charged - f.watermark_used)
            f.used, f.watermark_used, f.settled_at = (
                f.used + change,
                counted.charged,
                f.watermark_at,
            )
            uncharged_change = max(-f.uncharged, counted.uncharged - f.watermark_uncharged)
            f.uncharged, f.watermark_uncharged = f.uncharged + uncharged_change, counted.uncharged
        return self._reply(status, change, uncharged_change)

    def correct(self, watermark_at: int, corrections: Iterable[tuple[str, int, int]]) -> Reply:
        status = self._open_at(watermark_at)
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

    def _open_at(self, watermark_at: int) -> Status:
        self._expire()
        if not self.is_loaded:
            return Status.NEED_SEED
        return Status.DONE if self.loaded.watermark_at == watermark_at else Status.STALE

    def refund(self, generation: int, items: Iterable[ItemCharge]) -> int:
        self._expire()
        if not self.is_loaded or self.loaded.generation != generation:
            return 0
        return sum([self._take_back(item) for item in items])

    def _take_back(self, item: ItemCharge) -> bool:
        entry, f = self._current_entry(item.turn_key), self.loaded
        if entry is None or (entry.state, entry.recorded_at) != ("charged", item.recorded_at_us):
            return False
        f.used = max(0, f.used - entry.turns)
        f.uncharged = max(0, f.uncharged - entry.uncharged)
        if entry.recorded_at < f.watermark_at:
            f.watermark_used -= entry.turns
            f.watermark_uncharged -= entry.uncharged
        self._drop(entry.relationship)
        self._remove_entry(item.turn_key)
        return True
