"""Define the wire shapes of aggregates and usage: query parameters and answers."""

from typing import Any

from marshmallow import fields

from app.http.fields import AnswerSchema, Choice, Instant, Part
from app.interactions.model import STATUSES
from app.interactions.schemas import FilterQuerySchema, RangeQuerySchema
from app.tenancy.model import OveragePolicy
from app.usage.breakdown import DIMENSIONS
from app.usage.buckets import Grouping
from app.usage.names import MAX_SHOWN, NO_NAME, OTHERS

_GROUPINGS = [grouping.value for grouping in Grouping]
_MS = "Milliseconds: exact below 64, above that at most 1.6 % off."
_BUCKETS = "Days, ISO weeks (from Monday) or months, all in UTC."
_INSTANT = "An instant with a zone, or a day in UTC"
_LATEST = "later than `from`, at most 366 days from today"


def _counter(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "integer"}}


QUOTA_HEADERS = {
    "X-Quota-Turns-Used": _counter("Turns charged in the billing period, reserved ones included."),
    "X-Quota-Turns-Limit": _counter("Left out if unlimited."),
    "X-Quota-Active-Relationships-Used": _counter("Relationships with a charged turn."),
    "X-Quota-Active-Relationships-Limit": _counter("Left out if unlimited."),
    "X-Quota-Reset": {
        "description": "When the billing period ends.",
        "schema": {"type": "string", "format": "date-time"},
    },
}

# Fields of a bucket that only answers with `breakdown` have.
_OF_BREAKDOWN = ("breakdown", "breakdown_complete")
_BREAKDOWN = "Adds the sums of each bucket by this: `key` is the id of an API key. Left out: none."


class AggregatesQuerySchema(FilterQuerySchema):
    """User, relationship and range; without `group_by` the whole range is one bucket."""

    from_ms = Instant(
        data_key="from",
        allow_date=True,
        description=f"Inclusive. {_INSTANT}. Left out, or earlier: 180 days ago.",
    )
    to_ms = Instant(
        data_key="to",
        allow_date=True,
        description=f"Exclusive. {_INSTANT}, {_LATEST}, and less than 180 days ago. "
        "Left out: the end of today in UTC.",
    )
    group_by = Choice(
        _GROUPINGS,
        metadata={"description": f"{_BUCKETS} Left out: one bucket for the whole range."},
    )
    breakdown = Choice(DIMENSIONS, metadata={"description": _BREAKDOWN})


class TurnsQuerySchema(RangeQuerySchema):
    """A range, by default the current billing period, and how it is cut."""

    from_ms = Instant(
        data_key="from",
        allow_date=True,
        description=f"Inclusive. {_INSTANT}, from 2020-01-01 on; more than 180 days ago a midnight "
        "in UTC. Left out: the start of the current billing period.",
    )
    to_ms = Instant(
        data_key="to",
        allow_date=True,
        description=f"Exclusive. {_INSTANT}, {_LATEST}; more than 180 days ago a midnight in UTC. "
        "Left out: the end of today.",
    )
    group_by = Choice(
        _GROUPINGS,
        load_default=Grouping.DAY.value,
        metadata={"description": f"{_BUCKETS} At most 1,000 buckets are answered."},
    )
    breakdown = Choice(DIMENSIONS, metadata={"description": _BREAKDOWN})


class StatusCountsSchema(AnswerSchema):
    """Numbers of turns by status."""

    completed = fields.Integer()
    guardrail_blocked = fields.Integer()
    failed = fields.Integer()
    timed_out = fields.Integer()


class PercentilesSchema(AnswerSchema):
    """Latencies that so many percent of the turns did not exceed; null if there are no turns.

    At most 1.6 % off, and never below the least or above the greatest latency of the turns.
    """

    p50 = fields.Integer(allow_none=True, metadata={"description": _MS})
    p95 = fields.Integer(allow_none=True, metadata={"description": _MS})
    p99 = fields.Integer(allow_none=True, metadata={"description": _MS})


class ShareSchema(AnswerSchema):
    """The sums of the turns of a bucket that have one name."""

    key = fields.String(
        metadata={
            "description": "A model (`openai/gpt-4o`), provider, personality, status, mode or id "
            f"of an API key. `{NO_NAME}`: turns without one. `{OTHERS}`: all further names."
        }
    )
    total_turns = fields.Integer()
    turns_consumed = fields.Integer()
    input_tokens = fields.Integer()
    output_tokens = fields.Integer()


class UsageBucketSchema(AnswerSchema):
    """The turns of a bucket, by the instant at which they occurred; imports are included."""

    period_start = fields.DateTime()
    period_end = fields.DateTime()
    total_turns = fields.Integer(metadata={"description": "Turns of every status."})
    turns_consumed = fields.Integer()
    input_tokens = fields.Integer()
    output_tokens = fields.Integer()
    complete = fields.Boolean(
        metadata={"description": "All of it lies in the range and in the past."}
    )
    by_status = Part(StatusCountsSchema)
    breakdown = fields.List(
        fields.Nested(ShareSchema),
        metadata={
            "description": f"Only with the parameter `breakdown`: the {MAX_SHOWN} names with the "
            f"most turns, largest first, then `{OTHERS}`. Each turn counts once."
        },
    )
    breakdown_complete = fields.Boolean(
        metadata={
            "description": "Only with the parameter `breakdown`. False: an earlier release rolled "
            "up some of these turns; they are in all other numbers."
        }
    )

    def on_bind_field(self, name: str, field_obj: fields.Field[Any]) -> None:
        """Describe the fields that every answer has as required."""
        field_obj.required = name not in _OF_BREAKDOWN


class AggregateBucketSchema(UsageBucketSchema):
    """The turns of a bucket, with latencies, personalities and emotions."""

    period_start = fields.DateTime(
        allow_none=True, metadata={"description": "Null without `group_by`."}
    )
    period_end = fields.DateTime(
        allow_none=True, metadata={"description": "Null without `group_by`."}
    )
    avg_latency_ms = fields.Float(
        allow_none=True,
        metadata={"description": "From whole sums, rounded once; null without turns."},
    )
    latency_ms = Part(PercentilesSchema)
    unique_personalities_count = fields.Integer()
    primary_emotion_distribution = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={
            "description": f"Turns by emotion; those without a state are left out. The {MAX_SHOWN} "
            f"largest are named, the turns of the others are counted as `{OTHERS}`."
        },
    )


class AggregatesSchema(AnswerSchema):
    """Buckets, oldest first, empty ones included."""

    data = fields.List(fields.Nested(AggregateBucketSchema))


class QuotaSchema(AnswerSchema):
    """Turns charged to the current billing period, by the instant of recording."""

    turns_used = fields.Integer()
    turns_reserved = fields.Integer(
        metadata={"description": "Held by open reservations: neither used nor remaining."}
    )
    turns_limit = fields.Integer(allow_none=True, metadata={"description": "Null: unlimited."})
    turns_remaining = fields.Integer(allow_none=True, metadata={"description": "Null: unlimited."})
    uncharged_turns_used = fields.Integer(
        metadata={"description": "Turns that cost nothing, without imports."}
    )
    uncharged_turns_limit = fields.Integer(
        metadata={"description": "Their ceiling, which every plan and overage policy has."}
    )
    period_start = fields.DateTime()
    period_end = fields.DateTime()
    overage_policy = Choice([policy.value for policy in OveragePolicy])


class TurnsSchema(AnswerSchema):
    """Buckets, oldest first, empty ones included, and the quota beside them."""

    data = fields.List(fields.Nested(UsageBucketSchema))
    quota = Part(QuotaSchema)


class ActiveRelationshipsSchema(AnswerSchema):
    """Relationships that had a charged turn in the current billing period."""

    active_relationships = fields.Integer()
    limit = fields.Integer(allow_none=True, metadata={"description": "Null: unlimited."})
    remaining = fields.Integer(allow_none=True, metadata={"description": "Null: unlimited."})
    period_start = fields.DateTime()
    period_end = fields.DateTime()


assert set(StatusCountsSchema().fields) == set(STATUSES)  # noqa: S101
