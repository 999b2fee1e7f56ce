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
from app.admission.policy import BucketPolicy
from app.tenancy.model import Limits
from app.tenancy.periods import Period

_HEAD_COUNT = 7
_BUCKET_COUNT = 3
_ITEM_COUNT = 3

RawReply = Sequence[int | str | bytes]


class Status(IntEnum):
    """How a call ended; the numbers are those of the script."""

    DONE = 0
    RATE_LIMITED = 1
    NEED_SEED = 2
    PERIOD_MISMATCH = 3
    STALE = 4
    AGAIN = 5  # the answer depends on more lapses than one call may end; nothing else was done


class Counters(NamedTuple):
    """An account's counters of one generation, the instant at which they were seeded."""

    generation: int
    turns_used: int
    turns_reserved: int
    relationships_used: int


class Reply(NamedTuple):
    """What every operation tells; `results` are its own numbers.

    `time_us` is the server's clock, `now_us` the account's, which never runs behind an instant
    given out; 0 if no quota is loaded. `counters` are missing then, too, or if they are not told.
    """

    status: Status
    time_us: int
    now_us: int
    counters: Counters | None
    results: tuple[int, ...]

    @classmethod
    def parse(cls, raw: RawReply) -> "Reply":
        """Read a reply of any operation."""
        status, time_us, now_us, generation, *rest = map(int, raw)
        counters = Counters(generation, *rest[:3]) if generation >= 0 else None
        return cls(Status(status), time_us, now_us, counters, tuple(rest[_HEAD_COUNT - 4 :]))


def parse_address_decision(reply: Reply, bucket: BucketPolicy) -> Decision:
    """The decision over a bucket without quota, from a reply to a request."""
    return Decision(_outcome(reply, ()), _bucket_state(reply, bucket), reply.time_us)


def parse_decision(
    reply: Reply, bucket: BucketPolicy, limits: Limits, period: Period, turns: Sequence[TurnCharge]
) -> Decision:
    """The decision over an account's bucket and `turns`, from a reply to a request."""
    items = parse_items(reply, turns)
    return Decision(
        outcome=_outcome(reply, items),
        bucket=_bucket_state(reply, bucket),
        time_us=reply.time_us,
        now_us=reply.now_us or None,
        quota=parse_quota(reply, limits, period),
        items=items,
        generation=reply.counters.generation if reply.counters else 0,
        period=period,
    )


def parse_quota(reply: Reply, limits: Limits, period: Period) -> QuotaState | None:
    """The counters in a reply to anything; None if no quota is loaded."""
    counters = reply.counters
    if counters is None:
        return None
    return QuotaState(
        turns_used=counters.turns_used,
        turns_reserved=counters.turns_reserved,
        turns_limit=limits.turns,
        relationships_used=counters.relationships_used,
        relationships_limit=limits.active_relationships,
        period_start_us=period.start_us,
        period_end_us=period.end_us,
    )


def _bucket_state(reply: Reply, bucket: BucketPolicy) -> BucketState:
    remaining, retry_after_us, full_in_us = reply.results[:_BUCKET_COUNT]
    return BucketState(bucket.rate, remaining, reply.time_us + full_in_us, retry_after_us)


def _outcome(reply: Reply, items: Sequence[ItemCharge]) -> Outcome:
    if len(items) == 1 and items[0].verdict.is_exhausted:
        return Outcome.QUOTA_EXHAUSTED
    if reply.status is Status.RATE_LIMITED or any(i.verdict is Verdict.CROWDED for i in items):
        return Outcome.RATE_LIMITED
    return Outcome.ADMITTED


def parse_items(reply: Reply, turns: Sequence[TurnCharge]) -> tuple[ItemCharge, ...]:
    """The turns' part of a reply to a request, in the order asked; empty behind an empty bucket."""
    if not turns:
        return ()
    values = reply.results[_BUCKET_COUNT:][: _ITEM_COUNT * len(turns)]
    triples = zip(*[iter(values)] * _ITEM_COUNT, strict=True)
    return tuple(_item(turn, *triple) for turn, triple in zip(turns, triples, strict=False))


def _item(turn: TurnCharge, number: int, instant_us: int, counted: int) -> ItemCharge:
    verdict, is_counted = Verdict(number), bool(counted)
    if verdict.is_exhausted:
        return ItemCharge(verdict, 0, is_counted, turn.turn_key, fits_at_us=instant_us)
    return ItemCharge(verdict, instant_us, is_counted, turn.turn_key)


def parse_hold(reply: Reply, most_open: int) -> Hold | None:
    """When the hold of a reply to `reserve` ends; when few enough are open, if too many are.

    None behind any other refusal.
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
    """What operators want to know beside the counters (`read`)."""

    reservations: int
    remembered: int
    mark_at_us: int
    mark_used: int


def parse_bookkeeping(reply: Reply) -> Bookkeeping:
    """The own part of a reply to `read`."""
    return Bookkeeping(*reply.results)
