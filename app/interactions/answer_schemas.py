"""The shape of a turn in answers: items, pages and the results of a batch."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import fields

from app.http.answer_fields import ShownText, UtcInstant
from app.http.cursors import CURSOR
from app.http.durations import DAY_MS
from app.http.fields import (
    AnswerSchema,
    Choice,
    Integer,
    ListOf,
    Part,
    StrictSchema,
    Token,
)
from app.http.problems import CODES, TYPES
from app.interactions.ids import INTERACTION_ID
from app.interactions.query_schemas import MAX_PER_PAGE
from app.interactions.schemas import (
    EMOTIONS,
    FIRST_TOKEN,
    GUARDRAILS,
    IDENTIFIER,
    LATENCY,
    MAX_PER_BATCH,
    MAX_TURNS_CONSUMED,
    MEMORY,
    USAGE,
    WORD,
    ContentSchema,
    EmotionalStateSchema,
    GuardrailsSchema,
    MemorySchema,
    RowUsageSchema,
)

# Earlier releases stored names with an @, and answers show them too.
_SHOWN_NAME = r"^[A-Za-z0-9._:@/-]{1,128}$"
_MAX_SHOWN_GUARDRAILS = 32


class ItemUsageSchema(AnswerSchema, RowUsageSchema):
    """Usage as answers show it."""

    turns_consumed = Integer(
        0, MAX_TURNS_CONSUMED, description="Turns of the quota that the turn cost."
    )
    llm_provider = Token(
        _SHOWN_NAME, allow_none=True, description="The provider, such as `openai`; null if unknown."
    )
    llm_model = Token(
        _SHOWN_NAME, allow_none=True, description="The model, such as `gpt-4o`; null if unknown."
    )


class ItemEmotionalStateSchema(AnswerSchema, EmotionalStateSchema):
    """The user's mood as answers show it."""


class ItemMemorySchema(AnswerSchema, MemorySchema):
    """Memory as answers show it."""

    summary_used = Token(
        IDENTIFIER, allow_none=True, description="The id of the summary that was used; null: none."
    )


class ItemGuardrailsSchema(AnswerSchema, GuardrailsSchema):
    """Guardrails as answers show them."""

    applied = ListOf(Token(WORD), _MAX_SHOWN_GUARDRAILS, description="Their names; none if empty.")


class ItemSchema(AnswerSchema, ContentSchema):
    """A turn trace as answers show it, also one that an earlier release stored."""

    rules: ClassVar[Mapping[str, Any]] = {}

    interaction_id = Token(INTERACTION_ID, description="The id of the turn in this service.")
    created_at = UtcInstant("When the turn occurred.")
    user_id = Token(
        IDENTIFIER, allow_none=True, description="The user; null for a stateless turn without one."
    )
    relationship_id = Token(
        IDENTIFIER,
        allow_none=True,
        description="The relationship; null for a stateless turn without one.",
    )
    personality_id = Token(_SHOWN_NAME, description="The personality that answered.")
    inferred_emotional_state = Part(ItemEmotionalStateSchema, allow_none=True, description=EMOTIONS)
    memory = Part(ItemMemorySchema, allow_none=True, description=MEMORY)
    guardrails = Part(ItemGuardrailsSchema, description=GUARDRAILS)
    usage = Part(ItemUsageSchema, description=USAGE)
    latency_ms = Integer(0, DAY_MS, description=f"{LATENCY} In milliseconds.")
    time_to_first_token_ms = Integer(
        0, DAY_MS, allow_none=True, description=f"{FIRST_TOKEN} In milliseconds."
    )


class PageSchema(AnswerSchema):
    """A page of traces, newest first; on the last page `next_cursor` is null."""

    data = ListOf(Part(ItemSchema), MAX_PER_PAGE, description="The turns of this page.")
    next_cursor = Token(
        CURSOR, allow_none=True, description="The `cursor` of the next page; null on the last one."
    )


class ElementErrorSchema(AnswerSchema):
    """The reason for which an element of a batch was rejected."""

    code = Choice(CODES, description="A stable code, explained by `/docs/errors`.")
    message = ShownText("The reason and the next step, for people.")
    type = Choice(TYPES, description="The kind of error that `code` belongs to.")
    details = fields.Raw(
        allow_none=True,
        metadata={"description": "As in the error of a single turn; depends on `code`."},
    )


class BatchResultSchema(StrictSchema):
    """The outcome of one element of a batch."""

    status = Choice(
        ("created", "duplicate", "rejected"),
        required=True,
        description="`duplicate`: the same turn was recorded before, and costs nothing now.",
    )
    interaction_id = Token(
        INTERACTION_ID,
        description="The id of a turn that is recorded, now or before; left out if it is rejected.",
    )
    error = Part(
        ElementErrorSchema,
        description="Only with `rejected`: the error that the turn gets by itself, with its first "
        "5 field errors, and with its first one only after 1,000 in the batch. If there are more, "
        "the last entry has the code `more`.",
    )


class BatchAnswerSchema(AnswerSchema):
    """One result for each element, in order."""

    results = ListOf(
        Part(BatchResultSchema),
        MAX_PER_BATCH,
        minimum=1,
        description="One result for each turn of the request, in the same order.",
    )
