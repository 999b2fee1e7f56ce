"""Keys are found by id, by their whole text and by their hint; a forged text finds none."""

import pytest

from app.tenancy import key_format
from app.tenancy.errors import AmbiguousHint, KeyNotFound, KeyTextIncomplete
from app.tenancy.key_search import KeySearch
from app.tenancy.model import ApiKey, Environment, FaultyKey, Scope
from tests.servers import PEPPER
from tests.unit.tenancy.conftest import House

NEVER_ISSUED = key_format.generate(Environment.LIVE, lambda _: "q").token


@pytest.fixture
def search(house: House) -> KeySearch:
    return KeySearch(house.store, ["another pepper 0123456789 0123456789", PEPPER])


def with_beginning(
    house: House, beginning: str, environment: Environment = Environment.LIVE
) -> ApiKey:
    """Store a key whose look-up id begins so, and that is otherwise random."""
    characters = iter(beginning)
    parsed = key_format.generate(environment, lambda _: next(characters, "x"))
    number = house.store._keys.count_documents({})
    key = ApiKey(
        id=f"key_{number}",
        organization_id="org_1",
        environment=environment,
        scope=Scope.READ,
        lookup=parsed.lookup,
        digest=key_format.digest(parsed.token, PEPPER),
        hint=key_format.display(parsed.token),
        created_at=house.clock.wall.replace(microsecond=0),
    )
    house.store.insert_key(key, None)
    return key


def test_a_key_is_found_by_its_id_its_text_and_its_hint(house: House, search: KeySearch) -> None:
    key, token = house.key(house.tenant())
    house.key(house.tenant())

    for text in (key.id, token, key.hint, key.hint.rstrip(".")):
        assert search.find(text) == key


def test_a_key_of_another_environment_has_another_hint(house: House, search: KeySearch) -> None:
    live = with_beginning(house, "Ab12live")
    test = with_beginning(house, "Ab12test", Environment.TEST)

    assert search.find("uniq_live_Ab12...") == live
    assert search.find("uniq_test_Ab12...") == test


@pytest.mark.parametrize("last", ["0", "z"])
def test_every_key_with_the_beginning_is_a_candidate(
    house: House, search: KeySearch, last: str
) -> None:
    first, second = (with_beginning(house, f"Ab1{last}{each}") for each in ("0000", "zzzz"))
    with_beginning(house, "Ab1y")
    with_beginning(house, "Ab2")

    with pytest.raises(AmbiguousHint) as refusal:
        search.find(f"uniq_live_Ab1{last}...")

    assert refusal.value.candidates == [(second.id, "org_1"), (first.id, "org_1")]
    assert second.id in str(refusal.value)


def test_keys_that_are_revoked_leave_a_hint_to_the_one_that_is_not(
    house: House, search: KeySearch
) -> None:
    first, second, third = (with_beginning(house, f"Ab12{number}") for number in range(3))
    for key in (first, third):
        house.keys.revoke_found(key)

    assert search.find("uniq_live_Ab12...") == second


def test_a_revoked_key_is_still_found_by_its_hint_and_text(house: House, search: KeySearch) -> None:
    key, token = house.key(house.tenant())
    revoked = house.keys.revoke_found(key)

    assert (search.find(token), search.find(key.hint)) == (revoked, revoked)


def test_a_forged_text_does_not_find_the_key_whose_look_up_id_it_has(
    house: House, search: KeySearch
) -> None:
    key = with_beginning(house, "Ab12cdef")
    characters = iter(key.lookup)
    forged = key_format.generate(Environment.LIVE, lambda _: next(characters, "y"))

    with pytest.raises(KeyNotFound):
        search.find(forged.token)


@pytest.mark.parametrize(
    "text",
    ["", "key_absent", "Ab12", "uniq_live_Zz99...", NEVER_ISSUED],
)
def test_what_no_key_has_is_not_found(house: House, search: KeySearch, text: str) -> None:
    house.key(house.tenant())

    with pytest.raises(KeyNotFound):
        search.find(text)


@pytest.mark.parametrize("cut", [1, 20, 40])
def test_a_part_of_a_key_is_refused_and_shown_by_its_first_characters_only(
    house: House, search: KeySearch, cut: int
) -> None:
    key, token = house.key(house.tenant())

    with pytest.raises(KeyTextIncomplete) as refusal:
        search.find(token[:-cut])

    assert key.hint in str(refusal.value)
    assert token[:16] not in str(refusal.value)


def test_a_key_with_a_wrong_character_is_refused(house: House, search: KeySearch) -> None:
    _, token = house.key(house.tenant())
    wrong = token[:30] + ("a" if token[30] != "a" else "b") + token[31:]

    with pytest.raises(KeyTextIncomplete):
        search.find(wrong)


def test_a_damaged_key_is_found_by_its_text(house: House, search: KeySearch) -> None:
    key, token = house.key(house.tenant())
    house.store._keys.update_one({"_id": key.id}, {"$unset": {"digest": ""}})

    for text in (key.id, token, key.hint):
        found = search.find(text)
        assert isinstance(found, FaultyKey)
        assert found.id == key.id
