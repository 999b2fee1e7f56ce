"""Organizations near a ceiling of their quota: used, held, limit, reset."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from app.admission.decision import QuotaState
from app.console.charts.quota_bar import QuotaBar, quota_bar
from app.console.shared_reads import shared
from app.http.application import provided
from app.http.instants import format_ms
from app.tenancy.model import Environment, OveragePolicy
from app.watch.near import AccountUse, NearestAccounts, NearestToCeilings, Use

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
        "refused": sum(_is_refused(each) for each in near),
        "compared": found.compared_count,
        "not_loaded": found.not_loaded_count,
        "faulty_organizations": found.faulty_count,
        "highest": account_row(found.accounts[0]) if found.accounts else None,
    }


def account_row(account: AccountUse) -> dict[str, Any]:
    """Return an account with its most used component; `held` is part of neither used nor left."""
    use = account.uses[0]
    held = _held(account.quota, use)
    return {
        "organization_id": account.organization.id,
        "name": account.organization.name,
        "environment": account.environment.value,
        "plan": account.organization.plan,
        "component": use.component,
        "used": use.used - held,
        "held": held,
        "taken": use.used,
        "limit": use.limit,
        "left": use.limit - use.used,
        "resets_at": format_ms(-(-account.quota.period_end_us // 1_000)),
        "overage": account.organization.limits.overage_policy.value,
    }


def bars_of(rows: Sequence[dict[str, Any]]) -> list[QuotaBar]:
    """Return the bar of each row."""
    allow = OveragePolicy.ALLOW.value
    return [
        quota_bar(row["used"], row["held"], row["limit"], allows_overage=row["overage"] == allow)
        for row in rows
    ]


def _read() -> NearestAccounts:
    return provided(NearestToCeilings).list_(list(Environment))


def _held(quota: QuotaState, use: Use) -> int:
    return quota.turns_reserved if use.component == "turns" else 0


def _is_refused(account: AccountUse) -> bool:
    is_blocked = account.organization.limits.overage_policy is OveragePolicy.BLOCK
    return is_blocked and account.uses[0].share >= 1
