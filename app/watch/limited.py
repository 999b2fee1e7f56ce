"""List the organizations that the rate limit refuses, or is about to."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.admission.decision import BucketState
from app.admission.peek import Peek
from app.tenancy.model import FaultyOrganization, Organization
from app.tenancy.service import Organizations


@dataclass(frozen=True, slots=True)
class LimitedOrganization:
    """An organization and its bucket as it is now."""

    organization: Organization
    bucket: BucketState

    @property
    def missing_tokens(self) -> int:
        """Tokens that the bucket lacks."""
        return self.organization.limits.burst - self.bucket.remaining


class LimitedOrganizations:
    """Reads the buckets of all organizations."""

    def __init__(self, organizations: Organizations, peek: Peek) -> None:
        self._organizations = organizations
        self._peek = peek

    def list_(self) -> Sequence[LimitedOrganization]:
        """Return the organizations whose bucket is not full, the emptiest first."""
        found = self._organizations.list_()
        sound = [each for each in found if not isinstance(each, FaultyOrganization)]
        buckets = self._peek.buckets(sound)
        limited = map(LimitedOrganization, sound, buckets)
        return sorted(
            (each for each in limited if each.missing_tokens),
            key=lambda each: each.bucket.remaining / each.organization.limits.burst,
        )
