"""Streams that the garbage collector ends in the middle of this package's own work."""

import faulthandler
import gc
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from turnledger import Ledger
from turnledger._core.breaker import Breaker
from turnledger.testing import FakeLedger


@pytest.fixture
def ledger(fake: FakeLedger) -> Iterator[Ledger]:
    """A ledger that sends in the thread that ends a turn."""
    faulthandler.dump_traceback_later(60, exit=True)  # instead of waiting for a lock for ever
    with fake.ledger(send="inline") as made:
        yield made
    faulthandler.cancel_dump_traceback_later()


def drop_a_stream(ledger: Ledger) -> None:
    """Leave a stream after its first token to the garbage collector."""
    with ledger.turn(turn_id="dropped", reserve=False) as turn:
        items = turn.stream(iter("ab"))
    next(items)
    around: list[Any] = [items]
    around.append(around)


def ends(fake: FakeLedger) -> dict[str, Any]:
    return {name: turn.get("error_code") for name, turn in fake.turns.items()}


def test_a_stream_that_ends_while_the_connection_opens_is_sent_with_the_next_turn(
    fake: FakeLedger, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = httpx.Client

    def make_while_collecting(**options: Any) -> httpx.Client:
        gc.collect()
        return make(**options)

    monkeypatch.setattr(httpx, "Client", make_while_collecting)
    drop_a_stream(ledger)
    with ledger.turn(turn_id="next") as turn:
        turn.usage(input_tokens=1)
    assert ends(fake) == {"dropped": "stream_closed", "next": None}


def test_a_stream_that_ends_while_another_turn_is_sent_is_sent_once(
    fake: FakeLedger, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered = ledger.outbox.delivered

    def deliver_while_collecting(seqs: Any) -> None:
        gc.collect()
        delivered(seqs)

    monkeypatch.setattr(ledger.outbox, "delivered", deliver_while_collecting)
    drop_a_stream(ledger)
    with ledger.turn(turn_id="next", reserve=False):
        pass
    assert ends(fake) == {"dropped": "stream_closed", "next": None}
    assert ledger.stats().delivered == 2


def test_a_breaker_may_be_used_inside_of_itself() -> None:
    class Clock:
        def __call__(self) -> float:
            if breaker._failures_count == 5:
                breaker.answered()
            return 0.0

    breaker = Breaker(Clock())
    for _ in range(5):
        breaker.unanswered()
    assert breaker._failures_count == 0
