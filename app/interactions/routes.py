"""`/v1/interactions` over HTTP."""

from flask import Response
from flask_smorest import Blueprint

from app.access import current_ticket
from app.http.application import provided
from app.http.body import LARGEST_BYTES, load_body, read_object, stored_response
from app.http.descriptions import body_of, parameters_of
from app.http.errors import describe
from app.http.query import load_query
from app.interactions.answer_schemas import BatchAnswerSchema, ItemSchema, PageSchema
from app.interactions.batch import read_batch, record_batch
from app.interactions.model import Filters, item_of
from app.interactions.recording import Recorder
from app.interactions.schemas import BatchSchema, ListQuerySchema, TurnSchema
from app.interactions.service import InteractionService

blueprint = Blueprint(
    "interactions",
    __name__,
    url_prefix="/v1/interactions",
    description="Turn traces, without any text: record them, list them, read one.",
)
_LIST_QUERY = ListQuerySchema()
_BATCH = BatchSchema()


@blueprint.get("")
@blueprint.response(200, PageSchema)
@blueprint.doc(parameters=parameters_of(ListQuerySchema))
def list_() -> Response:
    """List recorded turns, newest first.

    The list has the turns of the trailing 180 days that match all filters. Follow `next_cursor` to
    the end: the listing has each turn once that was recorded before it began, and no later one.
    """
    query = load_query(_LIST_QUERY)
    limit, cursor = query.pop("limit"), query.pop("cursor", None)
    ticket = current_ticket()
    page = provided(InteractionService).list_(
        ticket.principal.account,
        Filters(**query),
        limit,
        cursor,
        time_us=ticket.time_us,
        account_now_us=ticket.account_now_us,
    )
    return stored_response({"data": page.items, "next_cursor": page.next_cursor})


@blueprint.get("/<interaction_id>")
@blueprint.response(200, ItemSchema)
def get(interaction_id: str) -> Response:
    """Return one recorded turn.

    An id that is unknown, another account's, or older than 180 days is the same 404.
    """
    ticket = current_ticket()
    item = provided(InteractionService).get_(
        ticket.principal.account, interaction_id, ticket.time_us
    )
    return stored_response(item)


@blueprint.post("")
@blueprint.response(201, ItemSchema)
@blueprint.alt_response(200, schema=ItemSchema, description="Recorded before; costs nothing.")
@blueprint.doc(requestBody=body_of(TurnSchema))
def record() -> Response:
    """Record one finished turn.

    The same turn again is answered with 200 and costs nothing. 409 if it is recorded with other
    content.

    Its ids of user, relationship, personality, provider, model, summary and error have at most 600
    characters together.

    While Redis is unavailable turns are recorded without a check of the quota and counted
    afterwards, and the answer has no quota headers; a service with QUOTA_ON_REDIS_FAILURE=deny
    answers 503.
    """
    recorder, ticket = provided(Recorder), current_ticket()
    turn = recorder.read(ticket.principal.account, read_object(), recorder.request_clock())
    recorded = recorder.record(turn, ticket)
    return stored_response(item_of(recorded.document), 201 if recorded.is_new else 200)


@blueprint.post("/batch")
@blueprint.response(200, BatchAnswerSchema)
@blueprint.doc(requestBody=body_of(BatchSchema))
def record_many() -> Response:
    """Record up to 500 finished turns.

    Each turn has its own result, in the same order: one bad turn does not affect the others.

    The request costs one token of the rate limit for every 50 elements begun, rejected ones too: a
    batch of 1 to 50 costs one, of 500 ten. It never costs more than the burst of the plan.
    """
    recorder, ticket = provided(Recorder), current_ticket()
    bodies = load_body(_BATCH, LARGEST_BYTES)["interactions"]
    elements = read_batch(recorder, ticket.principal.account, bodies)
    return stored_response({"results": record_batch(recorder, elements, ticket, describe)})
