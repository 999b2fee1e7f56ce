"""Describe the body of every error."""

from collections.abc import Mapping

from marshmallow import fields

from app.http.answer_fields import ShownText
from app.http.fields import AnswerSchema, Choice, Part, Token
from app.http.problems import CODES, CONFLICT_REASONS, TYPES
from app.http.rules import ULID_PATTERN


def _listed(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"`{reason}` ({meaning})" for reason, meaning in reasons.items())


class ErrorSchema(AnswerSchema):
    """One error; `/docs/errors` explains each `code`."""

    code = Choice(CODES, description="A stable code. Decide by it what to do.")
    message = ShownText("A sentence for people: the fault and the next step. Its words may change.")
    type = Choice(TYPES, description="The kind of error that `code` belongs to.")
    request_id = Token(
        f"^{ULID_PATTERN}$", description="The id of the request, as in `X-Request-Id`."
    )
    details = fields.Raw(
        allow_none=True,
        metadata={
            "description": "Depends on `code`. With `rate_limit_exceeded`, `tokens` is the price "
            "of a refused batch, if more than one. A `component` of `concurrency` means too many "
            "requests in progress; `Retry-After` is advice then. With `quota_exhausted`, "
            "`component` is `turns`, `active_relationships` or `uncharged_turns` (turns that cost "
            "nothing), `resets_at` is the end of the billing period, `held_until` the instant at "
            "which enough open reservations have expired (null if that does not help), and "
            "`retry_after_ms` the wait that `Retry-After` rounds up to whole seconds. With "
            f"`conflict`, `reason` is one of {_listed(CONFLICT_REASONS)}."
        },
    )
    documentation_url = ShownText("The page about `code`.")


class ErrorEnvelopeSchema(AnswerSchema):
    """The body of every error."""

    error = Part(ErrorSchema, description="The error.")
