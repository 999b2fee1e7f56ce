"""The verdict over a turn: the oracle's rules of the quota and of repeated turns."""

from app.admission.decision import TurnCharge
from app.admission.policy import QuotaPolicy
from tests.unit.admission.maintenance import MaintainedAccount
from tests.unit.admission.values import Entry

CHARGED, REPLAYED, TURNS, RELATIONSHIPS, CONFLICT, RECORDED, CANCELLED, TOO_MANY_OPEN = range(8)
UNCHARGED = 8
REFUSED = TURNS, RELATIONSHIPS, UNCHARGED


class JudgedAccount(MaintainedAccount):
    """Judges turns and changes nothing."""

    def _judge(self, item: TurnCharge, quota: QuotaPolicy | None) -> int:
        """Judge a turn to record; `quota` is None where it has no say."""
        entry = self._standing_entry(item)
        if entry is None or entry.state == "reserved":
            return CHARGED if quota is None else self._refusal(item, quota, entry)
        if entry.state == "cancelled":
            return CANCELLED
        same = self._is_same(entry.relationship, item.relationship_id or "")
        return REPLAYED if same and entry.turns == item.turns else CONFLICT

    def _standing_entry(self, item: TurnCharge) -> Entry | None:
        """Return the entry of a turn, unless it cost nothing and the turn now costs something."""
        return None if self._is_replaced_by(item) else self._current_entry(item.turn_key)

    def _is_replaced_by(self, item: TurnCharge) -> bool:
        entry = self._current_entry(item.turn_key)
        return bool(entry and entry.state == "charged" and entry.turns == 0 < item.turns)

    def _judge_reservation(self, item: TurnCharge, quota: QuotaPolicy, most: int) -> int:
        if entry := self._standing_entry(item):
            same = self._is_same(entry.relationship, item.relationship_id or "")
            held = REPLAYED if same else CONFLICT
            return {"charged": RECORDED, "cancelled": CANCELLED, "reserved": held}[entry.state]
        if self.loaded.uncharged > quota.uncharged_limit:
            return UNCHARGED
        refusal = self._refusal(item, quota, None)
        return refusal or (TOO_MANY_OPEN if self.loaded.reserved >= most else CHARGED)

    def _refusal(self, item: TurnCharge, quota: QuotaPolicy, own: Entry | None) -> int:
        """Judge as if the own reservation were released first, which is a promise for as much."""
        f, name = self.loaded, item.relationship_id or ""
        if item.turns == 0 and own is None:
            return UNCHARGED if f.uncharged >= quota.uncharged_limit else CHARGED
        held_turns = own.turns if own else 0
        taken = f.used + f.reserved - held_turns
        turns_limit = -1 if quota.overage_allowed else quota.turns_limit
        if item.turns > held_turns and 0 <= turns_limit < taken + item.turns:
            return TURNS
        others = dict(self.references)
        if own and others.get(own.relationship):
            others[own.relationship] -= 1
        is_own = own is not None and self._is_same(own.relationship, name)
        active = sum(1 for count in others.values() if count)
        is_new = bool(name) and not others.get(name) and not is_own
        return RELATIONSHIPS if is_new and quota.relationships_limit <= active else CHARGED
