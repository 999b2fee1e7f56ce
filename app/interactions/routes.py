"""`/v1/interactions` over HTTP."""

from zlib import crc32

from flask import Response
from flask_smorest import Blueprint

from app.access import current_ticket
from app.http.application import provided
from app.http.body import LARGEST_BYTES, load_body, read_object, stored_response
from app.http.conditional import tagged
from app.http.descriptions import body_of, parameters_of
from app.http.errors import describe
from app.http.query import load_query
from app.interactions.batch import read_batch, record_batch
from app.interactions.model import Filters, Page, item_of
from app.interactions.recording import Recorder
from app.interactions.schemas import (
    BatchAnswerSchema,
    BatchSchema,
    ItemSchema,
    ListQuerySchema,
    PageSchema,
    TurnSchema,
)
from app.interactions.service import InteractionService

blueprint = Blueprint(
    "interactions",
    __name__,
    url_prefix="/v1/interactions",
    description="Turn traces, without any text.",
)
_LIST_QUERY = ListQuerySchema()
_BATCH = BatchSchema()
# A page that a client keeps has a cursor of this age at most, so that its next pages lack no turn
# that was recorded earlier.
_OLDEST_CURSOR_US = 5 * 60 * 1_000_000


@blueprint.get("")
@blueprint.response(200, PageSchema)
@blueprint.doc(parameters=parameters_of(ListQuerySchema))
def list_() -> Response:
    """Newest first, the trailing 180 days, filters combined with AND."""
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
    answer = stored_response({"data": page.items, "next_cursor": page.next_cursor})
    if cursor is not None:
        return answer
    return tagged(answer, _covered(page, answer.get_data(), ticket.time_us))


@blueprint.get("/<interaction_id>")
@blueprint.response(200, ItemSchema)
def get(interaction_id: str) -> Response:
    """Return one trace; unknown, foreign and expired ones are the same 404."""
    ticket = current_ticket()
    item = provided(InteractionService).get_(
        ticket.principal.account, interaction_id, ticket.time_us
    )
    return tagged(stored_response(item))


@blueprint.post("")
@blueprint.response(201, ItemSchema)
@blueprint.alt_response(200, schema=ItemSchema, description="Recorded before; costs nothing.")
@blueprint.doc(requestBody=body_of(TurnSchema))
def record() -> Response:
    """Record one finished turn; the same turn again is found, not stored twice.

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
    """Record up to 500 finished turns; each one has its own result, in order.

    The request costs one token of the rate limit for every 50 elements begun, rejected ones too: a
    batch of 1 to 50 costs one, of 500 ten. It never costs more than the burst of the plan.
    """
    recorder, ticket = provided(Recorder), current_ticket()
    bodies = load_body(_BATCH, LARGEST_BYTES)["interactions"]
    elements = read_batch(recorder, ticket.principal.account, bodies)
    return stored_response({"results": record_batch(recorder, elements, ticket, describe)})


def _covered(page: Page, body: bytes, time_us: int) -> bytes:
    """Return what the tag of a first page covers: its turns, and whether more exist.

    A turn never changes under its id, so the ends of the page and a checksum suffice: a digest of
    the body costs 6 % of the request. The cursor differs each time. Its age is covered in its
    place; it is the end of the body.
    """
    turns, age = page.items, ""
    ends = turns and (turns[0]["interaction_id"], turns[-1]["interaction_id"])
    if page.next_cursor is not None:
        body = body[: -len(page.next_cursor) - len('"}')]
        age = str(time_us // _OLDEST_CURSOR_US)
    return f"{len(turns)}{ends}{crc32(body)}:{age}".encode()
