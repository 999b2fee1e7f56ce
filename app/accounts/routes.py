"""Who am I, which plans are there, and the keys of an account, over HTTP."""

from collections.abc import Iterable, Iterator

from flask import Response, request
from flask_smorest import Blueprint

from app.access import current_principal
from app.accounts.items import api_key_item, me_item, plan_item
from app.accounts.schemas import (
    ApiKeyListSchema,
    ApiKeySchema,
    CreatedApiKeySchema,
    MeSchema,
    NewApiKeySchema,
    PlanListSchema,
)
from app.http.body import load_body
from app.http.faults import note_account_fault
from app.http.openapi import body_of
from app.http.provide import provided
from app.http.responses import json_response, no_content
from app.tenancy.api_keys import IDEMPOTENCY_HEADER, ApiKeys, FoundKey
from app.tenancy.model import ApiKey, FaultyKey, Scope
from app.tenancy.service import Organizations

blueprint = Blueprint(
    "accounts", __name__, url_prefix="/v1", description="Who is asking: account, keys, plans."
)


@blueprint.get("/me")
@blueprint.response(200, MeSchema)
def me() -> Response:
    """The organization, scopes and environment of the key in use."""
    return json_response(me_item(current_principal()))


@blueprint.get("/billing/plans")
@blueprint.response(200, PlanListSchema)
@blueprint.doc(security=[])
def list_plans() -> Response:
    """The plan catalogue; public."""
    plans = provided(Organizations).plans.values()
    return json_response({"data": [plan_item(plan) for plan in plans]})


@blueprint.get("/api-keys")
@blueprint.response(200, ApiKeyListSchema)
def list_api_keys() -> Response:
    """The keys of this organization and environment, newest first, revoked ones included.

    A key whose stored document is damaged is left out: it opens nothing.
    """
    principal = current_principal()
    keys = provided(ApiKeys).list_(principal.organization_id, principal.environment)
    items = [api_key_item(key) for key in _readable(keys)]
    return json_response({"data": items, "next_cursor": None})


@blueprint.post("/api-keys")
@blueprint.doc(
    requestBody=body_of(NewApiKeySchema),
    parameters=[
        {
            "in": "header",
            "name": IDEMPOTENCY_HEADER,
            "description": "A retry with the same value within 24 h answers the same key.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        }
    ],
)
@blueprint.response(201, CreatedApiKeySchema)
def create_api_key() -> Response:
    """A new key for this organization and environment, shown in full this once.

    503 while Redis is ill.
    """
    wanted = load_body(NewApiKeySchema())
    principal = current_principal()
    key, plaintext = provided(ApiKeys).issue(
        principal.organization_id,
        principal.environment,
        Scope(wanted["scope"]),
        expires_in_days=wanted.get("expires_in_days"),
        label=wanted.get("label"),
        idempotency_key=request.headers.get(IDEMPOTENCY_HEADER),
    )
    return json_response(api_key_item(key) | {"key": plaintext}, 201)


@blueprint.get("/api-keys/<key_id>")
@blueprint.response(200, ApiKeySchema)
def get_api_key(key_id: str) -> Response:
    """One key of this organization and environment."""
    principal = current_principal()
    keys = provided(ApiKeys)
    found = keys.get_(principal.organization_id, principal.environment, key_id)
    return json_response(api_key_item(found))


@blueprint.delete("/api-keys/<key_id>")
@blueprint.response(204)
def revoke_api_key(key_id: str) -> Response:
    """Revoke a key; it is refused everywhere within 5 s. Harmless when repeated.

    503 while Redis is ill.
    """
    principal = current_principal()
    provided(ApiKeys).revoke(principal.organization_id, principal.environment, key_id)
    return no_content()


def _readable(keys: Iterable[FoundKey]) -> Iterator[ApiKey]:
    """Leave out damaged keys; the log names them."""
    for key in keys:
        if isinstance(key, FaultyKey):
            note_account_fault("account_degraded", key.organization_id, key.reason)
        else:
            yield key
