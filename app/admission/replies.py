"""The script's flat replies as values; the layout is told in `lua/prelude.lua`."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from app.admission.decision import (
    BucketState,
    Decision,
    ItemCharge,
    Outcome,
    TurnCharge,
    Verdict,
)
from app.admission.policy import BucketPolicy

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


@dataclass(frozen=True, slots=True)
class Counters:
    """An account's counters of one generation, the instant at which they were seeded."""

    generation: int
    turns_used: int
    turns_reserved: int
    relationships_used: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What every operation tells; `results` are its own numbers.

    `time_us` is the server's clock, `now_us` the account's, which never runs behind an instant
    given out. `counters` are missing if no quota is loaded.
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


def parse_decision(reply: Reply, bucket: BucketPolicy) -> Decision:
    """The decision over the bucket alone, from a reply to a request."""
    remaining, retry_after_us, full_in_us = reply.results[:_BUCKET_COUNT]
    is_rate_limited = reply.status is Status.RATE_LIMITED
    return Decision(
        outcome=Outcome.RATE_LIMITED if is_rate_limited else Outcome.ADMITTED,
        bucket=BucketState(bucket.rate, remaining, reply.time_us + full_in_us, retry_after_us),
        now_us=reply.now_us,
    )


def parse_items(reply: Reply, turns: Sequence[TurnCharge]) -> tuple[ItemCharge, ...]:
    """The turns' part of a reply to a request, in the order asked; empty behind an empty bucket."""
    values = reply.results[_BUCKET_COUNT:][: _ITEM_COUNT * len(turns)]
    triples = zip(*[iter(values)] * _ITEM_COUNT, strict=True)
    return tuple(
        ItemCharge(Verdict(verdict), recorded_at_us, bool(counted), turn.turn_key)
        for turn, (verdict, recorded_at_us, counted) in zip(turns, triples, strict=False)
    )


def parse_lapse(reply: Reply) -> int | None:
    """The instant beside the turn in a reply to `reserve`; None behind an empty bucket."""
    values = reply.results[_BUCKET_COUNT + _ITEM_COUNT :]
    return values[0] if values else None


def relationship_of(entry: str | bytes) -> str:
    """The relationship in an entry of the hash `turns` (`lua/prelude.lua`); may be empty."""
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
