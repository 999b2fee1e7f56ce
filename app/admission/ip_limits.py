"""Limit client addresses: flask-limiter hosts our token bucket.

flask-limiter is here so that address limits are written in its notation (`20 per 2 seconds`) and
work with its extensions and tools. It is used in this file alone. We override:

* its strategy and storage: it has no token bucket, and our script charges in one round trip
* its client: a cluster's client cannot be made from a URI
* its hooks and headers: it would look up limits that no route has, and rounds `Retry-After` down,
  so that a client is refused again; the decision goes to our own headers instead
"""

from contextvars import ContextVar
from fractions import Fraction
from functools import cache
from typing import Any

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import RateLimitItem, parse
from limits.storage import RedisStorage, Storage
from limits.strategies import STRATEGIES, RateLimiter
from limits.util import WindowStats

from app.admission.address_buckets import AddressBuckets
from app.admission.decision import Decision
from app.admission.fallback import LocalBuckets
from app.admission.keys import address_bucket
from app.admission.policy import BucketPolicy
from app.admission.script import AdmissionScript

STRATEGY = "token-bucket"
SCHEME = "turnledger"

# `hit` returns only yes or no; this carries the whole decision to `IpLimits.charge`.
_decision: ContextVar[Decision] = ContextVar("address_decision")


class TokenBucketStorage(RedisStorage):
    """Keep token buckets of `limits` items by the admission script, or locally without Redis."""

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012 (the base class declares it so)

    def __init__(
        self, uri: str, script: AdmissionScript, local: LocalBuckets, **options: Any
    ) -> None:
        # The base class would make a client of its own, which a cluster's is not made from.
        Storage.__init__(self, uri, **options)
        self.key_prefix = self.PREFIX
        self.target_server = "redis"
        self.dependency = self.dependencies[self.target_server].module
        self.storage = script.client
        self.initialize_storage(uri)
        self._buckets = AddressBuckets(script, local)

    def take(self, key: str, item: RateLimitItem, tokens: int) -> Decision:
        """Take `tokens` if all of them are available; 0 only reads."""
        return self._buckets.take(key, bucket_policy(item), tokens)


class TokenBucketRateLimiter(RateLimiter):
    """Strategy `token-bucket`: bursts of the item's amount, refilled evenly within its window.

    The only identifier is the bucket's key.
    """

    storage: TokenBucketStorage

    def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Take `cost` tokens; return False, and take none, if they are not available."""
        (key,) = identifiers
        decision = self.storage.take(key, item, cost)
        _decision.set(decision)
        return not decision.is_bucket_empty

    def test(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Return True if `hit` would be admitted now."""
        (key,) = identifiers
        return self.storage.take(key, item, 0).bucket.remaining >= cost

    def get_window_stats(self, item: RateLimitItem, *identifiers: str) -> WindowStats:
        """Return the instant at which the bucket is full (seconds since 1970), and tokens left."""
        (key,) = identifiers
        bucket = self.storage.take(key, item, 0).bucket
        return WindowStats(bucket.reset_at_us / 1_000_000, bucket.remaining)


STRATEGIES[STRATEGY] = TokenBucketRateLimiter  # type: ignore[assignment]


@cache
def bucket_policy(item: RateLimitItem) -> BucketPolicy:
    """Return the bucket of a limit: `20 per 2 seconds` is a burst of 20, 10 per second."""
    return BucketPolicy(Fraction(item.amount, item.get_expiry()), item.amount)


class IpLimits:
    """A bucket for each client address, of `limit`: `20 per 2 seconds`.

    ValueError if no exact bucket can be made of `limit`.
    """

    def __init__(self, script: AdmissionScript, limit: str, local: LocalBuckets) -> None:
        options: Any = {"script": script, "local": local}
        self._item = parse(limit)
        bucket_policy(self._item)
        self._limiter = Limiter(
            # `Limiter` requires a function that names the client. No limit uses it: `charge`
            # receives the address, which honours trusted proxies.
            get_remote_address,
            strategy=STRATEGY,
            storage_uri=f"{SCHEME}://",
            storage_options=options,
            headers_enabled=False,
        )

    def init_app(self, app: Flask) -> None:
        """Set flask-limiter up on `app`.

        It adds no hooks to an application that lists it as an extension already.
        """
        app.extensions.setdefault("limiter", set()).add(self._limiter)
        self._limiter.init_app(app)

    def charge(self, address: str) -> Decision:
        """Take one token of `address` (IPv6: of its /64), if it has one; return the decision.

        It costs one call of the script, whether the decision admits or refuses.
        """
        self._limiter.limiter.hit(self._item, address_bucket(address))
        return _decision.get()
