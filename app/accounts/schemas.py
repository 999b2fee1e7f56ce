"""Wire shapes of accounts: what a body may hold, and how answers look."""

from typing import Any

from marshmallow import Schema, fields

from app.http.fields import Choice, Integer, StrictSchema, Token
from app.http.instants import format_datetime
from app.tenancy.api_keys import LABEL_PATTERN, MAX_KEY_DAYS
from app.tenancy.model import ApiKey, Environment, OveragePolicy, Plan, Principal, Scope

_SCOPES = [scope.value for scope in Scope]
_ENVIRONMENTS = [environment.value for environment in Environment]


class NewApiKeySchema(StrictSchema):
    """The body that asks for a key."""

    scope = Choice(_SCOPES, required=True)
    expires_in_days = Integer(1, MAX_KEY_DAYS)
    label = Token(LABEL_PATTERN)


class ApiKeySchema(Schema):
    """A key as listings show it."""

    id = fields.String()
    scope = Choice(_SCOPES)
    environment = Choice(_ENVIRONMENTS)
    label = fields.String(allow_none=True)
    hint = fields.String(metadata={"description": "The beginning of the key."})
    created_at = fields.DateTime()
    expires_at = fields.DateTime(allow_none=True)
    revoked_at = fields.DateTime(allow_none=True)


class CreatedApiKeySchema(ApiKeySchema):
    """A key as its creation shows it, this once in full."""

    key = fields.String(metadata={"description": "The full key; it is not shown again."})


class ApiKeyListSchema(Schema):
    """An account's keys, newest first; there are never more than one page."""

    data = fields.List(fields.Nested(ApiKeySchema))
    next_cursor = fields.String(allow_none=True)


class PlanSchema(Schema):
    """A plan of the catalogue; null means unlimited."""

    plan = fields.String()
    name = fields.String()
    requests_per_second = fields.Integer()
    burst = fields.Integer()
    turns_per_period = fields.Integer(allow_none=True)
    active_relationships = fields.Integer(allow_none=True)
    overage_policy = Choice([policy.value for policy in OveragePolicy])


class PlanListSchema(Schema):
    """The plan catalogue."""

    data = fields.List(fields.Nested(PlanSchema))


class OrganizationSchema(Schema):
    """The organization that a key belongs to."""

    id = fields.String()
    name = fields.String()
    plan = fields.String()


class MeSchema(Schema):
    """Who is asking."""

    organization = fields.Nested(OrganizationSchema)
    key_id = fields.String()
    scopes = fields.List(Choice(_SCOPES))
    environment = Choice(_ENVIRONMENTS)
    plan = fields.String()


def me_item(principal: Principal) -> dict[str, Any]:
    """A principal on the wire."""
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


def plan_item(plan: Plan) -> dict[str, Any]:
    """A plan on the wire."""
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


def api_key_item(key: ApiKey) -> dict[str, Any]:
    """A key on the wire, without its secret."""
    return {
        "id": key.id,
        "scope": key.scope.value,
        "environment": key.environment.value,
        "label": key.label,
        "hint": key.hint,
        "created_at": format_datetime(key.created_at),
        "expires_at": format_datetime(key.expires_at) if key.expires_at else None,
        "revoked_at": format_datetime(key.revoked_at) if key.revoked_at else None,
    }
