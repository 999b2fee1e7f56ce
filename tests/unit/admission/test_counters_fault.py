"""The fault of counters that cannot be used names the keys to delete, but no client address."""

from app.admission.counters_fault import counters_fault
from app.admission.keys import AccountKeys, address_bucket


def test_the_fault_of_an_account_names_its_keys() -> None:
    keys = AccountKeys("org_1", "live", "2026-11-23")

    fault = counters_fault(keys.for_script, ValueError("a secret"))

    assert fault.account == "org_1:live"
    assert fault.reason == (
        "Counters cannot be used (ValueError). Delete bucket:{org_1} and all of "
        "quota:{org_1}:live:2026-11-23* in Redis: they are made anew."
    )


def test_the_fault_of_an_address_says_how_to_find_its_key_and_not_the_address() -> None:
    fault = counters_fault([address_bucket("203.0.113.7")], ValueError())

    assert fault.account == "client addresses"
    assert fault.reason == (
        "Counters cannot be used (ValueError). Delete the keys `bucket:{ip:*}` that are no hash "
        "(SCAN, then TYPE) in Redis: they are made anew."
    )
