"""Limit wrong operator tokens at the console's log-in, for each client address.

The bucket of the address (`ip_limits.py`) alone would allow ten guesses a second.
"""

from fractions import Fraction

from app.admission.address_buckets import AddressBuckets
from app.admission.decision import Decision
from app.admission.errors import whole_seconds
from app.admission.keys import login_bucket
from app.admission.policy import SECOND_US, BucketPolicy

ATTEMPTS = 5
REFILL_S = 12
_BUCKET = BucketPolicy(Fraction(1, REFILL_S), ATTEMPTS)


class LoginLimits:
    """Allow `ATTEMPTS` wrong tokens of an address at once, and one more each `REFILL_S` seconds.

    Right tokens cost nothing. Requests in flight at the same time may exceed the limit by their
    number.
    """

    def __init__(self, buckets: AddressBuckets) -> None:
        self._buckets = buckets

    def wait_s(self, address: str) -> int:
        """Return the whole seconds until `address` may send a token; 0 if it may now."""
        return _wait_s(self._buckets.take(login_bucket(address), _BUCKET, 0))

    def note_wrong_token(self, address: str) -> None:
        """Count a wrong token of `address`."""
        self._buckets.take(login_bucket(address), _BUCKET, 1)


def _wait_s(decision: Decision) -> int:
    if decision.bucket.remaining:
        return 0
    until_full_us = decision.bucket.reset_at_us - decision.time_us
    return max(1, whole_seconds(until_full_us - (ATTEMPTS - 1) * REFILL_S * SECOND_US))
