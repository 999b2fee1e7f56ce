"""Proofs of tokens are cached, the tokens themselves are not."""

from app.tenancy.authentication import Proof, Proofs
from app.tenancy.errors import KeyUnknown
from tests.unit.tenancy.conftest import House
from tests.unit.tenancy.test_authentication import refused, sibling


def proof(number: int) -> Proof:
    return Proof(f"lookup_{number}", f"digest_{number}")


def test_a_proof_is_found_by_its_token_alone() -> None:
    proofs = Proofs(10)
    proofs.keep("token_1", proof(1))

    assert proofs.find("token_1") == proof(1)
    assert proofs.find("token_2") is None
    assert Proofs(10).find("token_1") is None


def test_no_more_are_kept_than_there_is_room_for() -> None:
    proofs = Proofs(2)
    for number in range(5):
        proofs.keep(f"token_{number}", proof(number))

    assert len(proofs._entries) == 1
    assert proofs.find("token_4") == proof(4)


def test_the_token_itself_is_not_kept(house: House) -> None:
    _, token = house.key(house.tenant())
    house.authenticator.authenticate(f"Bearer {token}")

    held = house.authenticator._proofs._entries
    assert len(held) == 1
    assert token not in repr(held)


def test_odd_text_has_a_fingerprint_too() -> None:
    assert Proofs(1).find("\ud800") is None


def test_a_proof_opens_nothing_once_its_key_is_another_one(house: House) -> None:
    key, token = house.key(house.tenant())
    house.authenticator.authenticate(f"Bearer {token}")

    house.store._keys.update_one({"_id": key.id}, {"$set": {"digest": "another"}})
    house.clock.pass_(seconds=3)
    assert type(refused(house, f"Bearer {token}")) is KeyUnknown


def test_a_proof_of_another_digest_is_made_anew(house: House) -> None:
    key, token = house.key(house.tenant())
    house.authenticator.authenticate(f"Bearer {token}")
    held = house.authenticator._proofs._entries
    ((fingerprint, proof),) = held.items()

    held[fingerprint] = proof._replace(digest="another")
    assert house.authenticator.authenticate(f"Bearer {token}").key_id == key.id
    assert held[fingerprint] == proof


def test_a_wrong_secret_leaves_no_proof(house: House) -> None:
    _, token = house.key(house.tenant())
    house.authenticator.authenticate(f"Bearer {token}")

    for _ in range(2):
        assert type(refused(house, f"Bearer {sibling(token)}")) is KeyUnknown
    assert len(house.authenticator._proofs._entries) == 1
