"""How a turn ends: each row of the table, with and without a reservation."""

import gc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from turnledger import (
    CircuitOpenError,
    Ledger,
    LedgerUnavailable,
    QuotaExhaustedError,
    TurnAlreadyRecordedError,
    TurnCancelledError,
    TurnClosedError,
    ValidationError,
    current_turn,
)
from turnledger.testing import FakeLedger

RESERVE = pytest.mark.parametrize("reserve", [True, False])


class OwnError(Exception):
    pass


@RESERVE
def test_a_block_that_ends_normally_is_completed_with_its_measures(
    ledger: Ledger, one_turn: Any, reserve: bool
) -> None:
    with ledger.turn(user_id="u_1", relationship_id="rel_1", reserve=reserve) as turn:
        turn.first_token()
        turn.usage(provider="small", model="m-1", input_tokens=3, output_tokens=1)
        turn.usage(provider="large", model="m-2", input_tokens=4, output_tokens=9)
        turn.guardrail("tone_softened", "tone_softened")
        turn.emotion("joy", confidence=0.5)
        turn.memory(summary_used="sum_1")
    recorded = one_turn()
    assert recorded.pop("latency_ms") >= recorded.pop("time_to_first_token_ms") >= 0
    assert recorded.pop("occurred_at", None) is None or not reserve
    assert recorded == {
        "turn_id": turn.turn_id,
        "mode": "stateful",
        "user_id": "u_1",
        "relationship_id": "rel_1",
        "personality_id": "pers_test",
        "status": "completed",
        "usage": {
            "llm_provider": "large",
            "llm_model": "m-2",
            "input_tokens": 7,
            "output_tokens": 10,
        },
        "guardrails": {"applied": ["tone_softened"]},
        "inferred_emotional_state": {"primary": "joy", "confidence": 0.5},
        "memory": {"consulted": True, "summary_used": "sum_1"},
    }
    assert turn.is_reserved is reserve


@RESERVE
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OwnError(), "failed", "own_error"),
        (ZeroDivisionError(), "failed", "zero_division_error"),
        (TimeoutError(), "timed_out", "timeout_error"),
        (httpx.ReadTimeout("late"), "timed_out", "read_timeout"),
        (KeyboardInterrupt(), "failed", "keyboard_interrupt"),
    ],
)
def test_an_exception_after_the_start_is_a_failed_turn_and_reaches_the_caller(
    ledger: Ledger, one_turn: Any, reserve: bool, error: BaseException, status: str, code: str
) -> None:
    def run() -> None:
        with ledger.turn(reserve=reserve) as turn:
            turn.started()
            raise error

    with pytest.raises(type(error)) as raised:
        run()
    assert raised.value is error
    recorded = one_turn()
    assert (recorded["status"], recorded["error_code"]) == (status, code)


@RESERVE
def test_an_exception_before_the_start_records_nothing(
    ledger: Ledger, fake: FakeLedger, reserve: bool
) -> None:
    with pytest.raises(OwnError), ledger.turn(reserve=reserve):
        raise OwnError
    assert ledger.flush(10)
    assert (fake.turns, fake.reservations) == ({}, {})


def test_a_turn_that_is_cancelled_gives_its_reservation_back(
    ledger: Ledger, fake: FakeLedger
) -> None:
    with ledger.turn() as turn:
        assert len(fake.reservations) == 1
        turn.cancel()
    assert ledger.flush(10)
    assert (fake.turns, fake.reservations) == ({}, {})


def test_a_program_may_say_that_its_turn_failed(ledger: Ledger, one_turn: Any) -> None:
    with ledger.turn() as turn:
        turn.fail("no_tool")
    assert (one_turn()["status"], one_turn()["error_code"]) == ("failed", "no_tool")


def test_a_turn_ends_with_its_stream(ledger: Ledger, fake: FakeLedger, one_turn: Any) -> None:
    with ledger.turn() as turn:
        items = turn.stream(iter("abc"))
    assert next(items) == "a"
    assert fake.turns == {}
    assert list(items) == ["b", "c"]
    recorded = one_turn()
    assert recorded["status"] == "completed"
    assert recorded["time_to_first_token_ms"] <= recorded["latency_ms"]
    with pytest.raises(TurnClosedError):
        turn.usage(input_tokens=1)


@pytest.mark.parametrize(
    ("items_count", "end"),
    [(0, ("failed", "cancelled")), (1, ("completed", "stream_closed"))],
)
@pytest.mark.parametrize("is_dropped", [False, True])
def test_a_reader_that_leaves_pays_only_after_the_first_token(
    ledger: Ledger, one_turn: Any, items_count: int, end: tuple[str, str], is_dropped: bool
) -> None:
    with ledger.turn() as turn:
        call = turn.call_started()
    if items_count:
        call.first_token()
    call.leave()
    if is_dropped:
        gc.collect()
    recorded = one_turn()
    assert (recorded["status"], recorded["error_code"]) == end


def test_a_generator_that_is_closed_inside_its_block_is_a_closed_stream(
    ledger: Ledger, one_turn: Any
) -> None:
    def answer() -> Any:
        with ledger.turn() as turn:
            yield from turn.stream(iter("abc"))

    items = answer()
    next(items)
    items.close()
    assert (one_turn()["status"], one_turn()["error_code"]) == ("completed", "stream_closed")
    assert current_turn() is None


def test_a_failed_stream_after_the_block_fails_the_turn(ledger: Ledger, one_turn: Any) -> None:
    def items() -> Any:
        yield "a"
        raise OwnError

    with ledger.turn() as turn:
        measured = turn.stream(items())
    with pytest.raises(OwnError):
        list(measured)
    assert (one_turn()["status"], one_turn()["error_code"]) == ("failed", "own_error")


def test_a_failed_call_that_the_block_survives_does_not_fail_the_turn(
    ledger: Ledger, one_turn: Any
) -> None:
    with ledger.turn() as turn:
        turn.call_started().fail(OwnError())
    assert one_turn()["status"] == "completed"


def test_nested_turns_stand_alone(ledger: Ledger, fake: FakeLedger) -> None:
    with ledger.turn() as outer:
        outer.usage(input_tokens=1)
        with ledger.turn() as inner:
            assert current_turn() is inner
            inner.usage(input_tokens=5)
        assert current_turn() is outer
    assert current_turn() is None
    assert ledger.flush(10)
    tokens = {turn_id: turn["usage"]["input_tokens"] for turn_id, turn in fake.turns.items()}
    assert tokens == {outer.turn_id: 1, inner.turn_id: 5}


def test_a_call_after_the_end_is_a_late_turn_that_costs_nothing(
    ledger: Ledger, fake: FakeLedger
) -> None:
    with ledger.turn() as turn:
        pass
    call = turn.call_started()
    call.usage(input_tokens=2)
    call.end()
    assert ledger.flush(10)
    late = fake.turns[f"{turn.turn_id}.late-1"]
    assert late["usage"] == {"turns_consumed": 0, "input_tokens": 2}
    assert fake.turns_used == 1


def test_a_bound_function_belongs_to_the_turn_in_any_thread(ledger: Ledger) -> None:
    with ledger.turn() as turn, ThreadPoolExecutor(4) as pool:
        assert list(pool.map(turn.bind(lambda _: current_turn()), range(8))) == [turn] * 8
        assert pool.submit(current_turn).result() is None


def test_a_spent_quota_refuses_the_block(ledger: Ledger, fake: FakeLedger) -> None:
    fake.turns_limit = 1
    with ledger.turn():
        pass
    with pytest.raises(QuotaExhaustedError) as refused, ledger.turn():
        pytest.fail("the block ran")
    assert (refused.value.used, refused.value.limit, refused.value.component) == (1, 1, "turns")
    assert refused.value.resets_at
    posts = [each for each in fake.requests if each == ("POST", "/v1/turns")]
    assert len(posts) == 2  # a spent quota is not asked again


def test_a_turn_that_is_recorded_or_cancelled_is_refused_on_entry(
    ledger: Ledger, fake: FakeLedger
) -> None:
    with ledger.turn(turn_id="task.0"):
        pass
    assert ledger.flush(10)
    with pytest.raises(TurnAlreadyRecordedError), ledger.turn(turn_id="task.0"):
        pytest.fail("the block ran")
    with ledger.turn(turn_id="task.1") as turn:
        turn.cancel()
    assert ledger.flush(10)
    with pytest.raises(TurnCancelledError), ledger.turn(turn_id="task.1"):
        pytest.fail("the block ran")


@pytest.mark.parametrize("faults", [(503, 503), (500, 504), (httpx.ConnectError("x"),) * 2])
def test_a_ledger_that_is_unavailable_lets_the_block_run_and_gets_the_turn_later(
    ledger: Ledger, fake: FakeLedger, one_turn: Any, faults: tuple[Any, ...]
) -> None:
    fake.fail(*faults)
    with ledger.turn() as turn:
        assert not turn.is_reserved
    assert "occurred_at" in one_turn()


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_wrong_key_or_address_stops_no_program(status: int, tmp_path: Path) -> None:
    error = {"error": {"code": "refused", "message": "x"}}
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=error))
    with Ledger(
        "http://ledger.test",
        "uniq_test_00000000",
        transport=transport,
        personality_id="pers_a",
        outbox=tmp_path / "outbox.db",
    ) as ledger:
        with ledger.turn() as turn:
            assert not turn.is_reserved
        with (
            pytest.raises(LedgerUnavailable) as raised,
            ledger.turn(on_unavailable="raise"),
        ):
            pytest.fail("the block ran")
        assert raised.value.status == status
        assert not ledger.flush(0.2)
        assert ledger.outbox.counts().waiting == 1


def test_a_participant_that_is_no_text_is_named_before_the_block_runs(ledger: Ledger) -> None:
    wrong: Any = ["u_1"]
    with pytest.raises(ValidationError, match="user_id is list"), ledger.turn(user_id=wrong):
        pytest.fail("the block ran")


@pytest.mark.parametrize(
    "proxy", ["nowhere", "socks5://127.0.0.1:1", "http://[::1", "http://127.0.0.1:1"]
)
def test_a_proxy_that_cannot_be_used_stops_no_program(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    options = {"personality_id": "pers_a", "outbox": "memory", "exit_timeout_s": 0.1}
    ledger = Ledger("http://127.0.0.1:1", "uniq_test_00000000", **options)
    with ledger.turn() as turn:
        assert not turn.is_reserved
    with pytest.raises(LedgerUnavailable):
        ledger.me()
    ledger.close(0.1)


def test_a_block_may_insist_on_its_reservation(ledger: Ledger, fake: FakeLedger) -> None:
    fake.fail(503, 503)
    with pytest.raises(LedgerUnavailable), ledger.turn(on_unavailable="raise"):
        pytest.fail("the block ran")


def test_after_an_outage_no_call_waits(ledger: Ledger, fake: FakeLedger) -> None:
    fake.fail(*[503] * 5)
    for _ in range(5):
        with suppress(LedgerUnavailable), ledger.turn(on_unavailable="raise"):
            pytest.fail("the block ran")
    asked_count = len(fake.requests)
    with pytest.raises(CircuitOpenError), ledger.turn(on_unavailable="raise"):
        pytest.fail("the block ran")
    assert len(fake.requests) == asked_count


def test_a_personality_is_required_on_entry(fake: FakeLedger) -> None:
    with (
        fake.ledger(personality_id=None) as ledger,
        pytest.raises(ValidationError, match="TURNLEDGER_PERSONALITY"),
        ledger.turn(),
    ):
        pytest.fail("the block ran")


def test_defaults_of_a_block_name_the_participants(ledger: Ledger, one_turn: Any) -> None:
    with ledger.identity(user_id="u_9", relationship_id="rel_9"), ledger.turn():
        pass
    assert (one_turn()["user_id"], one_turn()["mode"]) == ("u_9", "stateful")


def test_a_process_that_ends_settles_its_open_streams(ledger: Ledger, fake: FakeLedger) -> None:
    with ledger.turn() as turn:
        items = turn.stream(iter("abc"))
    next(items)
    ledger.close()
    assert [turn["error_code"] for turn in fake.turns.values()] == ["stream_closed"]


def test_everything_runs_and_nothing_is_sent_while_disabled(
    fake: FakeLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURNLEDGER_DISABLED", "1")
    with fake.ledger() as ledger, ledger.turn() as turn:
        turn.usage(input_tokens=1)
    assert fake.requests == []
