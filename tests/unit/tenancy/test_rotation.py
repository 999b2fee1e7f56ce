"""A rotation makes a key like the old one, and ends the old one after the overlap."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.http.faults import AccountFault
from app.tenancy.api_keys import MAX_KEYS
from app.tenancy.errors import (
    KeyChangedMeanwhile,
    KeyExpired,
    KeyLimitReached,
    KeyNotFound,
    KeyNotReplaceable,
)
from app.tenancy.key_search import KeySearch
from app.tenancy.model import Environment, Scope
from app.tenancy.rotation import KeyRotation
from tests.servers import PEPPER
from tests.unit.tenancy.conftest import House

DAY = timedelta(days=1)


@pytest.fixture
def rotation(house: House) -> KeyRotation:
    search = KeySearch(house.store, [PEPPER])
    return KeyRotation(house.store, search, house.keys, house.trail, house.clock.now)


def stored(house: House, key_id: str) -> object:
    return house.store.find_key(key_id)


def test_the_new_key_is_like_the_old_one_and_both_are_accepted_for_a_while(
    house: House, rotation: KeyRotation
) -> None:
    tenant = house.tenant()
    old, old_token = house.keys.issue(tenant.id, Environment.TEST, Scope.ADMIN, label="ci")
    house.clock.pass_(days=3)

    made = rotation.rotate(old.id, DAY)

    assert (made.before, made.new.id != old.id) == (old, True)
    assert made.new == replace(
        made.new,
        organization_id=tenant.id,
        environment=Environment.TEST,
        scope=Scope.ADMIN,
        label="ci",
        expires_at=None,
    )
    assert stored(house, old.id) == made.ends
    authenticate = house.authenticator.authenticate
    house.clock.pass_(hours=23)
    for token, key in ((old_token, old), (made.plaintext, made.new)):
        assert authenticate(f"Bearer {token}").key_id == key.id
    house.clock.pass_(hours=1)
    assert authenticate(f"Bearer {made.plaintext}").key_id == made.new.id
    with pytest.raises(KeyExpired):
        authenticate(f"Bearer {old_token}")


def test_without_an_overlap_the_old_key_ends_at_once(house: House, rotation: KeyRotation) -> None:
    old, token = house.key(house.tenant())

    rotation.rotate(old.id, timedelta())

    with pytest.raises(KeyExpired):
        house.authenticator.authenticate(f"Bearer {token}")


def test_the_new_key_lives_as_long_as_the_old_one_was_made_for(
    house: House, rotation: KeyRotation
) -> None:
    old, _ = house.key(house.tenant(), expires_in_days=30)
    house.clock.pass_(days=29)

    made = rotation.rotate(old.id, 7 * DAY)

    assert made.ends.expires_at == old.expires_at
    assert made.new.expires_at == made.new.created_at + 30 * DAY


def test_a_key_that_is_not_active_is_refused(house: House, rotation: KeyRotation) -> None:
    tenant = house.tenant()
    revoked, _ = house.key(tenant)
    house.keys.revoke_found(revoked)
    expired, _ = house.key(tenant, expires_in_days=1)
    house.clock.pass_(days=1)

    for key, reason in ((revoked, "is revoked"), (expired, "has expired")):
        with pytest.raises(KeyNotReplaceable, match=reason):
            rotation.rotate(key.id, DAY)
    assert house.store._keys.count_documents({}) == 2


def test_an_unknown_and_a_damaged_key_are_refused(house: House, rotation: KeyRotation) -> None:
    key, _ = house.key(house.tenant())
    house.store._keys.update_one({"_id": key.id}, {"$unset": {"scope": ""}})

    with pytest.raises(KeyNotFound):
        rotation.rotate("key_absent", DAY)
    with pytest.raises(AccountFault):
        rotation.rotate(key.id, DAY)
    assert house.store._keys.count_documents({}) == 1


def test_an_account_with_all_its_keys_must_revoke_one_first(
    house: House, rotation: KeyRotation
) -> None:
    tenant = house.tenant()
    keys = [house.key(tenant)[0] for _ in range(MAX_KEYS)]

    with pytest.raises(KeyLimitReached):
        rotation.rotate(keys[0].id, DAY)

    assert stored(house, keys[0].id) == keys[0]


def test_a_rotation_that_fails_half_way_leaves_no_key_behind(
    house: House, rotation: KeyRotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _ = house.key(house.tenant())

    def fail(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(house.store, "replace_key", fail)
    with pytest.raises(ConnectionError):
        rotation.rotate(old.id, DAY)

    assert stored(house, old.id) == old
    assert house.store._keys.count_documents({}) == 1


@pytest.mark.parametrize("options", [{}, {"expires_in_days": 30}])
def test_a_rotation_can_be_undone(
    house: House, rotation: KeyRotation, options: dict[str, int]
) -> None:
    old, _ = house.key(house.tenant(), **options)

    rotation.undo(rotation.rotate(old.id, DAY))

    assert stored(house, old.id) == old
    assert house.store._keys.count_documents({}) == 1


def test_a_rotation_that_was_overtaken_is_not_undone_and_leaves_no_key_behind(
    house: House, rotation: KeyRotation
) -> None:
    old, _ = house.key(house.tenant())
    first = rotation.rotate(old.id, DAY)
    second = rotation.rotate(old.id, DAY)

    with pytest.raises(KeyChangedMeanwhile):
        rotation.undo(first)

    assert stored(house, old.id) == second.ends
    assert stored(house, first.new.id) is None
