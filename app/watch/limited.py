"""List the organizations that are being limited, or are about to be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.admission.decision import BucketState
from app.admission.peek import Peek
from app.minutes.model import CAUSES, Outcome
from app.minutes.service import Minutes, count_others
from app.tenancy.model import FaultyOrganization, Organization
from app.tenancy.service import Organizations


@dataclass(frozen=True, slots=True)
class LimitedOrganization:
    """An organization, its bucket as it is now, and its refusals of the last five minutes."""

    organization: Organization
    bucket: BucketState
    refusals: Mapping[str, int]

    @property
    def refused_count(self) -> int:
        """The number of requests that were refused by rate or quota."""
        return sum(self.refusals.values())

    @property
    def causes(self) -> Sequence[tuple[str, int]]:
        """The causes of its refusals with their counts, the most frequent first."""
        return sorted(self.refusals.items(), key=lambda cause: -cause[1])

    @property
    def is_by_rate(self) -> bool:
        """Return True if most were refused by the rate limit, not by the quota."""
        return bool(self.refusals) and self.causes[0][0] in CAUSES[Outcome.RATE_LIMITED]

    @property
    def missing_tokens(self) -> int:
        """Tokens that the bucket lacks."""
        return self.organization.limits.burst - self.bucket.remaining

    @property
    def urgency(self) -> tuple[int, float]:
        """The key of the order: most refusals first, then the emptiest bucket."""
        return -self.refused_count, self.bucket.remaining / self.organization.limits.burst


@dataclass(frozen=True, slots=True)
class LimitedList:
    """The organizations, and the refusals of those that minutes do not name."""

    organizations: Sequence[LimitedOrganization]
    others_count: int


class LimitedOrganizations:
    """Reads the refusals of the last minutes and the buckets of all organizations."""

    def __init__(self, organizations: Organizations, peek: Peek, minutes: Minutes) -> None:
        self._organizations = organizations
        self._peek = peek
        self._minutes = minutes

    def list_(self) -> LimitedList:
        """Return organizations that were refused in five minutes, or whose bucket is not full."""
        found = self._organizations.list_()
        sound = [each for each in found if not isinstance(each, FaultyOrganization)]
        refused = self._minutes.refused_now()
        limited = [
            LimitedOrganization(organization, bucket, refused.get(organization.id, {}))
            for organization, bucket in zip(sound, self._peek.buckets(sound), strict=True)
        ]
        shown = [each for each in limited if each.refusals or each.missing_tokens]
        return LimitedList(sorted(shown, key=lambda each: each.urgency), count_others(refused))
