"""Authenticate the API key of an `Authorization` header.

Two caches serve two purposes. `RecentKeys` saves two reads of MongoDB and limits how late a change
applies. `CheckedTokens` saves arithmetic, and a change never makes an entry of it wrong.

A change applies within 5 s: a stored key is cached for 2 s, and the two reads of it share the
request's `MONGODB_TIMEOUT_MS` (2 s by default; with a longer one, a change may apply later).
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from threading import Lock
from typing import NamedTuple

from app.http.faults import AccountFault
from app.http.instants import utc_now
from app.tenancy import key_format
from app.tenancy.errors import CredentialMissing, KeyExpired, KeyRevoked, KeyUnknown
from app.tenancy.key_format import MalformedKey, ParsedKey
from app.tenancy.key_uses import is_use_due
from app.tenancy.model import ApiKey, FaultyOrganization, Plan, Principal
from app.tenancy.records import organization_of, require_sound_key
from app.tenancy.store import TenancyStore

CACHE_SIZE = 10_000


@dataclass(slots=True)
class StoredKey:
    """A stored key with its principal, as read at one moment.

    A faulty organization has no principal. `is_use_due` is set until a use is noted.
    """

    key: ApiKey
    principal: Principal | FaultyOrganization
    is_use_due: bool


class RecentKeys:
    """A cache of stored keys by look-up id, each for `seconds`; evicts the least recently used.

    Safe between threads. An entry admits no request by itself: each token is checked against it.
    """

    def __init__(self, seconds: float, size: int, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._size = size
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, StoredKey]] = OrderedDict()
        self._lock = Lock()

    def get_or_read(self, lookup: str, read: Callable[[], StoredKey | None]) -> StoredKey | None:
        """Return the stored key, out of date by at most `seconds` plus the duration of one read."""
        # The age counts from before the read, so a revocation during the read is not missed longer.
        now = self._clock()
        with self._lock:
            read_at, stored = self._entries.get(lookup, (None, None))
            if read_at is not None and now - read_at < self._seconds:
                self._entries.move_to_end(lookup)
                return stored
        fresh = read()
        if fresh is not None:
            self._keep(lookup, now, fresh)
        return fresh

    def _keep(self, lookup: str, read_at: float, stored: StoredKey) -> None:
        with self._lock:
            self._entries[lookup] = (read_at, stored)
            self._entries.move_to_end(lookup)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)


class CheckedToken(NamedTuple):
    """The result of checking a token: its form is right, it has this look-up id and this digest.

    The result of arithmetic never expires. It counts only while the digest equals that of the
    stored key, which each request compares. Each request also checks that the key is active.
    """

    lookup: str
    digest: str


class CheckedTokens:
    """A cache of at most `size` results by a fingerprint of their token; tokens are not kept.

    It saves the CRC and one HMAC for each pepper on every request, at the cost of one fast hash.
    Safe between threads without a lock: each step is one operation of a dict.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._secret = secrets.token_bytes(32)
        self._entries: dict[bytes, CheckedToken] = {}

    def find(self, token: str) -> CheckedToken | None:
        """Return the cached result for a token, or None."""
        return self._entries.get(self._fingerprint(token))

    def keep(self, token: str, checked: CheckedToken) -> None:
        """Cache a result; a full cache is emptied first."""
        if len(self._entries) >= self._size:
            self._entries = {}
        self._entries[self._fingerprint(token)] = checked

    def _fingerprint(self, token: str) -> bytes:
        return blake2b(token.encode(errors="replace"), digest_size=32, key=self._secret).digest()


class Authenticator:
    """Authenticates API keys; revocations, suspensions and changes of plans apply within 5 s."""

    def __init__(
        self,
        store: TenancyStore,
        plans: Mapping[str, Plan],
        peppers: Sequence[str],
        *,
        require_store: Callable[[], None],
        note_use: Callable[[str, datetime], object],
        cache_seconds: float = 2.0,
        now: Callable[[], datetime] = utc_now,
        fresh_now: Callable[[], datetime] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._require_store = require_store
        self._note_use = note_use
        self._store = store
        self._plans = plans
        self._peppers = peppers
        self._now = now
        self._fresh_now = fresh_now or now
        self._recent = RecentKeys(cache_seconds, CACHE_SIZE, monotonic)
        self._checked = CheckedTokens(CACHE_SIZE)

    def authenticate(self, authorization: str | None) -> Principal:
        """Return the principal of a valid key, also of a suspended organization.

        Raises an AuthenticationFailed: CredentialMissing, KeyUnknown (mistyped or never issued),
        KeyRevoked, KeyExpired. AccountFault if the stored key or its organization cannot be used.

        A mistyped key costs no store call. While the circuit breaker of the store is open,
        `require_store` raises at once, also for a cached key: the request would fail later anyway.

        `note_use` receives a successful use, as `key_uses.py` explains.
        """
        token = bearer_token(authorization)
        if token is None:
            raise CredentialMissing
        checked = self._checked.find(token)
        lookup = checked.lookup if checked else _parse(token).lookup
        self._require_store()
        stored = self._recent.get_or_read(lookup, lambda: self._read(lookup))
        if stored is None:
            raise KeyUnknown
        if checked is None or checked.digest != stored.key.digest:
            self._check(token, stored.key)
        if stored.key.revoked_at is not None:
            raise KeyRevoked
        if stored.key.expires_at is not None and self._is_past(stored.key.expires_at):
            raise KeyExpired
        if stored.is_use_due:
            stored.is_use_due = False
            self._note_use(stored.key.id, self._now())
        if isinstance(stored.principal, FaultyOrganization):
            raise AccountFault(stored.principal.id, stored.principal.reason, is_key_proven=True)
        return stored.principal

    def _read(self, lookup: str) -> StoredKey | None:
        key = require_sound_key(self._store.find_key_by_lookup(lookup))
        found = self._store.find_organization(key.organization_id) if key else None
        if key is None or found is None:
            return None
        now = self._now()
        organization, is_due = organization_of(found, self._plans, now), is_use_due(key, now)
        if isinstance(organization, FaultyOrganization):
            return StoredKey(key, organization, is_due)
        principal = Principal.of(
            organization,
            key_id=key.id,
            scope=key.scope,
            environment=key.environment,
            key_expires_at=key.expires_at,
        )
        return StoredKey(key, principal, is_due)

    def _check(self, token: str, key: ApiKey) -> None:
        """Keep in the cache that the token is this key; KeyUnknown if it is not.

        The digest covers the whole token, its environment too.
        """
        if not key_format.matches(token, key.digest, self._peppers):
            raise KeyUnknown
        self._checked.keep(token, CheckedToken(key.lookup, key.digest))

    def _is_past(self, instant: datetime) -> bool:
        """Return True if the instant has passed, by the estimated clock and by a fresh reading.

        `_in_state` of `app.tenancy.store` applies the same rule to lists: a key expires at its
        instant, not after it.
        """
        return self._now() >= instant and self._fresh_now() >= instant


def bearer_token(authorization: str | None) -> str | None:
    """Return the token after the scheme `Bearer` (upper or lower case); None without one.

    The header is that of RFC 6750.
    """
    scheme, _, token = (authorization or "").strip(" \t").partition(" ")
    token = token.strip(" \t")
    return token if scheme.lower() == "bearer" and token else None


def _parse(token: str) -> ParsedKey:
    try:
        return key_format.parse(token)
    except MalformedKey:
        raise KeyUnknown from None
