"""Wire shapes of aggregates and usage: what may be asked, and what answers hold."""

from marshmallow import fields

from app.http.fields import Choice, Part, StrictSchema
from app.interactions.model import STATUSES
from app.interactions.schemas import FilterQuerySchema, RangeQuerySchema
from app.tenancy.model import OveragePolicy
from app.usage.buckets import Grouping

_GROUPINGS = [grouping.value for grouping in Grouping]
_MS = "Milliseconds: exact below 64, above that at most 1.6 % off."


class AggregatesQuerySchema(FilterQuerySchema):
    """Filters as in the list; without `group_by` the whole range is one bucket."""

    group_by = Choice(_GROUPINGS)


class TurnsQuerySchema(RangeQuerySchema):
    """A range, by default the current billing period, and how it is cut."""

    group_by = Choice(_GROUPINGS, load_default=Grouping.DAY.value)


class StatusCountsSchema(StrictSchema):
    """How many turns ended how."""

    completed = fields.Integer()
    guardrail_blocked = fields.Integer()
    failed = fields.Integer()
    timed_out = fields.Integer()


class PercentilesSchema(StrictSchema):
    """Latencies that so many percent of the turns did not exceed; null if there are no turns."""

    p50 = fields.Integer(allow_none=True, metadata={"description": _MS})
    p95 = fields.Integer(allow_none=True, metadata={"description": _MS})
    p99 = fields.Integer(allow_none=True, metadata={"description": _MS})


class UsageBucketSchema(StrictSchema):
    """The turns of a bucket, by the instant at which they occurred; imports are included."""

    period_start = fields.DateTime()
    period_end = fields.DateTime()
    total_turns = fields.Integer(metadata={"description": "Turns of every status."})
    turns_consumed = fields.Integer()
    complete = fields.Boolean(
        metadata={"description": "All of it lies in the range and in the past."}
    )
    by_status = Part(StatusCountsSchema)


class AggregateBucketSchema(UsageBucketSchema):
    """The turns of a bucket, looked at from more sides."""

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
        metadata={"description": "Turns by emotion; those without a state are left out."},
    )


class AggregatesSchema(StrictSchema):
    """Buckets, oldest first, empty ones included."""

    data = fields.List(fields.Nested(AggregateBucketSchema))


class QuotaSchema(StrictSchema):
    """What was charged to the current billing period, by the instant of recording."""

    turns_used = fields.Integer()
    turns_limit = fields.Integer(allow_none=True, metadata={"description": "Null: unlimited."})
    turns_remaining = fields.Integer(allow_none=True, metadata={"description": "Null: unlimited."})
    period_start = fields.DateTime()
    period_end = fields.DateTime()
    overage_policy = Choice([policy.value for policy in OveragePolicy])


class TurnsSchema(StrictSchema):
    """Buckets, oldest first, empty ones included, and the quota beside them."""

    data = fields.List(fields.Nested(UsageBucketSchema))
    quota = Part(QuotaSchema)


class ActiveRelationshipsSchema(StrictSchema):
    """Relationships that had a charged turn in the current billing period."""

    active_relationships = fields.Integer()
    limit = fields.Integer(allow_none=True, metadata={"description": "Null: unlimited."})
    remaining = fields.Integer(allow_none=True, metadata={"description": "Null: unlimited."})
    period_start = fields.DateTime()
    period_end = fields.DateTime()


assert set(StatusCountsSchema().fields) == set(STATUSES)  # noqa: S101
