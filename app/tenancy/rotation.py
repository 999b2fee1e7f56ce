"""Replace an API key by another, and let both be accepted for a while."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.audit.differences import differences
from app.audit.model import Action, Author, Change
from app.audit.trail import AuditTrail
from app.http.instants import cut_to_ms, utc_now
from app.tenancy.api_keys import ApiKeys
from app.tenancy.errors import KeyChangedMeanwhile, KeyNotReplaceable
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

    def rotate(
        self,
        text: str,
        overlap: timedelta,
        *,
        by: Author | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> Rotation:
        """Make a key like the one that `text` names, which then expires after `overlap`.

        The new key has the same organization, environment, scope, label and days of life. A key
        that expires before the end of the overlap expires as before. Of rotations at the same
        moment one is made.

        `check` runs once the key is read: it sees the entries of all rotations before this one.

        Raises the errors of `KeySearch.find` and of `ApiKeys.issue`, KeyNotReplaceable for a key
        that is not active, KeyChangedMeanwhile for one that somebody else rotates or revokes at the
        same moment, and AccountFault for a damaged one.
        """
        before = sound_key(self._search.find(text))
        check()
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
        expires_at = min(before.expires_at or end, end)
        ends = replace(before, expires_at=expires_at, replaced_by=new.id)
        try:
            with self._trail.entry(_rotated(Action.KEY_ROTATED, before, ends), by):
                self._replace(before, ends)
        except Exception:
            # Nobody has seen its plaintext. If this fails too, the caller learns of the outage.
            self._keys.withdraw(new, by=by)
            raise
        return Rotation(before, ends, new, plaintext)

    def undo(self, rotation: Rotation, *, by: Author | None = None) -> None:
        """Restore the replaced key and delete the new one, whose plaintext was never shown.

        KeyChangedMeanwhile if the replaced key was changed since: it then stays as it is.
        """
        before, ends = rotation.before, rotation.ends
        try:
            with self._trail.entry(_rotated(Action.KEY_ROTATION_UNDONE, ends, before), by):
                self._replace(ends, before)
        finally:
            self._keys.withdraw(rotation.new, by=by)

    def _replace(self, before: ApiKey, after: ApiKey) -> None:
        if not self._store.replace_key(before, after):
            raise KeyChangedMeanwhile(before.id)

    def _require_active(self, key: ApiKey, now: datetime) -> None:
        if key.revoked_at is not None:
            raise KeyNotReplaceable(key.id, "is revoked")
        if key.expires_at is not None and key.expires_at <= now:
            raise KeyNotReplaceable(key.id, "has expired")


def _rotated(action: Action, before: ApiKey, after: ApiKey) -> Change:
    """Return the change of the replaced key; one that expires earlier keeps its own expiry."""
    old, changed = differences(
        {"expires_at": before.expires_at, "replaced_by": before.replaced_by},
        {"expires_at": after.expires_at, "replaced_by": after.replaced_by},
    )
    return Change(action, before.organization_id, before.id, old, changed)


def _days_of_life(key: ApiKey) -> int | None:
    return max(1, (key.expires_at - key.created_at).days) if key.expires_at else None
