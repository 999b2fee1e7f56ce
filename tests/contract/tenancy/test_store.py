"""Written documents are read back, on the in-memory twin as on the real server."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from app.tenancy.model import ApiKey, Environment, KeyState, Scope
from app.tenancy.store import AlreadyStored, TenancyStore
from tests.schema import make_schema

NOW = datetime(2026, 11, 23, 12, 0, 0, 123_000, tzinfo=UTC)
KEY = ApiKey(
    id="key_1",
    organization_id="org_1",
    environment=Environment.LIVE,
    scope=Scope.ADMIN,
    lookup="aaaaaaaa",
    digest="00" * 32,
    hint="uniq_live_aaaa...",
    created_at=NOW,
    label="ci",
    expires_at=NOW + timedelta(days=3650),
)
ORGANIZATION = {
    "_id": "org_1",
    "name": "Café",
    "plan": "pro",
    "overrides": {"turns": "unlimited", "burst": 3},
    "temporary_limits": {"turns": {"value": 60_000, "until_ms": 4_000_000_000_000}},
    "is_suspended": False,
    "signed_up_on": "2024-02-29",
    "created_at": NOW,
}


def numbered(number: int, **changes: Any) -> ApiKey:
    """Return another key with an id and a look-up id of its own."""
    return replace(KEY, id=f"key_{number}", lookup=f"{number:08}", **changes)


def test_making_the_schema_again_changes_nothing(
    store: TenancyStore, mongo_database: Database[dict[str, Any]]
) -> None:
    before = mongo_database["api_keys"].index_information()

    make_schema(mongo_database)

    assert mongo_database["api_keys"].index_information() == before
    assert len(before) == 7


def test_an_organization_is_read_back_with_its_day_and_instant(store: TenancyStore) -> None:
    store.insert_organization(ORGANIZATION)

    expected = ORGANIZATION | {"signed_up_on": date(2024, 2, 29)}
    assert store.find_organization("org_1") == expected
    assert store.list_organizations() == [expected]
    assert store.find_organization("org_2") is None


def test_an_update_touches_one_organization_and_answers_it(store: TenancyStore) -> None:
    store.insert_organization(ORGANIZATION)
    store.insert_organization(ORGANIZATION | {"_id": "org_2"})

    changed = store.update_organization(ORGANIZATION, {"is_suspended": True, "overrides": {}})

    assert changed is not None
    assert (changed["is_suspended"], changed["overrides"]) == (True, {})
    assert store.find_organization("org_1") == changed
    assert [found["is_suspended"] for found in store.list_organizations()] == [True, False]
    unknown = ORGANIZATION | {"_id": "org_3"}
    assert store.update_organization(unknown, {"is_suspended": True}) is None


@pytest.mark.parametrize(
    "seen",
    [{"overrides": {"turns": 5}}, {"temporary_limits": {}}, {"overrides": None}, {"plan": "free"}],
)
def test_an_update_of_what_has_changed_meanwhile_is_not_made(
    store: TenancyStore, seen: dict[str, Any]
) -> None:
    store.insert_organization(ORGANIZATION)
    changes = {"plan": "scale", "overrides": {}, "temporary_limits": {}}

    assert store.update_organization(ORGANIZATION | seen, changes) is None

    found = store.find_organization("org_1")
    assert found is not None
    assert found["plan"] == "pro"
    assert store.update_organization(found, changes) is not None


def test_an_update_adds_a_field_that_an_older_release_did_not_write(store: TenancyStore) -> None:
    older = {name: value for name, value in ORGANIZATION.items() if name != "temporary_limits"}
    store.insert_organization(older)

    changed = store.update_organization(older, {"temporary_limits": {}})

    assert changed is not None
    assert changed["temporary_limits"] == {}


def test_organizations_are_found_by_their_whole_name(store: TenancyStore) -> None:
    for organization_id in ("org_2", "org_1"):
        store.insert_organization(ORGANIZATION | {"_id": organization_id})
    store.insert_organization(ORGANIZATION | {"_id": "org_3", "name": "Café & Co"})

    found = store.find_organizations_named("Café")

    assert [each["_id"] for each in found] == ["org_1", "org_2"]
    assert found[0]["signed_up_on"] == date(2024, 2, 29)
    assert store.find_organizations_named("Caf") == []


def test_keys_are_found_by_the_beginning_of_their_look_up_id(store: TenancyStore) -> None:
    lookups = ("Ab120000", "Ab12zzzz", "Ab13aaaa", "Ab11zzzz", "ab12aaaa")
    for number, lookup in enumerate(lookups):
        store.insert_key(replace(KEY, id=f"key_{number}", lookup=lookup), None)
    test = replace(KEY, id="key_9", lookup="Ab12aaaa", environment=Environment.TEST)
    store.insert_key(test, None)

    found = store.find_keys_by_beginning(Environment.LIVE, "Ab12")

    assert [key.id for key in found] == ["key_1", "key_0"]
    assert store.find_keys_by_beginning(Environment.TEST, "Ab12") == [test]


@pytest.mark.parametrize(
    ("seconds", "is_written"),
    [(0, False), (59.999, False), (60, True), (-59.999, False), (-60, True)],
)
def test_a_use_is_written_only_a_minute_apart_from_the_stored_one(
    store: TenancyStore, seconds: float, is_written: bool
) -> None:
    minute, second_use = timedelta(minutes=1), NOW + timedelta(seconds=seconds)
    store.insert_key(KEY, None)
    store.note_key_uses([KEY.id, "key_unknown"], NOW, minute)

    store.note_key_uses([KEY.id], second_use, minute)

    expected = second_use if is_written else NOW
    assert store.find_key(KEY.id) == replace(KEY, last_used_at=expected)
    assert store.find_key("key_unknown") is None


def test_a_key_is_replaced_once_and_back_again(store: TenancyStore) -> None:
    store.insert_key(KEY, None)
    replaced = replace(KEY, expires_at=NOW + timedelta(hours=1), replaced_by="key_2")

    for before, after in ((KEY, replaced), (replaced, KEY)):
        assert store.replace_key(before, after)
        assert store.find_key("key_1") == after
        assert not store.replace_key(before, replace(after, replaced_by="key_3"))
        assert store.find_key("key_1") == after


def test_a_key_whose_expiry_stays_is_replaced_once(store: TenancyStore) -> None:
    store.insert_key(KEY, None)
    replaced = [replace(KEY, replaced_by=f"key_{number}") for number in (2, 3)]

    assert [store.replace_key(KEY, each) for each in replaced] == [True, False]
    assert store.find_key("key_1") == replaced[0]


def test_a_revoked_key_is_not_replaced(store: TenancyStore) -> None:
    store.insert_key(KEY, None)
    store.revoke_key("key_1", NOW)

    assert not store.replace_key(KEY, replace(KEY, replaced_by="key_2"))
    assert store.find_key("key_1") == replace(KEY, revoked_at=NOW)


@pytest.mark.parametrize("key", [KEY, numbered(2, label=None, expires_at=None)])
def test_a_key_is_read_back_as_it_was(store: TenancyStore, key: ApiKey) -> None:
    store.insert_key(key, None)

    assert store.find_key(key.id) == key
    assert store.find_key_by_lookup(key.lookup) == key
    assert store.find_key_of_account("org_1", Environment.LIVE, key.id) == key


def test_a_key_is_found_only_by_its_owner(store: TenancyStore) -> None:
    store.insert_key(KEY, "digest")

    assert store.find_key_of_account("org_2", Environment.LIVE, KEY.id) is None
    assert store.find_key_of_account("org_1", Environment.TEST, KEY.id) is None
    assert store.find_key("key_2") is None
    assert store.find_key_by_lookup("bbbbbbbb") is None


def test_two_keys_never_share_a_look_up_id(store: TenancyStore) -> None:
    store.insert_key(KEY, None)

    with pytest.raises(AlreadyStored):
        store.insert_key(replace(KEY, id="key_2"), None)
    assert store.find_key("key_2") is None


def test_two_keys_never_share_an_idempotency_mark_but_many_have_none(store: TenancyStore) -> None:
    for number in range(1, 4):
        store.insert_key(numbered(number), None)
    store.insert_key(numbered(4), "digest")

    with pytest.raises(AlreadyStored):
        store.insert_key(numbered(5), "digest")
    found = store.find_key_by_idempotency(["other", "digest"])
    assert found is not None
    assert found.id == "key_4"
    assert store.find_key_by_idempotency(["other"]) is None


def ids(
    store: TenancyStore, state: KeyState, *environments: Environment, **options: Any
) -> list[str]:
    """Return ids of `org_1`'s keys in this state, of both environments unless some are named."""
    chosen = {"before_id": None, "at_most": 9} | options
    found = store.find_keys("org_1", environments or list(Environment), state, NOW, **chosen)
    return [key.id for key in found]


def test_keys_are_found_by_state_the_newest_first(store: TenancyStore) -> None:
    later, ago = NOW + timedelta(milliseconds=1), NOW - timedelta(days=1)
    for key in (
        numbered(1, expires_at=None),
        numbered(2, expires_at=later),
        numbered(3, environment=Environment.TEST),
        numbered(4, expires_at=NOW),
        numbered(5, expires_at=ago),
        numbered(6, revoked_at=ago),
        numbered(7, revoked_at=NOW, expires_at=ago),
        numbered(8, organization_id="org_2"),
    ):
        store.insert_key(key, None)

    assert ids(store, KeyState.ACTIVE) == ["key_3", "key_2", "key_1"]
    assert ids(store, KeyState.ACTIVE, Environment.LIVE) == ["key_2", "key_1"]
    assert ids(store, KeyState.EXPIRED) == ["key_5", "key_4"]
    assert ids(store, KeyState.REVOKED) == ["key_7", "key_6"]
    assert ids(store, KeyState.REVOKED, Environment.TEST) == []
    assert ids(store, KeyState.ACTIVE, before_id="key_3", at_most=1) == ["key_2"]


def test_active_keys_are_neither_revoked_nor_expired_nor_foreign(store: TenancyStore) -> None:
    store.insert_key(numbered(1, expires_at=None), None)
    store.insert_key(numbered(2, expires_at=NOW + timedelta(milliseconds=1)), None)
    store.insert_key(numbered(3, expires_at=NOW), None)
    store.insert_key(numbered(4, revoked_at=NOW), None)
    store.insert_key(numbered(5, environment=Environment.TEST), None)
    store.insert_key(numbered(6, organization_id="org_2"), None)

    assert store.count_active_keys("org_1", Environment.LIVE, NOW) == 2


def test_the_first_revocation_stands(store: TenancyStore) -> None:
    store.insert_key(KEY, None)

    store.revoke_key(KEY.id, NOW)
    store.revoke_key(KEY.id, NOW + timedelta(days=1))
    store.revoke_key("key_absent", NOW)

    assert store.find_key(KEY.id) == replace(KEY, revoked_at=NOW)


@pytest.mark.parametrize("damaged", ["yesterday", "", 0, True, {}, [], ["yesterday"]])
def test_a_damaged_revocation_is_replaced_and_the_key_is_removed_in_time(
    store: TenancyStore, mongo_database: Database[dict[str, Any]], damaged: Any
) -> None:
    store.insert_key(KEY, None)
    mongo_database["api_keys"].update_one({"_id": KEY.id}, {"$set": {"revoked_at": damaged}})

    store.revoke_key(KEY.id, NOW)

    assert store.find_key(KEY.id) == replace(KEY, revoked_at=NOW)
    assert store.remove_keys(NOW - timedelta(milliseconds=1), 9) == 0
    assert store.remove_keys(NOW, 9) == 1


def test_a_missing_revocation_is_set(
    store: TenancyStore, mongo_database: Database[dict[str, Any]]
) -> None:
    store.insert_key(KEY, None)
    mongo_database["api_keys"].update_one({"_id": KEY.id}, {"$unset": {"revoked_at": ""}})

    store.revoke_key(KEY.id, NOW)

    assert store.find_key(KEY.id) == replace(KEY, revoked_at=NOW)
