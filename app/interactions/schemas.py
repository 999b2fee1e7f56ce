"""The shape of a turn on the wire.

These rules keep text out of the ledger:

* every string is one of a list, or matches an anchored pattern without white space;
* every number is bounded;
* every object is closed: unknown fields are refused.

`validator.py` derives the database's own check from the same schema. `docs/no-text.md` lists what a
turn can carry.
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError

from app.http.descriptions import DescribedOnly
from app.http.durations import DAY_MS
from app.http.fields import (
    Boolean,
    Choice,
    ExactInstant,
    Integer,
    ListOf,
    Milliseconds,
    Number,
    Part,
    StrictSchema,
    Token,
)
from app.http.rules import Reason
from app.interactions.id_characters import require_short_ids
from app.interactions.model import MODES, STATUSES, default_cost

IDENTIFIER = r"^[A-Za-z0-9._:@|/+=-]{1,128}$"
SUMMARY = r"^[A-Za-z0-9._:|/+=-]{1,128}$"
NAME = r"^[A-Za-z0-9._:/-]{1,64}$"
MODEL = r"^[A-Za-z0-9._:/-]{1,128}$"
WORD = r"^[a-z0-9_]{1,40}$"
LABEL = r"^[a-z][a-z0-9_]{0,31}$"

MAX_PER_BATCH = 500
MAX_TURNS_CONSUMED = 1_000
MAX_WORDS = 10
_MAX_TOKENS = 100_000_000


class EmotionalStateSchema(StrictSchema):
    """The user's mood as the engine inferred it, in labels and numbers."""

    primary = Token(WORD, required=True, description="The strongest emotion, such as `joy`.")
    confidence = Number(
        0,
        1,
        load_default=None,
        allow_none=True,
        description="How sure the engine is, from 0 to 1.",
    )
    secondary = ListOf(
        Token(WORD), MAX_WORDS, load_default=list, description="Further emotions; none if empty."
    )
    intensity = Token(
        LABEL, load_default=None, allow_none=True, description="The engine's label, as `medium`."
    )
    valence = Number(
        -1,
        1,
        load_default=None,
        allow_none=True,
        description="From -1, unpleasant, to 1, pleasant.",
    )
    arousal = Number(
        -1, 1, load_default=None, allow_none=True, description="From -1, calm, to 1, excited."
    )


class MemorySchema(StrictSchema):
    """The turn's use of the relationship's memory: read, referenced, updated."""

    consulted = Boolean(required=True, description="The memory was read for this turn.")
    summary_used = Token(
        SUMMARY,
        load_default=None,
        allow_none=True,
        description="The id of the summary that was used.",
    )
    significant_moments_referenced = Integer(
        0,
        10_000,
        load_default=0,
        description="Number of moments from the memory that the turn used.",
    )
    model_updated = Boolean(
        load_default=False, description="The turn changed the model of the relationship."
    )


class GuardrailsSchema(StrictSchema):
    """The guardrails that changed the answer."""

    applied = ListOf(
        Token(WORD), MAX_WORDS, load_default=list, description="Their names; none if empty."
    )


class UsageSchema(StrictSchema):
    """The turn's consumption; `turns_consumed` defaults to the price of its status."""

    turns_consumed = Integer(
        0,
        MAX_TURNS_CONSUMED,
        description="Turns of the quota that it costs. Left out: 1 if `status` is `completed` or "
        "`guardrail_blocked`, else 0.",
    )
    llm_provider = Token(
        NAME, load_default=None, allow_none=True, description="The provider, such as `openai`."
    )
    llm_model = Token(
        MODEL, load_default=None, allow_none=True, description="The model, such as `gpt-4o`."
    )
    input_tokens = Integer(
        0,
        _MAX_TOKENS,
        load_default=None,
        allow_none=True,
        description="Tokens that the model read; null if unknown.",
    )
    output_tokens = Integer(
        0,
        _MAX_TOKENS,
        load_default=None,
        allow_none=True,
        description="Tokens that the model wrote; null if unknown.",
    )


_NO_USAGE = UsageSchema().load({})


# The rule of `PeopleSchema.check_whole` as a JSON schema. Generators of clients take `anyOf` for a
# choice between types, and leave out all other properties; `if` they ignore.
PEOPLE_RULES: Mapping[str, Any] = {
    "if": {"properties": {"mode": {"const": "stateful"}}, "required": ["mode"]},
    "then": {
        "properties": {"user_id": {"type": "string"}, "relationship_id": {"type": "string"}},
        "required": ["user_id", "relationship_id"],
    },
}


class PeopleSchema(StrictSchema):
    """The participants of a turn: user, relationship and personality."""

    mode = Choice(
        MODES,
        required=True,
        description="`stateful`: the turn belongs to a user and a relationship.",
    )
    user_id = Token(
        IDENTIFIER,
        load_default=None,
        allow_none=True,
        description="The user, by an id of yours that names nobody. Required of a stateful turn.",
    )
    relationship_id = Token(
        IDENTIFIER,
        load_default=None,
        allow_none=True,
        description="The relationship of user and personality. Required of a stateful turn.",
    )
    personality_id = Token(NAME, required=True, description="The personality that answered.")
    rules = PEOPLE_RULES

    def check_whole(self, loaded: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """Require a user and a relationship of a stateful turn."""
        if loaded.get("mode") != "stateful":
            return
        reason = Reason("required", "is required for a stateful turn")
        missing = [name for name in ("user_id", "relationship_id") if data.get(name) is None]
        if missing:
            raise ValidationError({name: [reason] for name in missing})


EMOTIONS = "The user's mood as the engine inferred it; null if it did not."
MEMORY = "The turn's use of the relationship's memory; null if it has none."
GUARDRAILS = "The guardrails that changed the answer."
USAGE = "The turn's consumption: quota, model and tokens."
LATENCY = "The time from the request to the whole answer, at most a day."
FIRST_TOKEN = "The time to the first token; null if the answer was not streamed."  # noqa: S105
ERROR_CODE = "The reason of a turn that failed, as a label of yours; null if there is none."
TURN_ID = (
    "Your own id of the turn, unique in the organization and environment. The same id again is the "
    "same turn."
)


class ContentSchema(PeopleSchema):
    """The content of a turn as a producer sends it, without `turn_id` and `occurred_at`."""

    status = Choice(STATUSES, required=True, description="How the turn ended.")
    inferred_emotional_state = Part(
        EmotionalStateSchema, load_default=None, allow_none=True, description=EMOTIONS
    )
    memory = Part(MemorySchema, load_default=None, allow_none=True, description=MEMORY)
    guardrails = Part(
        GuardrailsSchema, load_default=lambda: {"applied": []}, description=GUARDRAILS
    )
    usage = Part(UsageSchema, load_default=lambda: dict(_NO_USAGE), description=USAGE)
    latency_ms: Integer = Milliseconds(0, DAY_MS, required=True, description=LATENCY)
    time_to_first_token_ms: Integer = Milliseconds(
        0, DAY_MS, load_default=None, allow_none=True, description=FIRST_TOKEN
    )
    error_code = Token(LABEL, load_default=None, allow_none=True, description=ERROR_CODE)

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

    turn_id = Token(IDENTIFIER, required=True, description=TURN_ID)
    # Cut, not rounded, to its millisecond: rounding could move a turn into the next day.
    occurred_at = ExactInstant(
        required=True,
        description="When the turn occurred: an instant with a zone, at most 48 hours ago and 5 "
        "minutes ahead. Cut to milliseconds.",
    )


class BatchSchema(StrictSchema):
    """The body of a batch; each element is validated independently, by `TurnSchema`."""

    interactions = ListOf(
        DescribedOnly(TurnSchema),
        MAX_PER_BATCH,
        minimum=1,
        required=True,
        description="The turns; each one is checked and recorded by itself.",
    )


class RowUsageSchema(UsageSchema):
    """Usage as it is stored."""

    active_relationship_counted = Boolean(
        description="This turn counted its relationship in the billing period, as the first of it."
    )
