"""Limit requests that only look at limits: by a bucket in the memory of this worker.

Such a request must not spend what it asks about, nor write to Redis. So each organization has a
bucket of its own in each worker.
"""

from collections.abc import Callable
from fractions import Fraction

from app.admission.decision import Decision, Outcome
from app.admission.fallback import LocalBuckets
from app.admission.policy import BucketPolicy
from app.tenancy.model import Principal

POLICY = BucketPolicy(Fraction(5), 10)


class PeekLimits:
    """Buckets of 5 tokens a second and 10 at once; `now_us` is the clock of the decisions."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._buckets = LocalBuckets(1, now_us)

    def charge(self, principal: Principal) -> Decision:
        """Take a token of the organization's bucket; RATE_LIMITED with the wait if it is empty."""
        decision = self._buckets.take(principal.organization_id, POLICY, 1)
        if decision.outcome is Outcome.RATE_LIMITED:
            return decision
        # No outage: this bucket is local by design.
        return decision._replace(outcome=Outcome.ADMITTED, is_local=False)
