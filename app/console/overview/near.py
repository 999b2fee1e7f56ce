"""Organizations near a ceiling of their quota: used, held, limit, reset."""

from fractions import Fraction
from typing import Any

from app.console.shared_reads import shared
from app.console.use_data import use_data
from app.http.application import provided
from app.tenancy.model import Environment
from app.watch.near import AccountUse, NearestAccounts, NearestToCeilings
from app.watch.uses import UseState

MOST_ROWS = 25


def find_near(threshold: int) -> dict[str, Any]:
    """Return the accounts that use at least `threshold` per cent of a ceiling, and the counts."""
    found, as_of = shared("near", _read)
    near = [each for each in found.accounts if each.uses[0].share >= Fraction(threshold, 100)]
    return {
        "as_of": as_of,
        "threshold": threshold,
        "accounts": [account_row(each) for each in near[:MOST_ROWS]],
        "found": len(near),
        "refused": sum(each.uses[0].state is UseState.SPENT for each in near),
        "compared": found.compared_count,
        "not_loaded": found.not_loaded_count,
        "faulty_organizations": found.faulty_count,
        "highest": account_row(found.accounts[0]) if found.accounts else None,
    }


def account_row(account: AccountUse) -> dict[str, Any]:
    """Return an account with its most used component."""
    organization = account.organization
    return {
        "organization_id": organization.id,
        "name": organization.name,
        "environment": account.environment.value,
        "plan": organization.plan,
        **use_data(account.uses[0], account.quota, organization.limits),
    }


def _read() -> NearestAccounts:
    return provided(NearestToCeilings).list_(list(Environment))
