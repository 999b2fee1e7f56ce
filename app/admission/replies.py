"""Parse the script's flat replies into values; `lua/main.lua` documents the layout."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from app.admission.decision import (
    BucketState,
    Decision,
    Hold,
    ItemCharge,
    Outcome,
    QuotaState,
    TurnCharge,
    Verdict,
)
from app.admission.policy import BucketPolicy, QuotaPolicy
from app.tenancy.model import Limits
from app.tenancy.periods import Period

_COUNTERS_COUNT = 4
_BUCKET_COUNT = 3
_ITEM_COUNT = 3

RawReply = Sequence[int | str | bytes]


class Status(IntEnum):
    """The status of a call; the numbers are those of the script."""

    DONE = 0
    RATE_LIMITED = 1
    NEED_SEED = 2
    PERIOD_MISMATCH = 3
    STALE = 4
    BACKLOG = 5  # more has expired than one call clears; nothing else was done


class Counters(NamedTuple):
    """An account's counters; `generation` is the instant at which they were seeded."""

    generation: int
    turns_used: int
    turns_reserved: int
    relationships_used: int
    uncharged_used: int


class Reply(NamedTuple):
    """The reply of any operation; `results` are the operation's own numbers.

    `time_us` is the server's clock. `account_now_us` is the account's, which is later than every
    instant given out; 0 if no quota is loaded. Then `counters` are missing too, as in replies
    without them.
    """

    status: Status
    time_us: int
    account_now_us: int
    counters: Counters | None
    results: tuple[int, ...]

    @classmethod
    def parse(cls, raw: RawReply) -> "Reply":
        """Read a reply of any operation."""
        status, time_us, account_now_us, generation, *rest = map(int, raw)
        counters = Counters(generation, *rest[:_COUNTERS_COUNT]) if generation >= 0 else None
        results = tuple(rest[_COUNTERS_COUNT:])
        return cls(Status(status), time_us, account_now_us, counters, results)


def parse_address_decision(reply: Reply, bucket: BucketPolicy) -> Decision:
    """Return the decision over a bucket without quota, from a reply to a request."""
    return Decision(_outcome(reply, ()), _bucket_state(reply, bucket), reply.time_us)


def parse_decision(
    reply: Reply,
    bucket: BucketPolicy,
    limits: Limits,
    period: Period,
    turns: Sequence[TurnCharge],
    *,
    tokens: int,
) -> Decision:
    """Return the decision over `tokens` and `turns` of an account, from a reply to a request."""
    items = parse_items(reply, turns) if turns else ()
    counters = reply.counters
    return Decision(
        outcome=_outcome(reply, items),
        bucket=_bucket_state(reply, bucket),
        time_us=reply.time_us,
        account_now_us=reply.account_now_us or None,
        quota=parse_quota(reply, limits, period) if counters else None,
        items=items,
        generation=counters.generation if counters else 0,
        period=period,
        tokens=tokens,
    )


def parse_quota(reply: Reply, limits: Limits, period: Period) -> QuotaState | None:
    """Return the counters in a reply to any operation; None if no quota is loaded."""
    counters = reply.counters
    if counters is None:
        return None
    enforced = QuotaPolicy.of(limits, period)
    return QuotaState(
        turns_used=counters.turns_used,
        turns_reserved=counters.turns_reserved,
        turns_limit=limits.turns,
        relationships_used=counters.relationships_used,
        relationships_limit=limits.active_relationships,
        period_start_us=period.start_us,
        period_end_us=period.end_us,
        uncharged_used=counters.uncharged_used,
        uncharged_limit=enforced.uncharged_limit,
        relationships_ceiling=enforced.relationships_limit,
    )


def _bucket_state(reply: Reply, bucket: BucketPolicy) -> BucketState:
    remaining, retry_after_us, full_in_us = reply.results[:_BUCKET_COUNT]
    return BucketState(bucket.rate, remaining, reply.time_us + full_in_us, retry_after_us)


def _outcome(reply: Reply, items: Sequence[ItemCharge]) -> Outcome:
    if len(items) == 1 and items[0].verdict.is_exhausted:
        return Outcome.QUOTA_EXHAUSTED
    if reply.status is Status.RATE_LIMITED or any(
        i.verdict is Verdict.TOO_MANY_OPEN for i in items
    ):
        return Outcome.RATE_LIMITED
    return Outcome.ADMITTED


def parse_items(reply: Reply, turns: Sequence[TurnCharge]) -> tuple[ItemCharge, ...]:
    """Return the charge of each turn in a reply to a request; none behind an empty bucket."""
    values = reply.results[_BUCKET_COUNT:][: _ITEM_COUNT * len(turns)]
    triples = zip(*[iter(values)] * _ITEM_COUNT, strict=True)
    return tuple(_item(turn, *triple) for turn, triple in zip(turns, triples, strict=False))


def _item(turn: TurnCharge, number: int, instant_us: int, counted: int) -> ItemCharge:
    verdict, is_counted = Verdict(number), bool(counted)
    if verdict.is_exhausted:
        return ItemCharge(verdict, 0, is_counted, turn.turn_key, fits_at_us=instant_us)
    return ItemCharge(verdict, instant_us, is_counted, turn.turn_key)


def parse_hold(reply: Reply, most_open: int) -> Hold | None:
    """Return the hold in a reply to `reserve`; None behind a refusal.

    If too many reservations are open it is the instant at which few enough are.
    """
    values = reply.results[_BUCKET_COUNT + _ITEM_COUNT :]
    if not values or not values[0]:
        return None
    return Hold(values[0], values[0] - reply.time_us, most_open)


def relationship_of(entry: str | bytes) -> str:
    """Return the relationship in an entry of the hash `turns`; it may be empty."""
    return str(entry).split(" ", 4)[4]


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """Figures for operators beside the counters, from a reply to `read`."""

    reservations: int
    recent_turns: int
    watermark_at_us: int
    watermark_used: int


def parse_bookkeeping(reply: Reply) -> Bookkeeping:
    """Return the figures for operators in a reply to `read`."""
    return Bookkeeping(*reply.results)
