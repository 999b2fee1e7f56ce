"""Take tokens from the buckets of client addresses: in Redis, or in this process without it."""

from app.admission.decision import Decision
from app.admission.fallback import LocalBuckets
from app.admission.policy import BucketPolicy
from app.admission.replies import parse_address_decision
from app.admission.script import AdmissionScript
from app.backends.outages import REDIS_OUTAGES
from app.http.faults import AccountFault

# AccountFault: the bucket holds what the script cannot use.
_UNCOUNTED: tuple[type[Exception], ...] = (*REDIS_OUTAGES, AccountFault)


class AddressBuckets:
    """Buckets without quota, by their keys."""

    def __init__(self, script: AdmissionScript, local: LocalBuckets) -> None:
        self._script = script
        self._local = local

    def take(self, key: str, bucket: BucketPolicy, tokens: int) -> Decision:
        """Take `tokens` if all of them are available; 0 only reads."""
        try:
            return parse_address_decision(self._script.admit_address(key, bucket, tokens), bucket)
        except _UNCOUNTED:
            return self._local.take(key, bucket, tokens)
