"""`/v1/interactions/aggregates` and `/v1/usage` over HTTP."""

from flask import Response
from flask_smorest import Blueprint

from app.access import current_ticket
from app.http.application import provided
from app.http.body import json_response
from app.http.conditional import tagged
from app.http.descriptions import parameters_of
from app.http.query import load_query
from app.interactions.model import Filters
from app.usage.buckets import Grouping
from app.usage.items import (
    aggregate_item,
    credits_item,
    limits_item,
    quota_item,
    relationships_item,
    usage_item,
)
from app.usage.limits import LimitsReader
from app.usage.schemas import (
    ActiveRelationshipsSchema,
    AggregatesQuerySchema,
    AggregatesSchema,
    CreditsSchema,
    LimitsSchema,
    TurnsQuerySchema,
    TurnsSchema,
)
from app.usage.service import UsageService

blueprint = Blueprint(
    "usage", __name__, url_prefix="/v1", description="Turns in numbers: sums, percentiles, quotas."
)
_AGGREGATES_QUERY = AggregatesQuerySchema()
_TURNS_QUERY = TurnsQuerySchema()


@blueprint.get("/interactions/aggregates")
@blueprint.response(200, AggregatesSchema)
@blueprint.doc(parameters=parameters_of(AggregatesQuerySchema))
def aggregates() -> Response:
    """Sum up recorded turns by day, week or month.

    The sums cover the trailing 180 days, filtered by user, relationship and range. Weeks begin on
    Monday, and all bounds are in UTC. Empty buckets are included.
    """
    query = load_query(_AGGREGATES_QUERY)
    dimension = query.pop("breakdown", None)
    grouping = Grouping(query.pop("group_by")) if "group_by" in query else None
    ticket = current_ticket()
    slices = provided(UsageService).aggregates(
        ticket.principal.account,
        Filters(**query),
        grouping,
        ticket.time_us // 1_000,
        dimension=dimension,
    )
    return tagged(json_response({"data": [aggregate_item(each) for each in slices]}))


@blueprint.get("/usage/turns")
@blueprint.response(200, TurnsSchema)
@blueprint.doc(parameters=parameters_of(TurnsQuerySchema))
def turns() -> Response:
    """Sum up all turns of the account, and return its quota.

    Buckets are days, ISO weeks or months in UTC.

    Turns stay counted beyond 180 days.

    Buckets go by the instant at which a turn occurred and include imports. `quota` is what was
    charged to the current billing period, by the instant of recording: the two need not agree.
    503 while Redis is unavailable.
    """
    query = load_query(_TURNS_QUERY)
    ticket = current_ticket()
    principal, quota = ticket.principal, ticket.quota()
    grouping, dimension = Grouping(query.pop("group_by")), query.pop("breakdown", None)
    slices = provided(UsageService).turns(
        principal.account,
        Filters(**query),
        grouping,
        quota,
        ticket.time_us // 1_000,
        dimension=dimension,
    )
    item = quota_item(quota, principal.limits.overage_policy)
    return tagged(json_response({"data": [usage_item(each) for each in slices], "quota": item}))


@blueprint.get("/usage/active-relationships")
@blueprint.response(200, ActiveRelationshipsSchema)
def active_relationships() -> Response:
    """Return the number of active relationships.

    A relationship is active if a turn of it was charged in the current billing period.

    503 while Redis is unavailable.
    """
    return tagged(json_response(relationships_item(current_ticket().quota())))


@blueprint.get("/billing/credits")
@blueprint.response(200, CreditsSchema)
def credits_() -> Response:
    """Return what is left of the quota, by component.

    It is that of the current billing period. 503 while Redis is unavailable.
    """
    return json_response(credits_item(current_ticket().quota()))


@blueprint.get("/limits")
@blueprint.response(200, LimitsSchema)
def limits() -> Response:
    """Return what is left of the rate limit and of the quota.

    It charges neither of them and changes nothing, so it may be asked before each call. Each worker
    answers an organization 5 times a second, 10 at once; the `X-RateLimit-*` headers are of that.

    Values are those of the last request: a hold that has expired since counts until the next one.
    503 while a store is unavailable.
    """
    ticket = current_ticket()
    view = provided(LimitsReader).read(ticket.principal, ticket.time_us)
    return json_response(limits_item(view, ticket.principal.limits))
