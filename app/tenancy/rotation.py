"""Replace an API key by another, and let both be accepted for a while."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.audit.differences import differences
from app.audit.model import Action, Author, Change
from app.audit.trail import AuditTrail
from app.http.instants import cut_to_ms, utc_now
from app.tenancy.api_keys import ApiKeys
from app.tenancy.errors import KeyNotReplaceable
from app.tenancy.key_search import KeySearch
from app.tenancy.model import ApiKey
from app.tenancy.records import sound_key
from app.tenancy.store import TenancyStore


@dataclass(frozen=True, slots=True)
class Rotation:
    """A replaced key as it was `before` and as it `ends`, and the `new` one with its plaintext."""

    before: ApiKey
    ends: ApiKey
    new: ApiKey
    plaintext: str = field(repr=False)


class KeyRotation:
    """Rotates keys of every organization, for operators."""

    def __init__(
        self,
        store: TenancyStore,
        search: KeySearch,
        keys: ApiKeys,
        trail: AuditTrail,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._search = search
        self._keys = keys
        self._trail = trail
        self._now = now

    def rotate(self, text: str, overlap: timedelta, *, by: Author | None = None) -> Rotation:
        """Make a key like the one that `text` names, which then expires after `overlap`.

        The new key has the same organization, environment, scope, label and days of life. A key
        that expires before the end of the overlap expires as before.

        Raises the errors of `KeySearch.find` and of `ApiKeys.issue`, KeyNotReplaceable for a key
        that is not active, and AccountFault for a damaged one.
        """
        before = sound_key(self._search.find(text))
        now = cut_to_ms(self._now())
        self._require_active(before, now)
        new, plaintext = self._keys.issue(
            before.organization_id,
            before.environment,
            before.scope,
            expires_in_days=_days_of_life(before),
            label=before.label,
            by=by,
        )
        end = now + overlap
        ends = replace(before, expires_at=min(before.expires_at or end, end))
        try:
            with self._trail.entry(_rotated(Action.KEY_ROTATED, before, ends, new), by):
                self._store.set_key_expiry(before.id, ends.expires_at)
        except Exception:
            # Nobody has seen its plaintext. If this fails too, the caller learns of the outage.
            self._keys.withdraw(new, by=by)
            raise
        return Rotation(before, ends, new, plaintext)

    def undo(self, rotation: Rotation, *, by: Author | None = None) -> None:
        """Restore the replaced key and delete the new one, whose plaintext was never shown."""
        before, ends, new = rotation.before, rotation.ends, rotation.new
        with self._trail.entry(_rotated(Action.KEY_ROTATION_UNDONE, ends, before, new), by):
            self._store.set_key_expiry(before.id, before.expires_at)
        self._keys.withdraw(new, by=by)

    def _require_active(self, key: ApiKey, now: datetime) -> None:
        if key.revoked_at is not None:
            raise KeyNotReplaceable(key.id, "is revoked")
        if key.expires_at is not None and key.expires_at <= now:
            raise KeyNotReplaceable(key.id, "has expired")


def _rotated(action: Action, before: ApiKey, after: ApiKey, new: ApiKey) -> Change:
    """Return the change of the replaced key's expiry; a key that ended earlier keeps its own."""
    is_undone = action is Action.KEY_ROTATION_UNDONE
    old, changed = differences(
        {"expires_at": before.expires_at, "replaced_by": new.id if is_undone else None},
        {"expires_at": after.expires_at, "replaced_by": None if is_undone else new.id},
    )
    return Change(action, before.organization_id, before.id, old, changed)


def _days_of_life(key: ApiKey) -> int | None:
    return max(1, (key.expires_at - key.created_at).days) if key.expires_at else None
