"""Issue API keys once per idempotency key; read and revoke them."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from ulid import ULID

from app.audit.differences import differences
from app.audit.model import Action, Author, Change
from app.audit.trail import AuditTrail
from app.http.instants import cut_to_ms, utc_now
from app.http.request_errors import InvalidFields, require_valid
from app.tenancy import key_format
from app.tenancy.errors import (
    IdempotencyConflict,
    KeyChangedMeanwhile,
    KeyCollision,
    KeyLimitReached,
    KeyNotFound,
    TenancyError,
)
from app.tenancy.key_format import ParsedKey
from app.tenancy.key_rules import field_errors, require_ends_in_time
from app.tenancy.model import ApiKey, Environment, FaultyKey, FoundKey, Scope
from app.tenancy.records import require_sound_key
from app.tenancy.store import AlreadyStored, TenancyStore

MAX_KEYS = 100
IDEMPOTENCY_WINDOW = timedelta(hours=24)

IssuedKey = tuple[ApiKey, str]
K = TypeVar("K", bound=FoundKey)


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """The key that a request asks for.

    Two requests with one idempotency key must be equal, apart from `not_after`, the instant that
    the key must not outlive, and from the author `by`.
    """

    organization_id: str
    environment: Environment
    scope: Scope
    expires_in_days: int | None
    label: str | None
    not_after: datetime | None = None
    by: Author | None = None


class ApiKeys:
    """Keys of every organization; a foreign and an unknown key are the same KeyNotFound.

    Of `peppers` the first signs, all verify; rotate as in docs/operate/secrets.md.
    """

    def __init__(
        self,
        store: TenancyStore,
        peppers: Sequence[str],
        trail: AuditTrail,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._peppers = peppers
        self._trail = trail
        self._now = now

    def issue(
        self,
        organization_id: str,
        environment: Environment,
        scope: Scope,
        *,
        expires_in_days: int | None = None,
        label: str | None = None,
        idempotency_key: str | None = None,
        not_after: datetime | None = None,
        by: Author | None = None,
    ) -> IssuedKey:
        """Issue a key; return it with its plaintext, which is not stored and cannot be shown again.

        The same `idempotency_key` within 24 h returns the same key and plaintext, also for
        concurrent requests. These errors are raised:

        * IdempotencyConflict if it was used for another request, more than 24 h ago, or for a key
          that is revoked;
        * KeyCollision if a concurrent request stores the same key, to be repeated;
        * KeyLimitReached if the account holds its 100 active keys (approximately so under
          concurrent creation);
        * InvalidFields, also if the key would outlive `not_after`.
        """
        require_valid(field_errors(label, expires_in_days, idempotency_key))
        wanted = KeyRequest(
            organization_id, environment, scope, expires_in_days, label, not_after, by
        )
        if idempotency_key is None:
            return self._insert(
                wanted, lambda _id: key_format.generate(environment), idempotency=None
            )
        return self._replay(wanted, idempotency_key) or self._issue_once(wanted, idempotency_key)

    def get_(self, organization_id: str, environment: Environment, key_id: str) -> ApiKey:
        """Return one key of this account; KeyNotFound otherwise, AccountFault if it is damaged."""
        found = self._store.find_key_of_account(organization_id, environment, key_id)
        return _known(require_sound_key(found))

    def revoke(
        self,
        organization_id: str,
        environment: Environment,
        key_id: str,
        *,
        by: Author | None = None,
    ) -> None:
        """Revoke a key of this account, everywhere within 5 s; harmless when repeated."""
        self.revoke_found(self.get_(organization_id, environment, key_id), by=by)

    def revoke_found(self, key: FoundKey, *, by: Author | None = None) -> FoundKey:
        """Revoke a key of any organization, damaged or not; return it as stored.

        If another process revokes it at the same moment, the entry of this revocation has failed.
        Makes no read after the change, which could fail.
        """
        if isinstance(key, ApiKey) and key.revoked_at is not None:
            return key
        now = cut_to_ms(self._now())
        before, after = differences({}, {"revoked_at": now})
        change = Change(Action.KEY_REVOKED, key.organization_id, key.id, before, after)
        try:
            with self._trail.entry(change, by):
                self._set_revoked(key.id, now)
        except KeyChangedMeanwhile:
            return _known(self._store.find_key(key.id))
        return key if isinstance(key, FaultyKey) else replace(key, revoked_at=now)

    def _set_revoked(self, key_id: str, now: datetime) -> None:
        if not self._store.revoke_key(key_id, now):
            raise KeyChangedMeanwhile(key_id)

    def withdraw(self, key: ApiKey, *, by: Author | None = None) -> None:
        """Delete a key whose plaintext was never shown."""
        change = Change(Action.KEY_WITHDRAWN, key.organization_id, key.id)
        with self._trail.entry(change, by):
            self._store.delete_key(key.id)

    def _issue_once(self, wanted: KeyRequest, idempotency_key: str) -> IssuedKey:
        newest = self._peppers[0]

        def make(key_id: str) -> ParsedKey:
            return _derived(wanted, newest, idempotency_key, key_id)

        try:
            return self._insert(wanted, make, _idempotency_digest(wanted, idempotency_key, newest))
        except (InvalidFields, TenancyError):
            # A concurrent copy of this request may have made the key, and so taken the last free
            # slot. InvalidFields: a key of this copy, which runs milliseconds later, may end after
            # `not_after`, while the key of the first copy did not.
            replayed = self._replay(wanted, idempotency_key)
            if replayed is None:
                raise
            return replayed

    def _replay(self, wanted: KeyRequest, idempotency_key: str) -> IssuedKey | None:
        digests = [_idempotency_digest(wanted, idempotency_key, pepper) for pepper in self._peppers]
        key = require_sound_key(self._store.find_key_by_idempotency(digests))
        if key is None:
            return None
        self._require_repeatable(key, wanted)
        require_ends_in_time(key.expires_at, wanted.not_after, self._now())
        for pepper in self._peppers:
            # The previous release derived keys without their id. They can be repeated until 24 h
            # after its last process ended, so the release after 0.1.0 needs the first context only.
            for context in ([idempotency_key, key.id], [idempotency_key]):
                token = _derived(wanted, pepper, *context).token
                if key_format.matches(token, key.digest, [pepper]):
                    return key, token
        return None

    def _require_repeatable(self, key: ApiKey, wanted: KeyRequest) -> None:
        lifetime = (key.expires_at - key.created_at).days if key.expires_at else None
        stored = (key.scope, lifetime, key.label)
        if stored != (wanted.scope, wanted.expires_in_days, wanted.label):
            raise IdempotencyConflict("other_request", "was used with another body")
        if key.revoked_at is not None:
            raise IdempotencyConflict("key_revoked", "made a key that is revoked")
        if self._now() - key.created_at >= IDEMPOTENCY_WINDOW:
            raise IdempotencyConflict("idempotency_key_expired", "was used more than 24 hours ago")

    def _insert(
        self, wanted: KeyRequest, make: Callable[[str], ParsedKey], idempotency: str | None
    ) -> IssuedKey:
        """Store a new key; `make` returns the plaintext for an id."""
        now = cut_to_ms(self._now())
        days = wanted.expires_in_days
        expires_at = now + timedelta(days=days) if days else None
        require_ends_in_time(expires_at, wanted.not_after, now)
        self._require_room(wanted, now)
        key_id = f"key_{ULID.from_datetime(now)}"
        parsed = make(key_id)
        key = ApiKey(
            id=key_id,
            organization_id=wanted.organization_id,
            environment=wanted.environment,
            scope=wanted.scope,
            lookup=parsed.lookup,
            digest=key_format.digest(parsed.token, self._peppers[0]),
            hint=key_format.display(parsed.token),
            created_at=now,
            label=wanted.label,
            expires_at=expires_at,
        )
        with self._trail.entry(_creation(key), wanted.by):
            try:
                self._store.insert_key(key, idempotency)
            except AlreadyStored:
                raise KeyCollision from None
        return key, parsed.token

    def _require_room(self, wanted: KeyRequest, now: datetime) -> None:
        held = self._store.count_active_keys(wanted.organization_id, wanted.environment, now)
        if held >= MAX_KEYS:
            raise KeyLimitReached(MAX_KEYS, wanted.environment)


def _creation(key: ApiKey) -> Change:
    shown = {
        "environment": key.environment.value,
        "scope": key.scope.value,
        "label": key.label,
        "expires_at": key.expires_at,
    }
    before, after = differences({}, shown)
    return Change(Action.KEY_CREATED, key.organization_id, key.id, before, after)


def _derived(wanted: KeyRequest, pepper: str, *context: str) -> ParsedKey:
    # The key's id is part of it: else an idempotency key would restore a removed key.
    return key_format.derive(wanted.environment, pepper, wanted.organization_id, *context)


def _idempotency_digest(wanted: KeyRequest, idempotency_key: str, pepper: str) -> str:
    """Return the digest that is stored for an idempotency key, bound to its account."""
    parts = ("idempotency", wanted.organization_id, wanted.environment.value, idempotency_key)
    return hmac.digest(pepper.encode(), "\0".join(parts).encode(), hashlib.sha256).hex()


def _known(key: K | None) -> K:
    if key is None:
        raise KeyNotFound
    return key
