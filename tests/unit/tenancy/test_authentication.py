"""Authentication: which keys pass, which error others get, and how soon a change applies."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.tenancy import key_format
from app.tenancy.api_keys import ApiKeys
from app.tenancy.authentication import Authenticator
from app.tenancy.ended_keys import EndedKeys
from app.tenancy.errors import (
    AuthenticationFailed,
    CredentialMissing,
    KeyExpired,
    KeyRevoked,
    KeyUnknown,
)
from app.tenancy.model import Environment, Principal, Scope
from tests.servers import PEPPER
from tests.unit.tenancy.conftest import House


def refused(house: House, authorization: str | None) -> AuthenticationFailed:
    with pytest.raises(AuthenticationFailed) as refusal:
        house.authenticator.authenticate(authorization)
    return refusal.value


def sibling(token: str) -> str:
    """Return a key of the right form with the same look-up id and another secret."""
    body = token[10:18] + token[18:50][::-1]
    return key_format._assemble(Environment(token[5:9]), body).token


def test_a_valid_key_returns_its_principal(house: House) -> None:
    tenant = house.tenant("pro")
    key, token = house.key(tenant)

    principal = house.authenticator.authenticate(f"Bearer {token}")

    assert principal == Principal(
        organization_id=tenant.id,
        organization_name="Acme",
        key_id=key.id,
        scope=Scope.READ_WRITE,
        environment=Environment.LIVE,
        plan="pro",
        limits=tenant.limits,
        signed_up_on=tenant.signed_up_on,
    )
    assert principal.account == f"{tenant.id}:live"


@pytest.mark.parametrize(
    "header", ["bearer {}", "BEARER {}", "Bearer   {}", "  Bearer {} ", "Bearer \t{}\t"]
)
def test_scheme_case_and_odd_white_space_do_not_matter(house: House, header: str) -> None:
    key, token = house.key(house.tenant())

    assert house.authenticator.authenticate(header.format(token)).key_id == key.id


@pytest.mark.parametrize(
    "header",
    [None, "", " ", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "uniq_live_abc", "Bearer\xa0x", "é"],
)
def test_no_bearer_credential_is_an_authentication_error(house: House, header: str | None) -> None:
    assert type(refused(house, header)) is CredentialMissing


@pytest.mark.parametrize(
    "token",
    [
        "eyJhbGciOiJIUzI1NiJ9.e30.x",
        "uniq_live_",
        "uniq_live_abcdefgh",
        "uniq_prod_" + "a" * 46,
        "uniq_live_" + "a" * 46,
        "uniq_live_" + "é" * 46,
        "uniq_live_" + "\u0661" * 46,
        "x" * 1_000_000,
        "a, Bearer b",
    ],
)
def test_a_malformed_token_is_invalid(house: House, token: str) -> None:
    refusal = refused(house, f"Bearer {token}")

    assert type(refusal) is KeyUnknown
    assert token not in str(refusal)


@pytest.mark.parametrize("environment", list(Environment))
def test_a_key_with_the_right_form_that_was_never_issued_is_invalid(
    house: House, environment: Environment
) -> None:
    token = key_format.generate(environment).token
    assert type(refused(house, f"Bearer {token}")) is KeyUnknown


@given(header=st.text(max_size=120))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_refused_without_an_unexpected_error(house: House, header: str) -> None:
    assert isinstance(refused(house, header), AuthenticationFailed)
    assert isinstance(refused(house, f"Bearer {header}"), AuthenticationFailed)


def test_a_wrong_secret_is_invalid_also_when_the_key_is_cached(house: House) -> None:
    _, token = house.key(house.tenant())
    assert type(refused(house, f"Bearer {sibling(token)}")) is KeyUnknown

    house.authenticator.authenticate(f"Bearer {token}")

    assert type(refused(house, f"Bearer {sibling(token)}")) is KeyUnknown
    assert house.authenticator.authenticate(f"Bearer {token}").organization_name == "Acme"


def test_a_key_of_the_other_environment_does_not_pass_with_a_changed_prefix(house: House) -> None:
    _, token = house.key(house.tenant())
    renamed = key_format._assemble(Environment.TEST, token[10:50]).token

    assert type(refused(house, f"Bearer {renamed}")) is KeyUnknown


def test_a_revocation_applies_within_the_cache_time(house: House) -> None:
    tenant = house.tenant()
    key, token = house.key(tenant)
    house.authenticator.authenticate(f"Bearer {token}")
    house.keys.revoke(tenant.id, Environment.LIVE, key.id)

    house.clock.pass_(seconds=1.9)
    assert house.authenticator.authenticate(f"Bearer {token}").key_id == key.id
    house.clock.pass_(seconds=0.1)
    assert type(refused(house, f"Bearer {token}")) is KeyRevoked


def test_plan_and_suspension_apply_within_the_cache_time(house: House) -> None:
    tenant = house.tenant("free")
    _, token = house.key(tenant)
    house.authenticator.authenticate(f"Bearer {token}")
    house.organizations.set_plan(tenant.id, "scale", {"turns": 3})
    house.organizations.suspend(tenant.id)

    house.clock.pass_(seconds=2)
    principal = house.authenticator.authenticate(f"Bearer {token}")

    assert (principal.plan, principal.limits.turns, principal.is_suspended) == ("scale", 3, True)


def test_a_key_expires_at_its_instant_also_when_it_is_cached(house: House) -> None:
    key, token = house.key(house.tenant(), expires_in_days=1)
    assert key.expires_at is not None
    house.clock.wall = key.expires_at - timedelta(microseconds=1)
    assert house.authenticator.authenticate(f"Bearer {token}").key_id == key.id

    house.clock.wall = key.expires_at
    assert type(refused(house, f"Bearer {token}")) is KeyExpired


def test_a_wrong_secret_never_shows_that_a_key_is_revoked_or_expired(house: House) -> None:
    tenant = house.tenant()
    key, token = house.key(tenant, expires_in_days=1)
    house.keys.revoke(tenant.id, Environment.LIVE, key.id)
    house.clock.pass_(days=2)

    assert type(refused(house, f"Bearer {sibling(token)}")) is KeyUnknown
    assert type(refused(house, f"Bearer {token}")) is KeyRevoked


def test_a_removed_key_is_refused_like_one_that_was_never_made(house: House) -> None:
    key, token = house.key(house.tenant(), expires_in_days=1)
    house.clock.pass_(days=1)
    assert type(refused(house, f"Bearer {token}")) is KeyExpired

    house.clock.pass_(days=90)
    assert EndedKeys(house.store, house.clock.now).remove(timedelta(days=90)) == 1

    assert type(refused(house, f"Bearer {token}")) is KeyUnknown
    assert house.store.find_key(key.id) is None


def test_peppers_rotate_without_touching_a_key(house: House) -> None:
    tenant = house.tenant()
    old_key, old_token = house.key(tenant)
    peppers = ["the-new-pepper-0123456789-0123456789", PEPPER]
    new_key, new_token = ApiKeys(house.store, peppers, house.trail).issue(
        tenant.id, Environment.LIVE, Scope.READ
    )
    overlapping, rotated = (
        Authenticator(
            house.store, house.plans, valid, require_store=lambda: None, note_use=lambda *_: None
        )
        for valid in (peppers, peppers[:1])
    )

    assert overlapping.authenticate(f"Bearer {old_token}").key_id == old_key.id
    assert overlapping.authenticate(f"Bearer {new_token}").key_id == new_key.id
    assert rotated.authenticate(f"Bearer {new_token}").key_id == new_key.id
    with pytest.raises(KeyUnknown, match="not a valid API key"):
        rotated.authenticate(f"Bearer {old_token}")
