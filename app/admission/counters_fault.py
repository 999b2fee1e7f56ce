"""One account's counters that cannot be used: the fault, with its fix."""

from collections.abc import Sequence

from app.admission.keys import parse_quota_key
from app.http.faults import AccountFault


def counters_fault(keys: Sequence[str], error: Exception) -> AccountFault:
    """Return the fault of the account whose bucket and quota are the first of `keys`.

    Of a bucket without a quota the subject is the bucket itself.
    """
    bucket, *rest = keys
    account = parse_quota_key(rest[0]) if rest else None
    subject = account.account if account else "an address"
    damaged = f"{bucket} and all of {rest[0]}*" if account else "its bucket"
    return AccountFault(
        subject,
        f"Its counters cannot be used ({type(error).__name__}). Delete {damaged} in Redis: "
        "they are made anew.",
    )
