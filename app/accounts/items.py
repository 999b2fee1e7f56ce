"""Principals, plans and keys on the wire, the same over HTTP and in commands."""

from typing import Any

from app.http.instants import format_datetime, format_us
from app.tenancy.model import ApiKey, Plan, Principal
from app.tenancy.periods import period_at

Item = dict[str, Any]
API_KEY_FIELDS = (
    *("id", "scope", "environment", "label", "hint"),
    *("created_at", "expires_at", "revoked_at", "last_used_at"),
)


def me_item(principal: Principal) -> Item:
    """Return a principal on the wire."""
    return {
        "organization": {
            "id": principal.organization_id,
            "name": principal.organization_name,
            "plan": principal.plan,
        },
        "key_id": principal.key_id,
        "scopes": [scope.value for scope in principal.scope.included],
        "environment": principal.environment.value,
        "plan": principal.plan,
    }


def subscription_item(principal: Principal, now_us: int) -> Item:
    """Return the plan in force and the current billing period."""
    period = period_at(principal.signed_up_on, now_us)
    return {
        "plan": principal.plan,
        "status": "active",
        "environment": principal.environment.value,
        "signed_up_on": principal.signed_up_on.isoformat(),
        "period_start": format_us(period.start_us),
        "period_end": format_us(period.end_us),
        "overage_policy": principal.limits.overage_policy.value,
    }


def plan_item(plan: Plan) -> Item:
    """Return a plan on the wire."""
    limits = plan.limits
    return {
        "plan": plan.id,
        "name": plan.name,
        "requests_per_second": limits.requests_per_second,
        "burst": limits.burst,
        "turns_per_period": limits.turns,
        "active_relationships": limits.active_relationships,
        "overage_policy": limits.overage_policy.value,
    }


def api_key_item(key: ApiKey) -> Item:
    """Return a key on the wire, without its secret."""
    return {
        "id": key.id,
        "scope": key.scope.value,
        "environment": key.environment.value,
        "label": key.label,
        "hint": key.hint,
        "created_at": format_datetime(key.created_at),
        "expires_at": format_datetime(key.expires_at) if key.expires_at else None,
        "revoked_at": format_datetime(key.revoked_at) if key.revoked_at else None,
        "last_used_at": format_datetime(key.last_used_at) if key.last_used_at else None,
    }
