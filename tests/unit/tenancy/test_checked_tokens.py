"""Results of checking tokens are cached, the tokens themselves are not."""

from app.tenancy.authentication import CheckedToken, CheckedTokens
from app.tenancy.errors import KeyUnknown
from tests.unit.tenancy.conftest import House
from tests.unit.tenancy.test_authentication import refused, sibling


def result(number: int) -> CheckedToken:
    return CheckedToken(f"lookup_{number}", f"digest_{number}")


def test_a_result_is_found_by_its_token_alone() -> None:
    tokens = CheckedTokens(10)
    tokens.keep("token_1", result(1))

    assert tokens.find("token_1") == result(1)
    assert tokens.find("token_2") is None
    assert CheckedTokens(10).find("token_1") is None


def test_no_more_are_kept_than_there_is_room_for() -> None:
    tokens = CheckedTokens(2)
    for number in range(5):
        tokens.keep(f"token_{number}", result(number))

    assert len(tokens._entries) == 1
    assert tokens.find("token_4") == result(4)


def test_the_token_itself_is_not_kept(house: House) -> None:
    _, token = house.key(house.tenant())
    house.authenticator.authenticate(f"Bearer {token}")

    held = house.authenticator._checked._entries
    assert len(held) == 1
    assert token not in repr(held)


def test_odd_text_has_a_fingerprint_too() -> None:
    assert CheckedTokens(1).find("\ud800") is None


def test_a_result_admits_nothing_once_the_digest_of_its_key_differs(house: House) -> None:
    key, token = house.key(house.tenant())
    house.authenticator.authenticate(f"Bearer {token}")

    house.store._keys.update_one({"_id": key.id}, {"$set": {"digest": "another"}})
    house.clock.pass_(seconds=3)
    assert type(refused(house, f"Bearer {token}")) is KeyUnknown


def test_a_result_with_another_digest_is_replaced(house: House) -> None:
    key, token = house.key(house.tenant())
    house.authenticator.authenticate(f"Bearer {token}")
    held = house.authenticator._checked._entries
    ((fingerprint, kept),) = held.items()

    held[fingerprint] = kept._replace(digest="another")
    assert house.authenticator.authenticate(f"Bearer {token}").key_id == key.id
    assert held[fingerprint] == kept


def test_a_wrong_secret_leaves_no_result(house: House) -> None:
    _, token = house.key(house.tenant())
    house.authenticator.authenticate(f"Bearer {token}")

    for _ in range(2):
        assert type(refused(house, f"Bearer {sibling(token)}")) is KeyUnknown
    assert len(house.authenticator._checked._entries) == 1
