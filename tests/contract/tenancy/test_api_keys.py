"""Keys are made once for each idempotency key, kept as digests only, and revoked for good."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from pymongo.database import Database

from app.http.request_errors import InvalidFields
from app.tenancy import key_format
from app.tenancy.api_keys import MAX_KEYS, ApiKeys, IssuedKey
from app.tenancy.errors import IdempotencyConflict, KeyCollision, KeyLimitReached, KeyNotFound
from app.tenancy.key_lists import KeyLists
from app.tenancy.model import ApiKey, Environment, Scope
from app.tenancy.store import AlreadyStored, TenancyStore
from tests.contract.tenancy.conftest import trail_beside
from tests.servers import CURSOR_SECRET, PEPPER

NEW_PEPPER = "the-new-pepper-0123456789-0123456789"
ORGANIZATION = "org_1"
LIVE = Environment.LIVE


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 11, 23, 12, 0, 0, 123_456, tzinfo=UTC)

    def now(self) -> datetime:
        return self.wall


@pytest.fixture
def clock() -> Clock:
    """The clock of this test's keys."""
    return Clock()


@pytest.fixture
def keys(store: TenancyStore, clock: Clock) -> ApiKeys:
    """Keys of every organization, none yet."""
    return ApiKeys(store, [PEPPER], trail_beside(store), clock.now)


def issue(keys: ApiKeys, scope: Scope = Scope.READ, **options: Any) -> IssuedKey:
    return keys.issue(ORGANIZATION, LIVE, scope, **options)


def listed(keys: ApiKeys) -> list[ApiKey]:
    """Return every key of the organization."""
    lists = KeyLists(keys._store, [CURSOR_SECRET], lambda: int(keys._now().timestamp() * 1_000_000))
    return list(lists.all_(ORGANIZATION))


Error = TypeVar("Error", bound=Exception)


def refused(keys: ApiKeys, kind: type[Error], scope: Scope = Scope.READ, **options: Any) -> Error:
    with pytest.raises(kind) as refusal:
        issue(keys, scope, **options)
    return refusal.value


def test_a_key_is_shown_once_and_stored_as_a_digest_only(
    keys: ApiKeys, mongo_database: Database[dict[str, Any]]
) -> None:
    key, token = issue(keys, Scope.ADMIN, expires_in_days=30, label="ci", idempotency_key="retry-1")

    assert key_format.parse(token).lookup == key.lookup
    assert key.hint == f"{token[:14]}..."
    assert key.expires_at == key.created_at + timedelta(days=30)
    assert keys.get_(ORGANIZATION, LIVE, key.id) == key
    kept = repr(list(mongo_database["api_keys"].find()))
    assert token not in kept
    assert token[18:50] not in kept
    assert "retry-1" not in kept


def test_without_an_idempotency_key_every_call_makes_a_key(keys: ApiKeys) -> None:
    made = {issue(keys)[1] for _ in range(3)}

    assert len(made) == len(listed(keys)) == 3


@pytest.mark.parametrize("environment", list(Environment))
def test_a_retry_answers_the_same_key(keys: ApiKeys, environment: Environment) -> None:
    first, again = (
        keys.issue(ORGANIZATION, environment, Scope.READ, idempotency_key="retry-1")
        for _ in range(2)
    )

    assert first == again
    assert listed(keys) == [first[0]]


def test_accounts_never_share_an_idempotency_key(keys: ApiKeys) -> None:
    made = [
        keys.issue(organization, environment, Scope.READ, idempotency_key="retry-1")
        for organization in ("org_1", "org_2")
        for environment in Environment
    ]

    assert len({token for _, token in made}) == 4


def test_fifty_retries_at_once_make_one_key(keys: ApiKeys) -> None:
    with ThreadPoolExecutor(50) as threads:
        made = list(threads.map(lambda _: issue(keys, idempotency_key="retry-1"), range(50)))

    assert len({(key.id, token) for key, token in made}) == 1
    assert listed(keys) == [made[0][0]]


def test_fifty_retries_for_the_last_free_slot_all_get_the_key(keys: ApiKeys) -> None:
    for _ in range(MAX_KEYS - 1):
        issue(keys)

    with ThreadPoolExecutor(50) as threads:
        made = list(threads.map(lambda _: issue(keys, idempotency_key="retry-1"), range(50)))

    assert len({token for _, token in made}) == 1
    assert len(listed(keys)) == MAX_KEYS


def test_a_retry_under_a_rotated_pepper_answers_the_same_key(
    keys: ApiKeys, store: TenancyStore, clock: Clock
) -> None:
    made = issue(keys, idempotency_key="retry-1")
    rotated = ApiKeys(store, [NEW_PEPPER, PEPPER], trail_beside(store), clock.now)

    assert issue(rotated, idempotency_key="retry-1") == made


@pytest.mark.parametrize(
    ("scope", "changes"),
    [
        (Scope.ADMIN, {"expires_in_days": 7, "label": "ci"}),
        (Scope.READ, {"expires_in_days": 8, "label": "ci"}),
        (Scope.READ, {"label": "ci"}),
        (Scope.READ, {"expires_in_days": 7}),
        (Scope.READ, {"expires_in_days": 7, "label": "cd"}),
    ],
)
def test_a_retry_with_another_body_is_a_conflict(
    keys: ApiKeys, scope: Scope, changes: dict[str, Any]
) -> None:
    made, _ = issue(keys, expires_in_days=7, label="ci", idempotency_key="retry-1")

    refusal = refused(keys, IdempotencyConflict, scope, **changes, idempotency_key="retry-1")

    assert "Send a new Idempotency-Key" in str(refusal)
    assert refusal.label == "other_request"
    assert listed(keys) == [made]


def test_a_retry_after_a_day_is_a_conflict_that_names_the_next_step(
    keys: ApiKeys, clock: Clock
) -> None:
    made = issue(keys, idempotency_key="retry-1")
    start = clock.wall

    clock.wall = start + timedelta(hours=23, minutes=59)
    assert issue(keys, idempotency_key="retry-1") == made
    clock.wall = start + timedelta(hours=24)
    refusal = refused(keys, IdempotencyConflict, idempotency_key="retry-1")

    assert "24 hours ago. Send a new Idempotency-Key" in str(refusal)
    assert refusal.label == "idempotency_key_expired"


def test_a_retry_for_a_revoked_key_is_a_conflict_that_names_the_next_step(keys: ApiKeys) -> None:
    key, _ = issue(keys, idempotency_key="retry-1")
    keys.revoke(ORGANIZATION, LIVE, key.id)

    refusal = refused(keys, IdempotencyConflict, idempotency_key="retry-1")

    assert "revoked. Send a new Idempotency-Key" in str(refusal)
    assert refusal.label == "key_revoked"


@pytest.mark.parametrize(
    "idempotency_key", ["", " ", "a ", "a" * 256, "tab\t", "line\n", "é", "nul\0", "\x7f"]
)
def test_an_odd_idempotency_key_is_refused_by_name(keys: ApiKeys, idempotency_key: str) -> None:
    refusal = refused(keys, InvalidFields, idempotency_key=idempotency_key)

    assert [wrong["field"] for wrong in refusal.field_errors] == ["Idempotency-Key"]
    assert listed(keys) == []


@pytest.mark.parametrize(
    "idempotency_key", ["a", "a a", "~" * 255, "0b6b9cf2-3a4c-4e66-9a52-7d5b3f2f6a11"]
)
def test_any_printable_idempotency_key_will_do(keys: ApiKeys, idempotency_key: str) -> None:
    made = issue(keys, idempotency_key=idempotency_key)

    assert issue(keys, idempotency_key=idempotency_key) == made


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"label": "two words"}, "label"),
        ({"label": ""}, "label"),
        ({"label": "a" * 65}, "label"),
        ({"label": "ci\n"}, "label"),
        ({"expires_in_days": 0}, "expires_in_days"),
        ({"expires_in_days": 3651}, "expires_in_days"),
    ],
)
def test_an_odd_label_or_lifetime_is_refused_by_name(
    keys: ApiKeys, options: dict[str, Any], field: str
) -> None:
    assert [wrong["field"] for wrong in refused(keys, InvalidFields, **options).field_errors] == [
        field
    ]


def test_the_hundred_and_first_key_needs_another_to_go(keys: ApiKeys, clock: Clock) -> None:
    first, _ = issue(keys, expires_in_days=1)
    second, _ = issue(keys)
    for _ in range(MAX_KEYS - 2):
        issue(keys)

    refusal = refused(keys, KeyLimitReached, idempotency_key="retry-1")
    assert refusal.limit == 100
    assert "Revoke one" in str(refusal)
    assert keys.issue(ORGANIZATION, Environment.TEST, Scope.READ)

    keys.revoke(ORGANIZATION, LIVE, second.id)
    assert issue(keys)
    refused(keys, KeyLimitReached)
    assert first.expires_at is not None
    clock.wall = first.expires_at
    assert issue(keys)


def test_a_revoked_key_stays_in_the_list_with_its_first_instant(
    keys: ApiKeys, clock: Clock
) -> None:
    key, _ = issue(keys)
    keys.revoke(ORGANIZATION, LIVE, key.id)
    at = keys.get_(ORGANIZATION, LIVE, key.id).revoked_at
    clock.wall += timedelta(hours=1)

    keys.revoke(ORGANIZATION, LIVE, key.id)

    assert at == datetime(2026, 11, 23, 12, 0, 0, 123_000, tzinfo=UTC)
    assert [found.revoked_at for found in listed(keys)] == [at]
    revoked = keys.revoke_found(keys.get_(ORGANIZATION, LIVE, key.id))
    assert isinstance(revoked, ApiKey)
    assert revoked.revoked_at == at


def test_foreign_and_unknown_keys_are_the_same_not_found(keys: ApiKeys) -> None:
    key, _ = issue(keys)
    strangers = [
        ("org_2", LIVE, key.id),
        (ORGANIZATION, Environment.TEST, key.id),
        (ORGANIZATION, LIVE, "key_absent"),
        (ORGANIZATION, LIVE, "$where\0"),
    ]

    messages = []
    for stranger in strangers:
        for method in (keys.get_, keys.revoke):
            with pytest.raises(KeyNotFound) as refusal:
                method(*stranger)
            messages.append(str(refusal.value))

    assert set(messages) == {"There is no such API key."}
    assert keys.get_(ORGANIZATION, LIVE, key.id).revoked_at is None


@pytest.mark.parametrize("idempotency_key", ["retry-1", None])
def test_a_key_with_the_ids_of_another_one_is_a_conflict_to_be_repeated(
    keys: ApiKeys, store: TenancyStore, monkeypatch: pytest.MonkeyPatch, idempotency_key: str | None
) -> None:
    def refuse(_key: ApiKey, _idempotency: str | None) -> None:
        raise AlreadyStored

    with monkeypatch.context() as patched:
        patched.setattr(store, "insert_key", refuse)
        refusal = refused(keys, KeyCollision, idempotency_key=idempotency_key)

    assert "Repeat the request" in str(refusal)
    assert issue(keys, idempotency_key=idempotency_key)
