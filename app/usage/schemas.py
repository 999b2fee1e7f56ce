"""Define the wire shapes of aggregates and usage: query parameters and answers."""

from typing import Any

from marshmallow import fields

from app.http.answer_fields import ShownText, Total, UtcInstant
from app.http.durations import DAY_MS
from app.http.fields import AnswerSchema, Boolean, Choice, Instant, Integer, ListOf, Number, Part
from app.interactions.model import STATUSES
from app.interactions.query_schemas import FilterQuerySchema, RangeQuerySchema
from app.tenancy.model import OveragePolicy
from app.usage.breakdown import DIMENSIONS
from app.usage.buckets import Grouping
from app.usage.names import MAX_SHOWN, NO_NAME, OTHERS
from app.usage.ranges import MAX_BUCKETS

_GROUPINGS = [grouping.value for grouping in Grouping]
_MS = "Milliseconds: exact below 64, above that at most 1.6 % off."
_BUCKETS = "Days, ISO weeks (from Monday) or months, all in UTC."
_INSTANT = "An instant with a zone, or a day in UTC"
_UNLIMITED = "Null: unlimited."
_LATEST = "later than `from`, at most 366 days from today"


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
        description=f"{_BUCKETS} Left out: one bucket for the whole range.",
    )
    breakdown = Choice(DIMENSIONS, description=_BREAKDOWN)


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
        description=f"{_BUCKETS} At most {MAX_BUCKETS:,} buckets are answered.",
    )
    breakdown = Choice(DIMENSIONS, description=_BREAKDOWN)


class StatusCountsSchema(AnswerSchema):
    """Numbers of turns by status."""

    completed = Total("Turns that were completed.")
    guardrail_blocked = Total("Turns whose answer a guardrail blocked.")
    failed = Total("Turns that failed.")
    timed_out = Total("Turns that took too long.")


def _percentile(percent: int) -> Integer:
    words = f"{percent} % of the turns took at most so long. {_MS}"
    return Integer(0, DAY_MS, allow_none=True, description=words)


class PercentilesSchema(AnswerSchema):
    """Latencies that so many percent of the turns did not exceed; null if there are no turns.

    At most 1.6 % off, and never below the least or above the greatest latency of the turns.
    """

    p50 = _percentile(50)
    p95 = _percentile(95)
    p99 = _percentile(99)


class SumsSchema(AnswerSchema):
    """Sums over turns."""

    total_turns = Total("Turns of every status.")
    turns_consumed = Total("Turns of the quota that they cost.")
    input_tokens = Total("Tokens that models read; turns that report none count as 0.")
    output_tokens = Total("Tokens that models wrote; turns that report none count as 0.")


class ShareSchema(SumsSchema):
    """The sums of the turns of a bucket that have one name."""

    key = ShownText(
        "A model (`openai/gpt-4o`), provider, personality, status, mode or id of an API key. "
        f"`{NO_NAME}`: turns without one. `{OTHERS}`: all further names."
    )


class UsageBucketSchema(SumsSchema):
    """The turns of a bucket, by the instant at which they occurred; imports are included."""

    period_start = UtcInstant("The first instant of the bucket.")
    period_end = UtcInstant("The first instant after the bucket.")
    complete = Boolean(description="All of the bucket lies in the range and in the past.")
    by_status = Part(StatusCountsSchema, description="Numbers of turns by status.")
    breakdown = ListOf(
        Part(ShareSchema),
        MAX_SHOWN + 1,
        description=f"Only with the parameter `breakdown`: the {MAX_SHOWN} names with the most "
        f"turns, largest first, then `{OTHERS}`. Each turn counts once.",
    )
    breakdown_complete = Boolean(
        description="Only with the parameter `breakdown`. False: an earlier release rolled up some "
        "of these turns; they are in all other numbers."
    )

    def on_bind_field(self, name: str, field_obj: fields.Field[Any]) -> None:
        """Describe the fields that every answer has as required."""
        field_obj.required = name not in _OF_BREAKDOWN


class AggregateBucketSchema(UsageBucketSchema):
    """The turns of a bucket, with latencies, personalities and emotions."""

    period_start = UtcInstant(
        "The first instant of the bucket; null without `group_by`.", allow_none=True
    )
    period_end = UtcInstant(
        "The first instant after the bucket; null without `group_by`.", allow_none=True
    )
    avg_latency_ms = Number(
        0,
        DAY_MS,
        allow_none=True,
        description="The mean latency in milliseconds, from whole sums, rounded once; null without "
        "turns.",
    )
    latency_ms = Part(PercentilesSchema, description="Percentiles of the latency.")
    unique_personalities_count = Total("Number of different personalities.")
    primary_emotion_distribution = fields.Dict(
        keys=fields.String(),
        values=Total("Turns with this primary emotion."),
        metadata={
            "description": f"Turns by emotion; those without a state are left out. The {MAX_SHOWN} "
            f"largest are named, the turns of the others are counted as `{OTHERS}`."
        },
    )


class AggregatesSchema(AnswerSchema):
    """Buckets, oldest first, empty ones included."""

    data = ListOf(Part(AggregateBucketSchema), MAX_BUCKETS, description="The buckets.")


class QuotaSchema(AnswerSchema):
    """Turns charged to the current billing period, by the instant of recording."""

    turns_used = Total("Turns charged in the billing period, without open reservations.")
    turns_reserved = Total("Turns held by open reservations: neither used nor remaining.")
    turns_limit = Total(f"Turns that the billing period allows. {_UNLIMITED}", allow_none=True)
    turns_remaining = Total(f"Turns that can be charged now. {_UNLIMITED}", allow_none=True)
    uncharged_turns_used = Total("Turns of the billing period that cost nothing, without imports.")
    uncharged_turns_limit = Total(
        "Uncharged turns that the billing period allows, whatever the overage policy."
    )
    period_start = UtcInstant("The first instant of the billing period.")
    period_end = UtcInstant("When the billing period ends and the counters begin at 0 again.")
    overage_policy = Choice(
        [policy.value for policy in OveragePolicy],
        description="`block` refuses turns beyond the quota; `allow` counts them and refuses none.",
    )


class TurnsSchema(AnswerSchema):
    """Buckets, oldest first, empty ones included, and the quota beside them."""

    data = ListOf(Part(UsageBucketSchema), MAX_BUCKETS, description="The buckets.")
    quota = Part(QuotaSchema, description="The quota of turns in the current billing period.")


class ActiveRelationshipsSchema(AnswerSchema):
    """Relationships that had a charged turn in the current billing period."""

    active_relationships = Total("Relationships with a charged turn in the billing period.")
    limit = Total(f"Relationships that the billing period allows. {_UNLIMITED}", allow_none=True)
    remaining = Total(f"Relationships that can still be counted. {_UNLIMITED}", allow_none=True)
    period_start = UtcInstant("The first instant of the billing period.")
    period_end = UtcInstant("When the billing period ends and the counters begin at 0 again.")


assert set(StatusCountsSchema().fields) == set(STATUSES)  # noqa: S101


class RateLimitSchema(AnswerSchema):
    """The organization's token bucket, as it is now."""

    requests_per_second = Number(0, 1_000_000, description="Tokens a second that it refills.")
    burst = Total("Tokens that it holds at most.")
    remaining = Total("Whole tokens that are left.")
    resets_at = UtcInstant("When it will be full again.")


class PeekedQuotaSchema(QuotaSchema):
    """The quota of turns and of active relationships."""

    active_relationships_used = Total("Relationships that are counted in the billing period.")
    active_relationships_limit = Total(
        f"Relationships that the billing period allows. {_UNLIMITED}", allow_none=True
    )


class LimitsSchema(AnswerSchema):
    """What is left of the rate limit and of the quota."""

    rate_limit = Part(RateLimitSchema, description="The rate limit.")
    quota = Part(
        PeekedQuotaSchema,
        allow_none=True,
        description="The quota. Null while its counters are not loaded: any recording, or a read "
        "of usage, loads them.",
    )
    projected_exhaustion_at = UtcInstant(
        "When the quota of turns is spent at the mean pace of the last 7 whole days in UTC, or of "
        "those since the organization signed up. Imports and held turns do not count. Null if the "
        "quota is unlimited, or lasts until the billing period ends.",
        allow_none=True,
    )


class CreditSchema(AnswerSchema):
    """What is left of one component of the quota."""

    component = Choice(
        ["turns", "active_relationships", "uncharged_turns"],
        description="The component, by the names of `details.component` in a 429.",
    )
    used = Total("Used in the billing period.")
    held = Total("Held by open reservations: neither used nor left.")
    limit = Total(f"The most that the billing period allows. {_UNLIMITED}", allow_none=True)
    remaining = Total(f"The rest that is left now. {_UNLIMITED}", allow_none=True)
    resets_at = UtcInstant("When the billing period ends and the counter begins at 0 again.")


class CreditsSchema(AnswerSchema):
    """What is left of the quota, by component."""

    data = ListOf(Part(CreditSchema), 3, description="One entry for each component.")
