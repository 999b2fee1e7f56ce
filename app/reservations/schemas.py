"""Wire shapes of reservations."""

from app.admission.policy import MAX_HOLD_S
from app.http.answer_fields import UtcInstant
from app.http.descriptions import DescribedOnly
from app.http.fields import AnswerSchema, Integer, ListOf, Part, StrictSchema, Token
from app.interactions.ids import INTERACTION_ID
from app.interactions.schemas import (
    IDENTIFIER,
    MAX_PER_BATCH,
    TURN_ID,
    ContentSchema,
    PeopleSchema,
)
from app.usage.schemas import QuotaSchema

MIN_HOLD_S = 10
DEFAULT_HOLD_S = 150


class ReservationSchema(PeopleSchema):
    """The body of a reservation: a turn that is about to be run."""

    turn_id = Token(IDENTIFIER, required=True, description=TURN_ID)
    hold_seconds = Integer(
        MIN_HOLD_S,
        MAX_HOLD_S,
        load_default=DEFAULT_HOLD_S,
        description="Seconds for which the quota is held, unless the turn is completed before.",
    )


class CompletionSchema(ContentSchema):
    """The body of a completion: a recording, whose instant is the reservation's."""

    turn_id = Token(IDENTIFIER, required=True, description="The `turn_id` of the reservation.")


class BatchedCompletionSchema(CompletionSchema):
    """One completion of a batch: its body, and the id of its reservation."""

    interaction_id = Token(
        INTERACTION_ID, required=True, description="The id that the reservation was answered with."
    )


class CompletionsSchema(StrictSchema):
    """The body of a batch of completions; each element is validated independently."""

    completions = ListOf(
        DescribedOnly(BatchedCompletionSchema),
        MAX_PER_BATCH,
        minimum=1,
        required=True,
        description="The completions; each one is checked and recorded by itself.",
    )


class ReservedSchema(AnswerSchema):
    """A turn that is held until `expires_at`; then another turn may use its quota."""

    interaction_id = Token(
        INTERACTION_ID, description="The id of the turn, for `/v1/turns/{interaction_id}`."
    )
    expires_at = UtcInstant(
        "When the hold expires; the turn may be completed later. If `quota` is null nothing is "
        "held."
    )
    quota = Part(
        QuotaSchema,
        allow_none=True,
        description="Of the billing period that holds the reservation. Null while Redis is "
        "unavailable: nothing is held.",
    )
