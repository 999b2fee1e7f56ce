"""The verdict over a turn: the oracle's rules of the quota and of repeated turns."""

from app.admission.decision import TurnCharge
from app.admission.policy import QuotaPolicy
from tests.unit.admission.maintenance import MaintainedAccount
from tests.unit.admission.values import Entry

CHARGED, REPLAYED, TURNS, RELATIONSHIPS, CONFLICT, RECORDED, CANCELLED, TOO_MANY_OPEN = range(8)
REFUSED = TURNS, RELATIONSHIPS


class JudgedAccount(MaintainedAccount):
    """Judges turns and changes nothing, but for charges that a comparison has replaced."""

    def _judge(self, item: TurnCharge, quota: QuotaPolicy | None) -> int:
        """Judge a turn to record; `quota` is None where it has no say."""
        entry = self._current_entry(item.turn_key)
        if entry is None or entry.state == "reserved":
            if quota is None or quota.overage_allowed:
                return CHARGED
            return self._refusal(item, quota, entry)
        if entry.state == "cancelled":
            return CANCELLED
        same = (entry.turns, entry.relationship) == (item.turns, item.relationship_id or "")
        return REPLAYED if same else CONFLICT

    def _judge_reservation(self, item: TurnCharge, quota: QuotaPolicy, most: int) -> int:
        if entry := self._current_entry(item.turn_key):
            same = entry.relationship == (item.relationship_id or "")
            held = REPLAYED if same else CONFLICT
            return {"charged": RECORDED, "cancelled": CANCELLED, "reserved": held}[entry.state]
        refusal = CHARGED if quota.overage_allowed else self._refusal(item, quota, None)
        return refusal or (TOO_MANY_OPEN if self.loaded.reserved >= most else CHARGED)

    def _refusal(self, item: TurnCharge, quota: QuotaPolicy, own: Entry | None) -> int:
        """Judge as if the own reservation were released first, which is a promise for as much."""
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
