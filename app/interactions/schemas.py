"""The shape of a turn on the wire.

These rules keep text out of the ledger:

* every string is one of a list, or matches an anchored pattern without white space;
* every number is bounded;
* every object is closed: unknown fields are refused.

`validator.py` derives the database's own check from the same schema. `docs/no-text.md` lists what a
turn can carry.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import ValidationError, fields

from app.http.cursors import CURSOR
from app.http.durations import DAY_MS
from app.http.fields import (
    AnswerSchema,
    Boolean,
    Choice,
    DescribedOnly,
    ExactInstant,
    Instant,
    Integer,
    ListOf,
    Milliseconds,
    Number,
    Numeral,
    Part,
    StrictSchema,
    Token,
)
from app.http.rules import Reason
from app.interactions.id_characters import require_short_ids
from app.interactions.ids import PREFIX, ULID_PATTERN
from app.interactions.model import MODES, SEARCHED_COUNT, STATUSES, default_cost

IDENTIFIER = r"^[A-Za-z0-9._:@|/+=-]{1,128}$"
SUMMARY = r"^[A-Za-z0-9._:|/+=-]{1,128}$"
NAME = r"^[A-Za-z0-9._:/-]{1,64}$"
MODEL = r"^[A-Za-z0-9._:/-]{1,128}$"
WORD = r"^[a-z0-9_]{1,40}$"
LABEL = r"^[a-z][a-z0-9_]{0,31}$"
# Earlier releases stored names with an @, and answers show them too.
_SHOWN_NAME = r"^[A-Za-z0-9._:@/-]{1,128}$"
INTERACTION_ID = f"^{PREFIX}{ULID_PATTERN}$"

MAX_PER_BATCH = 500
MAX_PER_PAGE = 100
DEFAULT_PER_PAGE = 20
MAX_TURNS_CONSUMED = 1_000
MAX_WORDS = 10
_MAX_SHOWN_GUARDRAILS = 32
_MAX_TOKENS = 100_000_000
_SEARCHED = (
    f"A page searches at most {SEARCHED_COUNT:,} turns: it may be short or empty and have a cursor."
)


class EmotionalStateSchema(StrictSchema):
    """The user's mood as the engine inferred it, in labels and numbers."""

    primary = Token(WORD, required=True)
    confidence = Number(0, 1, load_default=None, allow_none=True)
    secondary = ListOf(Token(WORD), MAX_WORDS, load_default=list)
    intensity = Token(LABEL, load_default=None, allow_none=True)
    valence = Number(-1, 1, load_default=None, allow_none=True)
    arousal = Number(-1, 1, load_default=None, allow_none=True)


class MemorySchema(StrictSchema):
    """The turn's use of the relationship's memory: read, referenced, updated."""

    consulted = Boolean(required=True)
    summary_used = Token(SUMMARY, load_default=None, allow_none=True)
    significant_moments_referenced = Integer(0, 10_000, load_default=0)
    model_updated = Boolean(load_default=False)


class GuardrailsSchema(StrictSchema):
    """The guardrails that changed the answer."""

    applied = ListOf(Token(WORD), MAX_WORDS, load_default=list)


class UsageSchema(StrictSchema):
    """The turn's consumption; `turns_consumed` defaults to the price of its status."""

    turns_consumed = Integer(0, MAX_TURNS_CONSUMED)
    llm_provider = Token(NAME, load_default=None, allow_none=True)
    llm_model = Token(MODEL, load_default=None, allow_none=True)
    input_tokens = Integer(0, _MAX_TOKENS, load_default=None, allow_none=True)
    output_tokens = Integer(0, _MAX_TOKENS, load_default=None, allow_none=True)


_NO_USAGE = UsageSchema().load({})


# The rule of `PeopleSchema.check_whole` as a JSON schema.
PEOPLE_RULES: Mapping[str, Any] = {
    "anyOf": [
        {"properties": {"mode": {"const": "stateless"}}},
        {
            "properties": {
                "mode": {"const": "stateful"},
                "user_id": {"type": "string"},
                "relationship_id": {"type": "string"},
            },
            "required": ["user_id", "relationship_id"],
        },
    ]
}


class PeopleSchema(StrictSchema):
    """The participants of a turn: user, relationship and personality."""

    mode = Choice(MODES, required=True)
    user_id = Token(IDENTIFIER, load_default=None, allow_none=True)
    relationship_id = Token(IDENTIFIER, load_default=None, allow_none=True)
    personality_id = Token(NAME, required=True)
    rules = PEOPLE_RULES

    def check_whole(self, loaded: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """Require a user and a relationship of a stateful turn."""
        if loaded.get("mode") != "stateful":
            return
        reason = Reason("required", "is required for a stateful turn")
        missing = [name for name in ("user_id", "relationship_id") if data.get(name) is None]
        if missing:
            raise ValidationError({name: [reason] for name in missing})


class ContentSchema(PeopleSchema):
    """The content of a turn as a producer sends it, without `turn_id` and `occurred_at`."""

    status = Choice(STATUSES, required=True)
    inferred_emotional_state = Part(EmotionalStateSchema, load_default=None, allow_none=True)
    memory = Part(MemorySchema, load_default=None, allow_none=True)
    guardrails = Part(GuardrailsSchema, load_default=lambda: {"applied": []})
    usage = Part(UsageSchema, load_default=lambda: dict(_NO_USAGE))
    latency_ms: Integer = Milliseconds(0, DAY_MS, required=True)
    time_to_first_token_ms: Integer = Milliseconds(0, DAY_MS, load_default=None, allow_none=True)
    error_code = Token(LABEL, load_default=None, allow_none=True)

    def check_whole(self, loaded: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """Check the participants, and the length of all ids together."""
        super().check_whole(loaded, data)
        require_short_ids(loaded)

    def finish(self, loaded: dict[str, Any]) -> dict[str, Any]:
        """Add the price of the status if `turns_consumed` was left out."""
        cost = {"turns_consumed": default_cost(loaded["status"])}
        return loaded | {"usage": cost | loaded["usage"]}


class TurnSchema(ContentSchema):
    """The body of a recording: one finished turn."""

    turn_id = Token(IDENTIFIER, required=True)
    # Cut, not rounded, to its millisecond: rounding could move a turn into the next day.
    occurred_at = ExactInstant(required=True)


class BatchSchema(StrictSchema):
    """The body of a batch; each element is validated independently, by `TurnSchema`."""

    interactions = ListOf(
        DescribedOnly(TurnSchema),
        MAX_PER_BATCH,
        minimum=1,
        required=True,
    )


class RangeQuerySchema(StrictSchema):
    """A half-open range of instants: `from` inclusive, `to` exclusive, both optional."""

    from_ms = Instant(data_key="from", allow_date=True)
    to_ms = Instant(data_key="to", allow_date=True)

    def check_whole(self, loaded: Mapping[str, Any], _data: Mapping[str, Any]) -> None:
        """Require `from` to be earlier than `to`."""
        if "from_ms" in loaded and "to_ms" in loaded and loaded["from_ms"] >= loaded["to_ms"]:
            reason = Reason("out_of_range", "must be earlier than `to`", {"before": "to"})
            raise ValidationError({"from": [reason]})


class FilterQuerySchema(RangeQuerySchema):
    """A range and filters, all combined with AND."""

    user_id = Token(IDENTIFIER)
    relationship_id = Token(IDENTIFIER)


class ListQuerySchema(FilterQuerySchema):
    """The query of a list: filters, the length of a page, and a cursor."""

    status = Choice(STATUSES, metadata={"description": f"Exact match. {_SEARCHED}"})
    mode = Choice(MODES, metadata={"description": f"Exact match. {_SEARCHED}"})
    llm_model = Token(
        MODEL, metadata={"description": f"`usage.llm_model`, without a provider. {_SEARCHED}"}
    )
    turn_id = Token(
        IDENTIFIER,
        metadata={"description": "The producer's own id of a turn: at most one item, no cursor."},
    )
    limit = Numeral(1, MAX_PER_PAGE, load_default=DEFAULT_PER_PAGE)
    cursor = Token(CURSOR)


class ExportQuerySchema(ListQuerySchema):
    """The query of an export: the list's filters, and the last turn of an answer that was cut."""

    class Meta:
        """An export has no pages."""

        exclude = ("limit", "cursor")

    after = Token(INTERACTION_ID)


class RowUsageSchema(UsageSchema):
    """Usage as it is stored."""

    active_relationship_counted = Boolean()


class ItemUsageSchema(AnswerSchema, RowUsageSchema):
    """Usage as answers show it."""

    llm_provider = Token(_SHOWN_NAME, allow_none=True)
    llm_model = Token(_SHOWN_NAME, allow_none=True)


class ItemMemorySchema(AnswerSchema, MemorySchema):
    """Memory as answers show it."""

    summary_used = Token(IDENTIFIER, allow_none=True)


class ItemGuardrailsSchema(AnswerSchema, GuardrailsSchema):
    """Guardrails as answers show them."""

    applied = ListOf(Token(WORD), _MAX_SHOWN_GUARDRAILS)


class ItemSchema(AnswerSchema, ContentSchema):
    """A turn trace as answers show it, also one that an earlier release stored."""

    rules: ClassVar[Mapping[str, Any]] = {}

    interaction_id = Token(INTERACTION_ID)
    created_at = Instant()
    personality_id = Token(_SHOWN_NAME, required=True)
    memory = Part(ItemMemorySchema, allow_none=True)
    guardrails = Part(ItemGuardrailsSchema)
    usage = Part(ItemUsageSchema)
    latency_ms = Integer(0, DAY_MS, required=True)
    time_to_first_token_ms = Integer(0, DAY_MS, allow_none=True)


class PageSchema(AnswerSchema):
    """A page of traces, newest first; on the last page `next_cursor` is null."""

    data = fields.List(fields.Nested(ItemSchema))
    next_cursor = Token(CURSOR, allow_none=True)


class ElementErrorSchema(AnswerSchema):
    """The reason for which an element of a batch was rejected."""

    code = fields.String()
    message = fields.String()
    type = fields.String()
    details = fields.Raw(allow_none=True)


class BatchResultSchema(StrictSchema):
    """The outcome of one element of a batch."""

    status = Choice(("created", "duplicate", "rejected"), required=True)
    interaction_id = Token(
        INTERACTION_ID, metadata={"description": "Of a turn that is recorded, now or before."}
    )
    error = Part(
        ElementErrorSchema,
        metadata={
            "description": "Of `rejected`: as for a single turn, but with its first 5 field "
            "errors, and with its first one only after 1,000 in the batch. If there are more, the "
            "last entry has the code `more`."
        },
    )


class BatchAnswerSchema(AnswerSchema):
    """One result for each element, in order."""

    results = fields.List(fields.Nested(BatchResultSchema))
