"""List the accounts that are nearest to a ceiling of their quota."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from app.admission.decision import QuotaState
from app.admission.peek import Account, Peek
from app.tenancy.model import Environment, FaultyOrganization, Organization
from app.tenancy.service import Organizations
from app.watch.uses import Use, uses_of


@dataclass(frozen=True, slots=True)
class AccountUse:
    """An account with counters; `uses` has its components, the most used first."""

    organization: Organization
    environment: Environment
    quota: QuotaState
    uses: Sequence[Use]


@dataclass(frozen=True, slots=True)
class NearestAccounts:
    """Accounts by the share of their most used component, and how many could not be compared.

    | count | accounts |
    | --- | --- |
    | `compared_count` | with counters and at least one ceiling |
    | `not_loaded_count` | whose counters Redis lacks: without a turn in this period, or lost |
    | `faulty_count` | organizations that cannot be served: `flask org list` has the reasons |
    """

    accounts: Sequence[AccountUse]
    compared_count: int
    not_loaded_count: int
    faulty_count: int


class NearestToCeilings:
    """Compares the accounts of all organizations; see `app.admission.peek` for what is read."""

    def __init__(self, organizations: Organizations, peek: Peek) -> None:
        self._organizations = organizations
        self._peek = peek

    def list_(
        self, environments: Sequence[Environment], least: Fraction = Fraction(0)
    ) -> NearestAccounts:
        """Return the accounts that use at least the share `least` of a ceiling."""
        found = self._organizations.list_()
        sound = [each for each in found if not isinstance(each, FaultyOrganization)]
        accounts = [Account(each, environment) for each in sound for environment in environments]
        quotas = self._peek.quotas(accounts)
        compared = [
            AccountUse(*account, quota, uses)
            for account, quota in zip(accounts, quotas, strict=True)
            if quota and (uses := uses_of(quota, account.organization.limits))
        ]
        near = [account for account in compared if account.uses[0].share >= least]
        return NearestAccounts(
            sorted(near, key=lambda account: -account.uses[0].share),
            len(compared),
            quotas.count(None),
            len(found) - len(sound),
        )
