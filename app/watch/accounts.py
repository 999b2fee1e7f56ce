"""Read the accounts of all organizations, and one account, for operators.

Nothing is charged, seeded or cleared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from app.admission.clock import LedgerClock
from app.admission.decision import BucketState, QuotaState
from app.admission.ledger import PeriodLedger
from app.admission.peek import Account, Peek, quota_of
from app.tenancy.model import (
    Environment,
    FaultyOrganization,
    FoundOrganization,
    Organization,
    account_of,
)
from app.tenancy.periods import Period, period_at
from app.tenancy.service import Organizations
from app.watch.uses import Use, uses_of

PAGE_SIZE = 50
_NOTHING_USED = Fraction(-1)


class Order(StrEnum):
    """The order of a list: most used first, or by name."""

    SHARE = "share"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class AccountLine:
    """An account in a list; `quota` is None if Redis has no counters of its period."""

    organization: FoundOrganization
    quota: QuotaState | None = None
    uses: Sequence[Use] = ()

    @property
    def share(self) -> Fraction:
        """The share of the most used component; less than any other without one."""
        return self.uses[0].share if self.uses else _NOTHING_USED


@dataclass(frozen=True, slots=True)
class AccountPage:
    """A page of a list, numbered from 1, and the counts of all pages and of all organizations."""

    lines: Sequence[AccountLine]
    number: int
    found_count: int
    all_count: int

    @property
    def pages_count(self) -> int:
        """The number of pages; an empty list has one."""
        return max(1, -(-self.found_count // PAGE_SIZE))


class Accounts:
    """Reads accounts; counters come from Redis only. See `app.admission.peek`."""

    def __init__(
        self, organizations: Organizations, peek: Peek, ledger: PeriodLedger, clock: LedgerClock
    ) -> None:
        self._organizations = organizations
        self._peek = peek
        self._ledger = ledger
        self._clock = clock

    def lines(self, environment: Environment) -> list[AccountLine]:
        """Return all accounts of an environment, the one with the highest share first.

        Accounts without counters come last, oldest first.
        """
        lines = self._lines(self._organizations.list_(), environment)
        return sorted(lines, key=lambda line: -line.share)

    def lines_without_counters(self) -> list[AccountLine]:
        """Return all accounts of any environment, without asking Redis."""
        return [AccountLine(each) for each in self._organizations.list_()]

    def find_quota(self, account: Account) -> QuotaState | None:
        """Return the counters of the current period; None if there are turns but no counters."""
        quota = self._peek.quotas([account])[0]
        if quota is not None:
            return quota
        organization, environment = account
        period = self.period(organization)
        name = account_of(organization.id, environment)
        if self._ledger.newest_recorded_at_us(name, period.label):
            return None
        return quota_of(organization.limits, period)

    def bucket(self, organization: Organization) -> BucketState:
        """Return the bucket of an organization as it is now."""
        return self._peek.buckets([organization])[0]

    def period(self, organization: Organization) -> Period:
        """Return the current billing period."""
        return period_at(organization.signed_up_on, self._clock.now_us())

    def _lines(
        self, found: Sequence[FoundOrganization], environment: Environment
    ) -> list[AccountLine]:
        sound = [each for each in found if not isinstance(each, FaultyOrganization)]
        quotas = self._peek.quotas([Account(each, environment) for each in sound])
        lines = {
            each.id: AccountLine(each, quota, uses_of(quota, each.limits) if quota else ())
            for each, quota in zip(sound, quotas, strict=True)
        }
        return [lines.get(each.id) or AccountLine(each) for each in found]


def page_of(
    everything: Sequence[AccountLine], words: str, order: Order, number: int
) -> AccountPage:
    """Return a page of the accounts whose id, name or plan contains `words`.

    By share is the order of `everything`.
    """
    found = [each for each in everything if _matches(each.organization, words.casefold())]
    if order is Order.NAME:
        found.sort(key=lambda line: (line.organization.name or "").casefold())
    first = (number - 1) * PAGE_SIZE
    return AccountPage(found[first : first + PAGE_SIZE], number, len(found), len(everything))


def _matches(organization: FoundOrganization, words: str) -> bool:
    texts = (organization.id, organization.name or "", organization.plan or "")
    return any(words in text.casefold() for text in texts)
