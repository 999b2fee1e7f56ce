"""The thread that sends: started late, ended at exit, replaced after a fork; and inline sending."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from turnledger._core.counters import Counters
from turnledger._core.values import Account, Answer, Request, State
from turnledger._sender import Sender

from tests.clients.exchanges import (
    NO_ANSWER,
    CountingBreaker,
    Scripted,
    all_created,
    answer,
    refusal,
)
from tests.clients.outboxes import ACCOUNT, Box, body, box_of, names, record
from tests.forks import in_child

SOURCES = Path(__file__).parents[2] / "clients" / "python" / "src"

# Python 3.12 warns of each fork beside a thread; forks are what is tried here.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture(params=["file", "memory"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    with box_of(request.param, tmp_path) as made:
        yield made


def known(store: Any) -> Any:
    """Return the store with an account that `/v1/me` has named."""
    store.identify("org_1", "live")
    return store


def sender_of(store: Any, exchange: Any, **changes: Any) -> Sender:
    arguments: dict[str, Any] = {
        "breaker": CountingBreaker(),
        "on_refused": None,
        "stats": Counters(),
        "mode": "background",
        "inline_timeout_s": 5.0,
        "now_ms": store._now_ms,
    }
    return Sender(store, exchange, **(arguments | changes))


def test_the_thread_starts_at_first_use_and_sends(box: Box) -> None:
    exchange = Scripted(all_created)
    store = known(box.make())
    before = threading.active_count()
    sender = sender_of(store, exchange)
    assert threading.active_count() == before
    record(store, "t1")
    assert sender.flush(5.0)
    assert exchange.turn_ids() == [["t1"]]
    sender.close(1.0)
    assert threading.active_count() == before


def test_a_backlog_is_drained_by_full_batches(box: Box) -> None:
    exchange = Scripted(all_created)
    store = known(box.make(max_turns=10_000))
    sender = sender_of(store, exchange)
    for number in range(1_200):
        record(store, f"t{number}")
    assert sender.flush(5.0)
    assert [len(batch) for batch in exchange.turn_ids()] == [500, 500, 200]
    sender.close(1.0)


@pytest.mark.parametrize("timeout_s", [0.05, None])
def test_flush_is_false_while_the_ledger_does_not_answer(box: Box, timeout_s: float | None) -> None:
    store = known(box.make())
    sender = sender_of(store, Scripted(NO_ANSWER))
    record(store, "t1")
    assert not sender.flush(timeout_s)
    assert names(store) == ["t1"]
    sender.close(0.0)


def test_flush_tries_again_at_once(box: Box) -> None:
    store = known(box.make())
    exchange = Scripted(NO_ANSWER, all_created)
    sender = sender_of(store, exchange)
    record(store, "t1")
    assert not sender.flush(None)
    assert sender.flush(5.0)
    sender.close(0.0)


def test_closing_ends_a_thread_that_waits_for_the_ledger(box: Box) -> None:
    store = known(box.make())
    sender = sender_of(store, Scripted(refusal(401, "authentication_error")))
    record(store, "t1")
    assert not sender.flush(None)
    began = time.monotonic()
    sender.close(30.0)
    assert time.monotonic() - began < 5
    assert sender._thread is None


def test_closing_without_a_thread_starts_none(box: Box) -> None:
    store = known(box.make())
    exchange = Scripted(all_created)
    sender = sender_of(store, exchange)
    record(store, "t1")
    sender.close(1.0)
    assert exchange.requests == []


def test_inline_sending_needs_no_thread(box: Box) -> None:
    store = known(box.make())
    exchange = Scripted(all_created)
    sender = sender_of(store, exchange, mode="inline")
    before = threading.active_count()
    record(store, "t1")
    sender.wake()
    assert threading.active_count() == before
    assert exchange.turn_ids() == [["t1"]]


def test_inline_sending_leaves_the_turn_when_the_ledger_is_away(box: Box) -> None:
    store = known(box.make())
    exchange = Scripted(NO_ANSWER)
    sender = sender_of(store, exchange, mode="inline")
    record(store, "t1")
    sender.wake()
    sender.wake()
    assert len(exchange.requests) == 1
    assert names(store) == ["t1"]


def test_an_inline_flush_waits_for_the_rate(box: Box) -> None:
    store = known(box.make())
    exchange = Scripted(refusal(429, "rate_limit_exceeded", retry_after="0.01"), all_created)
    sender = sender_of(store, exchange, mode="inline")
    record(store, "t1")
    assert sender.flush(5.0)


def test_a_broken_exchange_does_not_end_the_thread(box: Box) -> None:
    store = known(box.make())
    sender = sender_of(store, Scripted(ValueError("broken"), all_created))
    record(store, "t1")
    assert not sender.flush(None)
    assert sender.flush(5.0)
    sender.close(0.0)


def test_rows_of_dead_processes_are_sent_at_the_start(tmp_path: Path) -> None:
    with box_of("file", tmp_path) as box:
        known(box.make())
        assert in_child(lambda: box.make().open("lost", body("lost", "failed"))) == 0
        exchange = Scripted(all_created)
        sender = sender_of(box.make(), exchange)
        sender.wake()
        deadline = time.monotonic() + 5
        with sender._stepped:
            while not exchange.requests and time.monotonic() < deadline:
                sender._stepped.wait(1.0)
        assert exchange.turn_ids() == [["lost"]]
        sender.close(1.0)


def test_a_new_key_asks_for_its_organization_and_sends_the_old_ones_turns(tmp_path: Path) -> None:
    def ledger(request: Request) -> Answer:
        me = {"organization": {"id": "org_1"}, "environment": "live"}
        return answer(200, me) if request.path == "/v1/me" else all_created(request)

    with box_of("file", tmp_path) as box:
        old = known(box.make())
        record(old, "t1")
        old.close()
        exchange = Scripted(ledger)
        new = box.make(Account(ACCOUNT.base_url, "b" * 16))
        sender = sender_of(new, exchange, mode="inline")
        sender.wake()
        assert [each.path for each in exchange.requests] == ["/v1/me", "/v1/interactions/batch"]
        assert new.counts().waiting == 0


def test_a_forked_child_starts_its_own_thread(tmp_path: Path) -> None:
    with box_of("file", tmp_path) as box:
        store = known(box.make())
        exchange = Scripted(all_created)
        sender = sender_of(store, exchange)
        record(store, "t1")
        assert sender.flush(5.0)

        def send_another() -> None:
            record(store, "t2")
            assert sender.flush(5.0)
            assert exchange.turn_ids()[-1] == ["t2"]

        assert in_child(send_another) == 0
        record(store, "t3")
        assert sender.flush(5.0)
        sender.close(1.0)


def test_waking_is_cheap_and_gathers_turns(tmp_path: Path) -> None:
    with box_of("file", tmp_path) as box:
        store = known(box.make())
        have_ended = threading.Event()

        def created_at_the_end(request: Request) -> Answer:
            assert have_ended.wait(10)
            return all_created(request)

        exchange = Scripted(created_at_the_end)
        sender = sender_of(store, exchange)
        for number in range(20):
            store.end(store.open(f"t{number}", body("x", "failed")), State.RECORD, body("x"))
            sender.wake()
        have_ended.set()
        assert sender.flush(5.0)
        assert len(exchange.requests) <= 2
        sender.close(1.0)


def test_postponed_turns_are_due_after_the_clock_was_set_back(box: Box) -> None:
    store = known(box.make())
    exchange = Scripted(all_created)
    sender = sender_of(store, exchange, mode="inline")
    store.postpone([record(store, "t1")], box.clock.now_ms + 60_000)
    sender.wake()
    assert exchange.requests == []
    box.clock.now_ms -= 86_400_000
    sender.wake()
    assert exchange.turn_ids() == [["t1"]]
