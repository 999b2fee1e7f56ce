"""The rules of API keys: issuing once per idempotency key, listing, revoking."""

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from ulid import ULID

from app.http.instants import cut_to_ms, utc_now
from app.http.problems import Offence, Problem, offence, require_valid
from app.tenancy import key_format
from app.tenancy.key_format import ParsedKey
from app.tenancy.model import ApiKey, Environment, FaultyKey, Scope
from app.tenancy.records import require_sound_key
from app.tenancy.store import AlreadyStored, TenancyStore

MAX_KEYS = 100
MAX_KEY_DAYS = 3650
LABEL_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,63}$"
IDEMPOTENCY_HEADER = "Idempotency-Key"
IDEMPOTENCY_WINDOW = timedelta(hours=24)

_IDEMPOTENCY_KEY = re.compile(r"[ -~]{1,255}")
_REMEDY = f"Send a new {IDEMPOTENCY_HEADER} to make another key."

IssuedKey = tuple[ApiKey, str]
FoundKey = ApiKey | FaultyKey
K = TypeVar("K", bound=FoundKey)


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """What somebody asks for; two requests with one idempotency key must be equal."""

    organization_id: str
    environment: Environment
    scope: Scope
    expires_in_days: int | None
    label: str | None


class ApiKeys:
    """Keys of every organization; a foreign or unknown key is the same Problem not_found.

    `peppers` are newest first: the first makes new keys, all of them verify. To rotate, add the
    new pepper as the last one everywhere, then move it to the front.
    """

    def __init__(
        self,
        store: TenancyStore,
        peppers: Sequence[str],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._peppers = peppers
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
    ) -> IssuedKey:
        """A new key and its plaintext, which is kept nowhere and cannot be shown again.

        The same `idempotency_key` within 24 h answers the same key and plaintext, also when sent
        many times at once. Raises Problem: conflict if it was used for another request, too long
        ago or for a key revoked since, or if the account holds its 100 keys (approximately so
        under concurrent creation); validation_error.
        """
        require_valid(_offences(label, expires_in_days, idempotency_key))
        wanted = KeyRequest(organization_id, environment, scope, expires_in_days, label)
        if idempotency_key is None:
            return self._insert(wanted, key_format.generate(environment), mark=None)
        return self._replay(wanted, idempotency_key) or self._issue_once(wanted, idempotency_key)

    def list_(self, organization_id: str, environment: Environment | None = None) -> list[FoundKey]:
        """An organization's keys, newest first, revoked, expired and damaged ones included."""
        return self._store.list_keys(organization_id, environment)

    def get_(self, organization_id: str, environment: Environment, key_id: str) -> ApiKey:
        """One key of this account; Problem not_found otherwise, AccountFault if it is damaged."""
        found = self._store.find_key(
            key_id, organization_id=organization_id, environment=environment.value
        )
        return _known(require_sound_key(found))

    def revoke(self, organization_id: str, environment: Environment, key_id: str) -> None:
        """Make a key of this account useless within 5 s; harmless when done again."""
        self._revoke(self.get_(organization_id, environment, key_id))

    def revoke_by_id(self, key_id: str) -> FoundKey:
        """Revoke any organization's key, damaged or not, as an operator may."""
        return self._revoke(_known(self._store.find_key(key_id)))

    def withdraw(self, key: ApiKey) -> None:
        """Remove a key whose plaintext nobody has seen, as if it had never been made."""
        self._store.delete_key(key.id)

    def _revoke(self, key: FoundKey) -> FoundKey:
        """Revoke a key and return it as it is then; read no more: that could fail."""
        now = cut_to_ms(self._now())
        self._store.revoke_key(key.id, now)
        if isinstance(key, FaultyKey) or key.revoked_at is not None:
            return key
        return replace(key, revoked_at=now)

    def _issue_once(self, wanted: KeyRequest, idempotency_key: str) -> IssuedKey:
        newest = self._peppers[0]
        token = _derived(wanted, idempotency_key, newest)
        try:
            return self._insert(wanted, token, _mark(wanted, idempotency_key, newest))
        except Problem:
            # A twin of this very request may have won the race, or taken the last free place.
            replayed = self._replay(wanted, idempotency_key)
            if replayed is None:
                raise
            return replayed

    def _replay(self, wanted: KeyRequest, idempotency_key: str) -> IssuedKey | None:
        marks = [_mark(wanted, idempotency_key, pepper) for pepper in self._peppers]
        key = require_sound_key(self._store.find_key_by_idempotency(marks))
        if key is None:
            return None
        self._require_same(key, wanted)
        for pepper in self._peppers:
            token = _derived(wanted, idempotency_key, pepper).token
            if key_format.matches(token, key.digest, [pepper]):
                return key, token
        return None

    def _require_same(self, key: ApiKey, wanted: KeyRequest) -> None:
        lifetime = (key.expires_at - key.created_at).days if key.expires_at else None
        stored = (key.scope, lifetime, key.label)
        if stored != (wanted.scope, wanted.expires_in_days, wanted.label):
            raise _conflict("was used with another body")
        if key.revoked_at is not None:
            raise _conflict("made a key that is revoked")
        if self._now() - key.created_at >= IDEMPOTENCY_WINDOW:
            raise _conflict("was used more than 24 hours ago")

    def _insert(self, wanted: KeyRequest, parsed: ParsedKey, mark: str | None) -> IssuedKey:
        now = cut_to_ms(self._now())
        self._require_room(wanted, now)
        days = wanted.expires_in_days
        key = ApiKey(
            id=f"key_{ULID.from_datetime(now)}",
            organization_id=wanted.organization_id,
            environment=wanted.environment,
            scope=wanted.scope,
            lookup=parsed.lookup,
            digest=key_format.digest(parsed.token, self._peppers[0]),
            hint=key_format.display(parsed.token),
            created_at=now,
            label=wanted.label,
            expires_at=now + timedelta(days=days) if days else None,
        )
        try:
            self._store.insert_key(key, mark)
        except AlreadyStored:
            raise _conflict("met another key in the making") from None
        return key, parsed.token

    def _require_room(self, wanted: KeyRequest, now: datetime) -> None:
        held = self._store.count_usable_keys(wanted.organization_id, wanted.environment, now)
        if held >= MAX_KEYS:
            raise Problem(
                "conflict",
                f"The account already holds {MAX_KEYS} {wanted.environment.value} keys. "
                "Revoke one that is not used any more.",
                details={"limit": MAX_KEYS},
            )


def _derived(wanted: KeyRequest, idempotency_key: str, pepper: str) -> ParsedKey:
    return key_format.derive(wanted.environment, pepper, wanted.organization_id, idempotency_key)


def _mark(wanted: KeyRequest, idempotency_key: str, pepper: str) -> str:
    """What the store keeps instead of the idempotency key, bound to its account."""
    parts = ("idempotency", wanted.organization_id, wanted.environment.value, idempotency_key)
    return hmac.digest(pepper.encode(), "\0".join(parts).encode(), hashlib.sha256).hex()


def _known(key: K | None) -> K:
    if key is None:
        raise Problem("not_found", "There is no such API key.")
    return key


def _conflict(reason: str) -> Problem:
    return Problem("conflict", f"This {IDEMPOTENCY_HEADER} {reason}. {_REMEDY}")


def _offences(
    label: str | None, expires_in_days: int | None, idempotency_key: str | None
) -> list[Offence]:
    found = []
    if label is not None and re.fullmatch(LABEL_PATTERN, label) is None:
        message = "The label must be 1 to 64 letters, digits or ._:@/+- without white space."
        found.append(offence("label", "pattern", message, {"pattern": LABEL_PATTERN}))
    if expires_in_days is not None and not 1 <= expires_in_days <= MAX_KEY_DAYS:
        message = f"A key may last 1 to {MAX_KEY_DAYS} days."
        allowed = {"min": 1, "max": MAX_KEY_DAYS}
        found.append(offence("expires_in_days", "out_of_range", message, allowed))
    if idempotency_key is not None and _IDEMPOTENCY_KEY.fullmatch(idempotency_key) is None:
        message = f"The header {IDEMPOTENCY_HEADER} must be 1 to 255 printable ASCII characters."
        found.append(offence(IDEMPOTENCY_HEADER, "pattern", message, {"max_length": 255}))
    return found
