"""Programs that do odd things: their own results and exceptions stay, and no turn is lost."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from turnledger import AsyncLedger, Ledger, Turn
from turnledger.testing import FakeLedger
from turnledger.wsgi import TurnMiddleware

from tests.forks import in_child

DAY_MS = 86_400_000


class OwnError(Exception):
    pass


def _spoil(turn: Any, name: str) -> None:
    if name == "nan":
        turn.emotion("joy", confidence=float("nan"))
    elif name == "object":
        turn.memory(summary_used=object())
    elif name == "text":
        turn.usage(input_tokens="12", output_tokens=3)
    else:
        turn.guardrail(["a"])


BAD = pytest.mark.parametrize("name", ["nan", "object", "text", "list"])


@BAD
def test_values_that_json_lacks_replace_no_exception(
    ledger: Ledger, one_turn: Any, name: str
) -> None:
    def run() -> None:
        with ledger.turn(reserve=False) as turn:
            turn.started()
            _spoil(turn, name)
            raise OwnError

    with pytest.raises(OwnError):
        run()
    assert one_turn()["error_code"] == "own_error"


@BAD
def test_values_that_json_lacks_lose_no_turn(ledger: Ledger, one_turn: Any, name: str) -> None:
    with ledger.turn() as turn:
        _spoil(turn, name)
    assert one_turn()["status"] == "completed"
    assert ledger.stats().wrapper_errors == 1


def test_numbers_beyond_the_wire_lose_no_turn(
    ledger: Ledger, one_turn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ledger.turn() as turn:
        turn.answered({"model": "m", "usage": {"prompt_tokens": 2**64, "completion_tokens": 5}})
        turn._started_s -= 3 * 86_400
        turn.first_token()
    recorded = one_turn()
    assert recorded["latency_ms"] == recorded["time_to_first_token_ms"] == DAY_MS
    assert recorded["usage"] == {"llm_model": "m"}


def test_a_stream_that_is_collected_inside_of_a_turns_lock_ends(
    ledger: Ledger, one_turn: Any
) -> None:
    """The garbage collector may run at any place of any thread, also while it holds a lock."""
    with ledger.turn(reserve=False) as turn:
        call, other = turn.call_started(), turn.call_started()

        def collect() -> None:
            sender = ledger.keeper.sender
            with turn._lock, sender._woken._cond:
                call.leave()
                sender.wake()

        thread = threading.Thread(target=collect, daemon=True)
        thread.start()
        thread.join(5)
        assert not thread.is_alive()
        other.end()
    assert one_turn()["status"] == "completed"


def test_a_turn_that_ends_after_close_is_kept(fake: FakeLedger, tmp_path: Path) -> None:
    ledger = fake.ledger(outbox=tmp_path / "outbox.db")
    with ledger.turn(reserve=False):
        ledger.close()
    assert ledger.flush(10)
    assert [each["status"] for each in fake.turns.values()] == ["completed"]
    ledger.close()


@pytest.mark.parametrize("outbox", ["memory", "file"])
def test_a_turn_of_a_closed_memory_outbox_is_kept(
    fake: FakeLedger, tmp_path: Path, outbox: str
) -> None:
    ledger = fake.ledger(outbox="memory" if outbox == "memory" else tmp_path / "outbox.db")
    with ledger.turn(reserve=False):
        ledger.close()
        with ledger.turn(reserve=False):
            pass
    assert ledger.flush(10)
    assert len(fake.turns) == 2
    ledger.close()


def test_identities_of_interleaved_generators_do_not_leak(ledger: Ledger) -> None:
    def block(user: str) -> Iterator[None]:
        with ledger.identity(user_id=user, relationship_id=f"rel_{user}"):
            yield

    first, second = block("u_1"), block("u_2")
    next(first)
    next(second)
    first.close()
    second.close()
    assert ledger.defaults().user_id is None


def test_an_async_ledger_works_in_a_forked_child(fake: FakeLedger) -> None:
    import asyncio

    ledger = AsyncLedger(
        "http://ledger.test",
        "uniq_test_" + "0" * 46,
        personality_id="pers_test",
        outbox="memory",
        transport=fake.transport,
    )
    turn = Turn(status="completed", latency_ms=1)
    asyncio.run(ledger.record(turn))
    assert in_child(lambda: asyncio.run(asyncio.wait_for(ledger.record(turn), 3))) == 0


def test_a_child_is_free_of_a_lock_that_was_held_in_its_parent(fake: FakeLedger) -> None:
    ledger = fake.ledger()
    turn = Turn(status="completed", latency_ms=1)
    # As another thread does while it makes the first connection.
    ledger._http._lock.acquire()

    def record() -> None:
        thread = threading.Thread(target=ledger.record, args=[turn], daemon=True)
        thread.start()
        thread.join(3)
        assert not thread.is_alive()

    assert in_child(record) == 0


@pytest.mark.parametrize("method", ["open", "end"])
def test_a_turn_that_the_outbox_fails_to_keep_is_sent(
    fake: FakeLedger, ledger: Ledger, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("a disk failed")

    monkeypatch.setattr(ledger.outbox, method, fail)
    for reserve in (True, False):
        with ledger.turn(reserve=reserve):
            pass
    assert [each["status"] for each in fake.turns.values()] == ["completed"] * 2
    assert ledger.stats().lost == 0


def test_a_wsgi_body_that_is_none_ends_its_turn(fake: FakeLedger, ledger: Ledger) -> None:
    app: Any = TurnMiddleware(lambda *_: 7, ledger, turn_for=lambda _: {})
    with pytest.raises(TypeError):
        app({}, lambda *_: None)
    assert ledger.outbox.counts().open == 0


def test_a_turn_that_json_lacks_does_not_stop_the_others_of_its_batch(
    fake: FakeLedger, ledger: Ledger
) -> None:
    latencies: list[Any] = [1, float("nan"), 2, object()]
    turns = [Turn(status="completed", latency_ms=latency) for latency in latencies]
    results = list(ledger.record_many(turns))
    assert [each.state for each in results] == ["created", "refused", "created", "refused"]
    assert [each.turn_id for each in results] == [each.turn_id for each in turns]
    assert len(fake.turns) == 2
