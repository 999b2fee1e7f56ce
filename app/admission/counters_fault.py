"""Describe counters of one account that cannot be used, with the fix."""

from collections.abc import Sequence

from app.admission.keys import parse_quota_key
from app.http.faults import AccountFault

_OF_ADDRESSES = "the keys `bucket:{ip:*}` that are no hash (SCAN, then TYPE)"


def counters_fault(keys: Sequence[str], error: Exception) -> AccountFault:
    """Return the fault of the account whose bucket and quota are the first of `keys`.

    A bucket without a quota is a client address's. Its key holds the address, so it is not named.
    """
    bucket, *rest = keys
    account = parse_quota_key(rest[0]) if rest else None
    damaged = f"{bucket} and all of {rest[0]}*" if account else _OF_ADDRESSES
    return AccountFault(
        account.account if account else "client addresses",
        f"Counters cannot be used ({type(error).__name__}). Delete {damaged} in Redis: "
        "they are made anew.",
    )
