"""Names of keys: readable, one slot for an organization, one bucket for an address."""

import pytest
from redis.crc import key_slot

from app.admission.keys import AccountKeys, address_bucket, parse_quota_key

KEYS = AccountKeys("org_01J", "live", "2026-11-05")


def test_names_are_those_of_the_specification() -> None:
    quota = "quota:{org_01J}:live:2026-11-05"
    names = ("relationships", "turns", "lapses", "holds")
    companions = [f"{quota}:{name}" for name in names]
    assert KEYS.for_script == ("bucket:{org_01J}", quota, *companions)
    assert KEYS.account == "org_01J:live"


def test_all_keys_of_an_organization_share_a_slot() -> None:
    test = AccountKeys("org_01J", "test", "2026-12-05")
    names = [*KEYS.for_script, KEYS.seeding, KEYS.staging("token"), *test.for_script]
    assert {key_slot(name.encode()) for name in names} == {key_slot(b"org_01J")}


def test_quota_key_is_read_back() -> None:
    assert parse_quota_key(KEYS.quota) == KEYS


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in KEYS.for_script if name != KEYS.quota),
        KEYS.seeding,
        KEYS.staging("token"),
        "quota:{}:live:2026-11-05",
        "quota:{org_01J}:live:2026-11",
        f"{KEYS.quota}\n",
    ],
)
def test_other_keys_are_no_accounts(name: str) -> None:
    assert parse_quota_key(name) is None


@pytest.mark.parametrize(
    ("address", "bucket"),
    [
        ("203.0.113.7", "bucket:{ip:203.0.113.7}"),
        ("::ffff:203.0.113.7", "bucket:{ip:203.0.113.7}"),
        ("2001:db8:1:2::", "bucket:{ip:2001:db8:1:2::/64}"),
        ("2001:0DB8:1:2:3:4:5:6", "bucket:{ip:2001:db8:1:2::/64}"),
        ("fe80::1%eth0", "bucket:{ip:fe80::/64}"),
        ("::1", "bucket:{ip:::/64}"),
    ],
)
def test_address_bucket(address: str, bucket: str) -> None:
    assert address_bucket(address) == bucket


@pytest.mark.parametrize("address", ["", "localhost", "203.0.113.7:80", "1.2.3", "}{"])
def test_what_is_no_address_has_no_bucket(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        address_bucket(address)
