"""Read the counters and buckets of accounts without a change, for operators and `/v1/limits`.

Nothing is charged, seeded or cleared, and no script runs. So values are those that the last request
wrote: an expired reservation counts as held until the account's next request clears it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from redis import Redis

from app.admission.chunks import chunked
from app.admission.clock import LedgerClock
from app.admission.decision import BucketState, QuotaState
from app.admission.keys import account_keys, organization_bucket
from app.admission.policy import BucketPolicy, QuotaPolicy
from app.backends.batches import send_batch
from app.tenancy.model import Environment, Limits, Organization, Principal
from app.tenancy.periods import Period, period_at

# Fields of lua/quota.lua. The last one is missing in hashes of the first release.
_QUOTA_FIELDS = ("turns_used", "turns_reserved", "relationships_used", "uncharged_used")


class Account(NamedTuple):
    """An environment of an organization."""

    organization: Organization
    environment: Environment


class Peek:
    """Reads what Redis holds, in one round trip for 1,000 accounts or organizations."""

    def __init__(self, redis: Redis, clock: LedgerClock) -> None:
        self._redis = redis
        self._clock = clock

    def quotas(self, accounts: Sequence[Account]) -> list[QuotaState | None]:
        """Return the counters of each account in its current period; None without usable ones."""
        now_us = self._clock.fresh_now_us()
        periods = [period_at(each.organization.signed_up_on, now_us) for each in accounts]
        keys = [
            account_keys(organization.id, environment.value, period.label)
            for (organization, environment), period in zip(accounts, periods, strict=True)
        ]
        replies = self._read(("HMGET", each.quota, *_QUOTA_FIELDS) for each in keys)
        return [
            _quota(account.organization.limits, period, reply)
            for account, period, reply in zip(accounts, periods, replies, strict=True)
        ]

    def one(self, principal: Principal) -> tuple[QuotaState | None, BucketState]:
        """Return the counters and the bucket of one account, in one round trip, as the others."""
        now_us = self._clock.fresh_now_us()
        period = period_at(principal.signed_up_on, now_us)
        keys = account_keys(principal.organization_id, principal.environment.value, period.label)
        counters, level = send_batch(
            self._redis,
            [("HMGET", keys.quota, *_QUOTA_FIELDS), ("HMGET", keys.bucket, "level", "at")],
        )
        policy = BucketPolicy.of(principal.limits)
        return _quota(principal.limits, period, counters), _bucket(policy, level, now_us)

    def buckets(self, organizations: Sequence[Organization]) -> list[BucketState]:
        """Return the bucket of each organization as it is now; an absent one is full."""
        names = (organization_bucket(organization.id) for organization in organizations)
        replies = list(self._read(("HMGET", name, "level", "at") for name in names))
        now_us = self._clock.fresh_now_us()
        return [
            _bucket(BucketPolicy.of(organization.limits), reply, now_us)
            for organization, reply in zip(organizations, replies, strict=True)
        ]

    def _read(self, commands: Iterable[tuple[str, ...]]) -> Iterator[Any]:
        for chunk in chunked(commands):
            yield from send_batch(self._redis, chunk)


def quota_of(limits: Limits, period: Period, counters: Sequence[int] = (0, 0, 0, 0)) -> QuotaState:
    """Return a quota by its counters, which are in the order of `_QUOTA_FIELDS`."""
    turns_used, turns_reserved, relationships_used, uncharged_used = counters
    enforced = QuotaPolicy.of(limits, period)
    return QuotaState(
        turns_used=turns_used,
        turns_reserved=turns_reserved,
        turns_limit=limits.turns,
        relationships_used=relationships_used,
        relationships_limit=limits.active_relationships,
        period_start_us=period.start_us,
        period_end_us=period.end_us,
        uncharged_used=uncharged_used,
        uncharged_limit=enforced.uncharged_limit,
        relationships_ceiling=enforced.relationships_limit,
    )


def _quota(limits: Limits, period: Period, reply: Any) -> QuotaState | None:
    numbers = _numbers(reply)
    if numbers is None or None in numbers[:-1]:
        return None
    return quota_of(limits, period, [number or 0 for number in numbers])


def _bucket(policy: BucketPolicy, reply: Any, now_us: int) -> BucketState:
    """Return the bucket after the refill since its last write, as lua/bucket.lua computes it."""
    capacity = policy.burst * policy.period_us
    level, at_us = _numbers(reply) or (None, None)
    if level is None or at_us is None:
        level, at_us = capacity, now_us
    refilled = max(0, now_us - at_us) * policy.rate.numerator
    level = min(capacity, level + refilled)
    missing, wanting = capacity - level, max(0, policy.period_us - level)
    numerator = policy.rate.numerator
    return BucketState(
        rate=policy.rate,
        remaining=level // policy.period_us,
        reset_at_us=now_us - (-missing // numerator),
        retry_after_us=-(-wanting // numerator),
    )


def _numbers(reply: Any) -> list[int | None] | None:
    """Return the numbers of a hash; None if it is no hash or holds other values."""
    try:
        return [None if value is None else int(float(value)) for value in reply]
    except (TypeError, ValueError, OverflowError):
        return None
