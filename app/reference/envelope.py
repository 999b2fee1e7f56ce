"""Describe the body of every error."""

from typing import Any

from marshmallow import fields

from app.http.answer_fields import ShownText
from app.http.fields import AnswerSchema, Choice, Integer, Part, StrictSchema, Token
from app.http.problems import CODES, CONFLICT_REASONS, TYPES
from app.http.rules import ULID_PATTERN
from app.tenancy.api_keys import MAX_KEYS


class ErrorSchema(AnswerSchema):
    """One error; `/docs/errors` explains each `code`."""

    code = Choice(CODES, description="A stable code. Decide by it what to do.")
    message = ShownText("A sentence for people: the fault and the next step. Its words may change.")
    type = Choice(TYPES, description="The kind of error that `code` belongs to.")
    request_id = Token(
        f"^{ULID_PATTERN}$", description="The id of the request, as in `X-Request-Id`."
    )
    details: fields.Field[Any] = fields.Raw(
        allow_none=True,
        metadata={
            "description": "Depends on `code`. With `rate_limit_exceeded`, `tokens` is the price "
            "of a refused batch, if more than one. A `component` of `concurrency` means too many "
            "requests in progress; `Retry-After` is advice then. With `quota_exhausted`, "
            "`component` is `turns`, `active_relationships` or `uncharged_turns` (turns that cost "
            "nothing), `resets_at` is the end of the billing period, `held_until` the instant at "
            "which enough open reservations have expired (null if that does not help), and "
            "`retry_after_ms` the wait that `Retry-After` rounds up to whole seconds. With "
            "`conflict`, `reason` is one of those of `ConflictDetails`."
        },
    )
    documentation_url = ShownText("The page about `code`.")


class ErrorEnvelopeSchema(AnswerSchema):
    """The body of every error."""

    error = Part(ErrorSchema, description="The error.")


class ConflictDetailsSchema(StrictSchema):
    """The reason of a 409, for programs."""

    reason = Choice(
        CONFLICT_REASONS,
        required=True,
        description="Why the request was refused: "
        + "; ".join(f"`{reason}`: {meaning}" for reason, meaning in CONFLICT_REASONS.items())
        + ".",
    )
    limit = Integer(
        1,
        MAX_KEYS,
        description="Active keys that the account may have; only with `key_limit_reached`.",
    )


class ConflictSchema(ErrorSchema):
    """A request that contradicts what is stored."""

    code = Choice(("conflict",), description="The only code of a 409.")
    type = Choice((CODES["conflict"].type,), description="The kind of error of a 409.")
    details = Part(ConflictDetailsSchema, description="The reason, for programs.")


class ConflictEnvelopeSchema(AnswerSchema):
    """The body of a 409."""

    error = Part(ConflictSchema, description="The error.")
