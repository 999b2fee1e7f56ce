"""`/v1/interactions` over HTTP."""

from collections.abc import Iterable
from zlib import crc32

from flask import Response, request
from flask_smorest import Blueprint

from app.access import Access, current_ticket
from app.http.application import provided
from app.http.body import LARGEST_BYTES, load_body, read_object, stored_response
from app.http.conditional import tagged
from app.http.current import current_request
from app.http.descriptions import body_of, parameters_of
from app.http.errors import describe
from app.http.query import load_query
from app.http.request_errors import InvalidFields, field_error
from app.interactions.answer_schemas import BatchAnswerSchema, ItemSchema, PageSchema
from app.interactions.batch import read_batch, store_batch
from app.interactions.export import TOKEN_HEADER, Exports
from app.interactions.export_description import EXPORT_PARAMETERS, EXPORT_RESPONSES
from app.interactions.export_formats import FORMATS
from app.interactions.export_stream import ExportStream
from app.interactions.model import Filters, Page, item_of
from app.interactions.query_schemas import ExportQuerySchema, ListQuerySchema
from app.interactions.recording import Recorder
from app.interactions.schemas import BatchSchema, TurnSchema
from app.interactions.service import InteractionService
from app.observability.exports import ExportSource

blueprint = Blueprint(
    "interactions",
    __name__,
    url_prefix="/v1/interactions",
    description="Turn traces, without any text: record them, list them, read one.",
)
_LIST_QUERY = ListQuerySchema()
_EXPORT_QUERY = ExportQuerySchema()
_BATCH = BatchSchema()
# A page that a client keeps has a cursor of this age at most, so that its next pages lack no turn
# that was recorded earlier.
_OLDEST_CURSOR_US = 5 * 60 * 1_000_000


@blueprint.get("")
@blueprint.response(200, PageSchema)
@blueprint.doc(
    parameters=[*parameters_of(ListQuerySchema), *EXPORT_PARAMETERS], responses=EXPORT_RESPONSES
)
def list_() -> Response:
    """List recorded turns, newest first.

    The list has the turns of the trailing 180 days that match all filters. Follow `next_cursor` to
    the end: the listing has each turn once that was recorded before it began, and no later one.

    With `Accept: application/x-ndjson` or `text/csv` the answer is an export: one stream of every
    turn, without pages. It ends with a trailer; an answer without one was cut, and can be resumed
    with `X-Export-Token` and `after`.
    """
    media_type = current_request().export_type
    return _page() if media_type is None else _export(media_type)


def _page() -> Response:
    _refuse(("after",), "resumes an export: send Accept application/x-ndjson or text/csv with it")
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
        answer.headers.add("Vary", "Accept")
        return answer
    return tagged(answer, _covered(page, answer.get_data(), ticket.time_us))


def _export(media_type: str) -> Response:
    _refuse(("limit", "cursor"), "is not allowed with an export, which has no pages: leave it out")
    query = load_query(_EXPORT_QUERY)
    after = query.pop("after", None)
    ticket, asked = current_ticket(), current_request()
    exports = provided(Exports)
    opened = exports.open_(
        ticket.principal.account,
        Filters(**query),
        after=after,
        token=asked.environ.get("HTTP_X_EXPORT_TOKEN"),
        time_us=ticket.time_us,
        account_now_us=ticket.account_now_us,
    )
    source = ExportSource(asked.id, ticket.principal.organization_id, media_type)
    recheck = provided(Access).recheck()
    stream = ExportStream(opened.chunks, FORMATS[media_type], source, recheck, exports.find_reason)
    # HEAD sends no body, so there is no end to report; its length is as unknown as that of GET.
    body = iter(()) if asked.method == "HEAD" else stream
    headers = {TOKEN_HEADER: opened.token, "Vary": "Accept"}
    return Response(body, mimetype=media_type, headers=headers)


def _refuse(names: Iterable[str], reason: str) -> None:
    """Raise InvalidFields for the parameters of `names` that were sent; `reason` is its text."""
    sent = [name for name in names if name in request.args]
    if sent:
        raise InvalidFields(
            [field_error(name, "not_allowed", f"`{name}` {reason}.") for name in sent]
        )


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
    return tagged(stored_response(item))


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
    account, clock = ticket.principal.account, recorder.request_clock()
    bodies = load_body(_BATCH, LARGEST_BYTES)["interactions"]
    elements = read_batch(
        lambda body, most: recorder.read(account, body, clock, max_field_errors=most), bodies
    )
    results = store_batch(
        elements, lambda turns, tokens: recorder.record_many(turns, ticket, tokens=tokens), describe
    )
    return stored_response({"results": results})


def _covered(page: Page, body: bytes, time_us: int) -> bytes:
    """Return what the tag of a first page covers: its turns, and whether more exist.

    * The number of turns, and the first and the last one. A turn never changes under its id, so
      these and a checksum of the body suffice. A digest of the body costs 6 % of the request.
    * The cursor, which ends the body, differs each time. The tag covers its age in its place, in
      steps of `_OLDEST_CURSOR_US`.
    """
    turns, age = page.items, ""
    ends = (turns[0]["interaction_id"], turns[-1]["interaction_id"]) if turns else ()
    if page.next_cursor is not None:
        body = body[: -len(page.next_cursor) - len('"}')]
        age = str(time_us // _OLDEST_CURSOR_US)
    return f"{len(turns)}{ends}{crc32(body)}:{age}".encode()
