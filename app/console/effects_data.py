"""Compute how a change of ceilings affects the quotas in use."""

from collections.abc import Mapping
from typing import Any

from app.admission.decision import QuotaState
from app.admission.peek import Account
from app.http.application import provided
from app.tenancy.model import Environment, Organization, OveragePolicy
from app.watch.accounts import Accounts

_COMPONENTS = ("turns", "active_relationships", "uncharged_turns")


def effects_data(before: Organization, change: Mapping[str, Any]) -> dict[str, Any]:
    """Return the share of each ceiling that changes, before and after, in both environments.

    An environment without counters is left out.
    """
    rows = {row["limit"]: row for row in change["limits"]}
    overage = rows.get("overage_policy", {"after": before.limits.overage_policy.value})["after"]
    found = []
    for environment in Environment:
        quota = provided(Accounts).find_quota(Account(before, environment))
        if quota is not None:
            found += [
                _effect(environment, row, _taken(quota)[name], overage)
                for name, row in rows.items()
                if name in _COMPONENTS
            ]
    return {"effects": found}


def _taken(quota: QuotaState) -> dict[str, int]:
    return {
        "turns": quota.turns_used + quota.turns_reserved,
        "active_relationships": quota.relationships_used,
        "uncharged_turns": quota.uncharged_used,
    }


def _effect(
    environment: Environment, row: Mapping[str, Any], taken: int, overage: str
) -> dict[str, Any]:
    after = row["after"]
    is_lifted = overage == OveragePolicy.ALLOW and row["limit"] != "uncharged_turns"
    return {
        "environment": environment.value,
        "limit": row["limit"],
        "taken": taken,
        "before": row["before"],
        "after": after,
        "refuses": after is not None and taken >= after and not is_lifted,
    }
