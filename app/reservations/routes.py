"""`/v1/turns` over HTTP."""

from flask import Response
from flask_smorest import Blueprint

from app.access import current_ticket
from app.http.application import provided
from app.http.body import (
    LARGEST_BYTES,
    json_response,
    load_body,
    no_content,
    read_object,
    stored_response,
)
from app.http.descriptions import body_of
from app.http.errors import describe
from app.interactions.answer_schemas import BatchAnswerSchema, ItemSchema
from app.interactions.batch import read_batch, store_batch
from app.interactions.model import item_of
from app.reservations.items import reservation_item
from app.reservations.schemas import (
    CompletionSchema,
    CompletionsSchema,
    ReservationSchema,
    ReservedSchema,
)
from app.reservations.service import ReservationService

blueprint = Blueprint(
    "turns", __name__, url_prefix="/v1/turns", description="Reserve quota before a turn runs."
)
_COMPLETIONS = CompletionsSchema()


@blueprint.post("")
@blueprint.response(201, ReservedSchema)
@blueprint.alt_response(200, schema=ReservedSchema, description="Reserved before; costs nothing.")
@blueprint.doc(requestBody=body_of(ReservationSchema))
def reserve() -> Response:
    """Reserve a turn of the quota before it is run.

    A reservation that is not completed expires after `hold_seconds`, unbilled. The same `turn_id`
    again returns the same reservation.

    429 `quota_exhausted` means: do not run the turn. If other reservations hold what is left,
    `Retry-After` ends when enough of them have expired.

    While Redis is unavailable the answer is 201 with `quota` null: nothing is held, the quota is
    not checked, and the same turn again is another reservation. The turn may be run and completed
    as usual, and is counted afterwards. A service with QUOTA_ON_REDIS_FAILURE=deny answers 503.
    """
    service, ticket = provided(ReservationService), current_ticket()
    reservation = service.reserve(service.read_request(read_object()), ticket)
    item = reservation_item(reservation, ticket.principal.limits.overage_policy)
    return json_response(item, 201 if reservation.is_new else 200)


@blueprint.post("/completions")
@blueprint.response(200, BatchAnswerSchema)
@blueprint.doc(requestBody=body_of(CompletionsSchema))
def complete_many() -> Response:
    """Complete up to 500 reserved turns.

    Each completion has its own result, in the same order: one bad completion does not affect the
    others. No quota refuses one.

    The request costs one token of the rate limit for every 50 elements begun, as a batch of
    recordings does.
    """
    service, ticket = provided(ReservationService), current_ticket()
    account = ticket.principal.account
    elements = read_batch(
        lambda body, most: service.read_batched(account, body, max_field_errors=most),
        load_body(_COMPLETIONS, LARGEST_BYTES)["completions"],
    )
    results = store_batch(
        elements,
        lambda turns, tokens: service.complete_many(turns, ticket, tokens=tokens),
        describe,
    )
    return stored_response({"results": results})


@blueprint.put("/<interaction_id>")
@blueprint.response(201, ItemSchema)
@blueprint.alt_response(200, schema=ItemSchema, description="Completed before; costs nothing.")
@blueprint.doc(requestBody=body_of(CompletionSchema))
def complete(interaction_id: str) -> Response:
    """Complete a reserved turn with its trace.

    A completion is never refused for quota. The same one again is answered with 200.

    Its ids of user, relationship, personality, provider, model, summary and error have at most 600
    characters together.

    It may come up to 48 hours after the hold has expired. 409 if the turn was cancelled minutes
    ago, or is recorded with other content.
    """
    service, ticket = provided(ReservationService), current_ticket()
    turn = service.read_completion(ticket.principal.account, interaction_id, read_object())
    recorded = service.complete(turn, ticket)
    return stored_response(item_of(recorded.document), 201 if recorded.is_new else 200)


@blueprint.delete("/<interaction_id>")
@blueprint.response(204, description="Released, unbilled.")
def cancel(interaction_id: str) -> Response:
    """Cancel a reserved turn, unbilled.

    A second cancel has no effect.

    409 if the turn is recorded. 503 while Redis is unavailable: nothing is released, and the hold
    expires by itself.
    """
    service = provided(ReservationService)
    service.cancel(service.read_reservation_id(interaction_id), current_ticket())
    return no_content()
