"""`/v1/me`, `/v1/billing/plans` and `/v1/api-keys` over HTTP."""

from collections.abc import Iterable, Iterator

from flask import Response, request
from flask_smorest import Blueprint

from app.access import current_ticket
from app.accounts.items import api_key_item, me_item, plan_item, subscription_item
from app.accounts.schemas import (
    ApiKeyListQuerySchema,
    ApiKeyListSchema,
    ApiKeySchema,
    CreatedApiKeySchema,
    MeSchema,
    NewApiKeySchema,
    PlanListSchema,
    SubscriptionSchema,
)
from app.audit.model import Author
from app.http.application import provided
from app.http.body import json_response, load_body, no_content
from app.http.descriptions import body_of, parameters_of
from app.http.faults import note_account_fault
from app.http.query import load_query
from app.tenancy.api_keys import ApiKeys
from app.tenancy.key_lists import KeyLists
from app.tenancy.key_rules import IDEMPOTENCY_HEADER, IDEMPOTENCY_PATTERN
from app.tenancy.model import ApiKey, FaultyKey, FoundKey, Scope
from app.tenancy.service import Organizations

blueprint = Blueprint(
    "accounts",
    __name__,
    url_prefix="/v1",
    description="The organization of a key, its API keys, and the plans.",
)
_LIST_QUERY = ApiKeyListQuerySchema()


@blueprint.get("/me")
@blueprint.response(200, MeSchema)
def me() -> Response:
    """Return the organization, scopes and environment of the key in use.

    Use it to check a key.
    """
    return json_response(me_item(current_ticket().principal))


@blueprint.get("/billing/subscription")
@blueprint.response(200, SubscriptionSchema)
def subscription() -> Response:
    """Return the plan in force and the current billing period.

    The organization may have other limits than its plan: `/v1/limits` shows them.
    """
    ticket = current_ticket()
    return json_response(subscription_item(ticket.principal, ticket.time_us))


@blueprint.get("/billing/plans")
@blueprint.response(200, PlanListSchema)
@blueprint.doc(security=[])
def list_plans() -> Response:
    """List the plan catalogue.

    No key is needed. An organization may have limits of its own; the headers of its answers show
    them.
    """
    plans = provided(Organizations).plans.values()
    return json_response({"data": [plan_item(plan) for plan in plans]})


@blueprint.get("/api-keys")
@blueprint.response(200, ApiKeyListSchema)
@blueprint.doc(parameters=parameters_of(ApiKeyListQuerySchema))
def list_api_keys() -> Response:
    """List the API keys of this organization and environment.

    Active keys come first, then expired and then revoked ones; in each state the newest first.

    Keys are removed some time after they expired or were revoked, by default 90 days. A key whose
    stored document is damaged is left out; it cannot be used.
    """
    query, principal = load_query(_LIST_QUERY), current_ticket().principal
    page = provided(KeyLists).page(
        principal.organization_id, principal.environment, query["limit"], query.get("cursor")
    )
    items = [api_key_item(key) for key in _readable(page.keys)]
    return json_response({"data": items, "next_cursor": page.next_cursor})


@blueprint.post("/api-keys")
@blueprint.doc(
    requestBody=body_of(NewApiKeySchema),
    parameters=[
        {
            "in": "header",
            "name": IDEMPOTENCY_HEADER,
            "description": "A value of yours. A retry with the same one within 24 hours returns "
            "the same key, and makes no second one.",
            "schema": {"type": "string", "pattern": IDEMPOTENCY_PATTERN},
        }
    ],
)
@blueprint.response(201, CreatedApiKeySchema)
def create_api_key() -> Response:
    """Create an API key for this organization and environment.

    Only this answer shows the key in full.

    It cannot outlive the key in use: if that one expires, `expires_in_days` is required.
    503 while Redis is unavailable.
    """
    wanted = load_body(NewApiKeySchema())
    principal = current_ticket().principal
    key, plaintext = provided(ApiKeys).issue(
        principal.organization_id,
        principal.environment,
        Scope(wanted["scope"]),
        expires_in_days=wanted.get("expires_in_days"),
        label=wanted.get("label"),
        idempotency_key=request.headers.get(IDEMPOTENCY_HEADER),
        not_after=principal.key_expires_at,
        by=Author.of_key(principal.key_id),
    )
    return json_response(api_key_item(key) | {"key": plaintext}, 201)


@blueprint.get("/api-keys/<key_id>")
@blueprint.response(200, ApiKeySchema)
def get_api_key(key_id: str) -> Response:
    """Return one API key, without its secret.

    A key of another organization or environment is the same 404 as an unknown one.
    """
    principal = current_ticket().principal
    keys = provided(ApiKeys)
    found = keys.get_(principal.organization_id, principal.environment, key_id)
    return json_response(api_key_item(found))


@blueprint.delete("/api-keys/<key_id>")
@blueprint.response(204, description="Revoked.")
def revoke_api_key(key_id: str) -> Response:
    """Revoke an API key.

    It is refused everywhere within 5 s. A second revocation has no effect.

    503 while Redis is unavailable.
    """
    principal = current_ticket().principal
    provided(ApiKeys).revoke(
        principal.organization_id,
        principal.environment,
        key_id,
        by=Author.of_key(principal.key_id),
    )
    return no_content()


def _readable(keys: Iterable[FoundKey]) -> Iterator[ApiKey]:
    """Leave out damaged keys; the log names them."""
    for key in keys:
        if isinstance(key, FaultyKey):
            note_account_fault("account_degraded", key.organization_id, key.reason)
        else:
            yield key
