"""No key outlives its maker, and no removed key comes back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.http.request_errors import FieldError, InvalidFields
from app.tenancy import key_format
from app.tenancy.api_keys import ApiKeys, KeyRequest, _idempotency_digest
from app.tenancy.ended_keys import REMOVED_AT_ONCE, EndedKeys
from app.tenancy.model import ApiKey, Environment, Scope
from app.tenancy.store import TenancyStore
from tests.contract.tenancy.conftest import trail_beside
from tests.contract.tenancy.test_api_keys import LIVE, ORGANIZATION, Clock
from tests.servers import PEPPER

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MS = timedelta(milliseconds=1)


@pytest.fixture
def clock() -> Clock:
    """The clock of this test's keys."""
    clock = Clock()
    clock.wall = START
    return clock


@pytest.fixture
def keys(store: TenancyStore, clock: Clock) -> ApiKeys:
    """Keys of every organization, none yet."""
    return ApiKeys(store, [PEPPER], trail_beside(store), clock.now)


@pytest.fixture
def ended(store: TenancyStore, clock: Clock) -> EndedKeys:
    """The keys that are over."""
    return EndedKeys(store, clock.now)


def issue(keys: ApiKeys, **options: Any) -> Any:
    return keys.issue(ORGANIZATION, LIVE, Scope.READ, **options)


def wrong_field(keys: ApiKeys, **options: Any) -> FieldError:
    with pytest.raises(InvalidFields) as refusal:
        issue(keys, **options)
    (wrong,) = refusal.value.field_errors
    assert wrong["field"] == "expires_in_days"
    return wrong


def test_a_key_may_end_with_its_maker_and_not_a_millisecond_later(
    keys: ApiKeys, store: TenancyStore
) -> None:
    made, _ = issue(keys, expires_in_days=7, not_after=START + 7 * DAY)
    assert made.expires_at == START + 7 * DAY

    wrong = wrong_field(keys, expires_in_days=7, not_after=START + 7 * DAY - MS)

    assert wrong["code"] == "out_of_range"
    assert wrong["allowed"] == {"min": 1, "max": 6, "not_after": "2026-11-30T11:59:59.999Z"}
    assert "2026-11-30T11:59:59.999Z" in wrong["message"]
    assert "at most 6 days" in wrong["message"]
    assert store.count_active_keys(ORGANIZATION, Environment.LIVE, START) == 1


def test_a_key_without_an_end_cannot_be_made_by_one_that_has_one(keys: ApiKeys) -> None:
    wrong = wrong_field(keys, not_after=START + 7 * DAY)

    assert wrong["code"] == "required"
    assert wrong["allowed"]["max"] == 7


@pytest.mark.parametrize("days", [1, None])
def test_in_its_last_day_a_key_makes_none_and_the_reason_says_so(
    keys: ApiKeys, days: int | None
) -> None:
    wrong = wrong_field(keys, expires_in_days=days, not_after=START + DAY - MS)

    assert "Use a key that lasts longer" in wrong["message"]


def test_a_retry_answers_the_same_key_while_its_maker_has_less_time_left(
    keys: ApiKeys, clock: Clock
) -> None:
    options = {"expires_in_days": 7, "not_after": START + 7 * DAY, "idempotency_key": "retry-1"}
    made = issue(keys, **options)
    clock.wall += timedelta(hours=23)

    assert issue(keys, **options) == made


def test_a_retry_by_a_key_that_ends_earlier_shows_no_key_that_outlives_it(keys: ApiKeys) -> None:
    issue(keys, idempotency_key="retry-1")

    wrong = wrong_field(keys, idempotency_key="retry-1", not_after=START + DAY)

    assert wrong["code"] == "required"


def test_an_idempotency_key_never_brings_a_removed_key_back(
    keys: ApiKeys, ended: EndedKeys, store: TenancyStore, clock: Clock
) -> None:
    made, token = issue(keys, idempotency_key="retry-1")
    keys.revoke(ORGANIZATION, LIVE, made.id)
    clock.wall += 100 * DAY
    assert ended.remove(90 * DAY) == 1
    assert store.find_key(made.id) is None

    _, again = issue(keys, idempotency_key="retry-1")

    assert again != token
    assert store.find_key_by_lookup(made.lookup) is None


def test_a_retry_across_an_upgrade_answers_the_key_that_was_made_before(
    keys: ApiKeys, store: TenancyStore
) -> None:
    token = key_format.derive(LIVE, PEPPER, ORGANIZATION, "retry-1").token
    before = ApiKey(
        id="key_1",
        organization_id=ORGANIZATION,
        environment=LIVE,
        scope=Scope.READ,
        lookup=key_format.parse(token).lookup,
        digest=key_format.digest(token, PEPPER),
        hint=key_format.display(token),
        created_at=START,
    )
    wanted = KeyRequest(ORGANIZATION, LIVE, Scope.READ, None, None)
    store.insert_key(before, _idempotency_digest(wanted, "retry-1", PEPPER))

    assert issue(keys, idempotency_key="retry-1") == (before, token)


def test_keys_are_removed_when_they_have_been_over_for_so_long_and_others_stay(
    keys: ApiKeys, ended: EndedKeys, store: TenancyStore, clock: Clock
) -> None:
    expired, _ = issue(keys, expires_in_days=1)
    revoked, _ = issue(keys)
    # Its end is the earlier of the two.
    both, _ = issue(keys, expires_in_days=1)
    active = [issue(keys)[0], issue(keys, expires_in_days=3650)[0]]
    clock.wall = START + 1 * DAY
    keys.revoke(ORGANIZATION, LIVE, revoked.id)
    clock.wall = START + 50 * DAY
    keys.revoke(ORGANIZATION, LIVE, both.id)

    clock.wall = START + 91 * DAY - MS
    assert ended.remove(90 * DAY) == 0
    clock.wall = START + 91 * DAY

    assert ended.remove(90 * DAY) == 3
    gone = [store.find_key(key.id) for key in (expired, revoked, both)]
    assert gone == [None] * 3
    assert [store.find_key(key.id) for key in active] == active
    assert ended.remove(90 * DAY) == 0


@pytest.mark.slow  # seconds of work
def test_more_ended_keys_than_are_removed_at_once_are_all_removed(
    keys: ApiKeys, ended: EndedKeys, store: TenancyStore, clock: Clock
) -> None:
    made, _ = issue(keys, expires_in_days=1)
    count = REMOVED_AT_ONCE + 1
    for number in range(1, count):
        store.insert_key(replace(made, id=f"key_{number}", lookup=f"{number:08}"), None)
    clock.wall += 2 * DAY

    assert ended.remove(DAY) == count
