"""The cases that all clients share: clients/shared/cases.json."""

import asyncio
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import turnledger
from turnledger import AsyncLedger, BatchResult, Ledger, Reservation, Turn

CASES = json.loads((Path(__file__).parents[2] / "shared" / "cases.json").read_text())["cases"]
HELD = Reservation("turn_a", "int_1", "2999-01-01T00:00:00.000Z", None)
FAULTS: dict[str, Exception] = {
    "connection": httpx.ConnectError("refused"),
    "timeout": httpx.ReadTimeout("late"),
}


def turn() -> Turn:
    return Turn(status="completed", latency_ms=1, personality_id="pers_a")


def enter(ledger: Ledger, **options: Any) -> bool:
    """Return True if the turn is held; nothing of it is recorded."""
    with ledger.turn(personality_id="pers_a", **options) as entered:
        entered.cancel()
        return entered.is_reserved


CALLS: dict[str, Callable[[Ledger], Any]] = {
    "record": lambda ledger: ledger.record(turn()),
    "record_many": lambda ledger: list(ledger.record_many([turn(), turn(), turn()])),
    "complete": lambda ledger: ledger.complete(HELD, turn()),
    "reserve": lambda ledger: ledger.reserve(personality_id="pers_a"),
    "cancel": lambda ledger: ledger.cancel(HELD),
    "read": lambda ledger: ledger.limits(),
    "turn": enter,
    "turn_or_raise": lambda ledger: enter(ledger, on_unavailable="raise"),
}


async def enter_async(ledger: AsyncLedger, **options: Any) -> bool:
    """As `enter`."""
    async with ledger.turn(personality_id="pers_a", **options) as entered:
        entered.cancel()
        return entered.is_reserved


async def record_three(ledger: AsyncLedger) -> list[BatchResult]:
    return [each async for each in ledger.record_many([turn(), turn(), turn()])]


ASYNC_CALLS: dict[str, Callable[[AsyncLedger], Awaitable[Any]]] = {
    "record": lambda ledger: ledger.record(turn()),
    "record_many": record_three,
    "complete": lambda ledger: ledger.complete(HELD, turn()),
    "reserve": lambda ledger: ledger.reserve(personality_id="pers_a"),
    "cancel": lambda ledger: ledger.cancel(HELD),
    "read": lambda ledger: ledger.limits(),
    "turn": enter_async,
    "turn_or_raise": lambda ledger: enter_async(ledger, on_unavailable="raise"),
}


def answer_of(sent: dict[str, Any]) -> httpx.Response:
    if "fault" in sent:
        raise FAULTS[sent["fault"]]
    content = {"json": {"error": sent["error"]}} if "error" in sent else {}
    if "body" in sent:
        content = {"json": sent["body"]}
    return httpx.Response(
        sent["status"], headers=sent.get("headers"), text=sent.get("text"), **content
    )


def carry_out(way: str, call: str, transport: httpx.MockTransport) -> Any:
    """Return what a call of `Ledger` or `AsyncLedger` returns."""
    address = ("http://ledger.test", "uniq_test_00000000")
    options: dict[str, Any] = {"transport": transport, "outbox": "memory"}
    if way == "sync":
        with Ledger(*address, **options) as ledger:
            return CALLS[call](ledger)

    async def run() -> Any:
        async with AsyncLedger(*address, **options) as ledger:
            return await ASYNC_CALLS[call](ledger)

    return asyncio.run(run())


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_client_does_what_the_table_says(
    case: dict[str, Any], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, waits = deque(case["answers"]), []
    transport = httpx.MockTransport(lambda _: answer_of(answers.popleft()))
    # Not `time.sleep` itself: threads of other packages would count here, and never rest.
    monkeypatch.setattr("turnledger._asking.sleep", waits.append)
    expect = case["expect"]
    if "error" in expect:
        with pytest.raises(turnledger.TurnledgerError) as raised:
            carry_out(way, case["call"], transport)
        require_error(raised.value, expect)
    else:
        require_result(carry_out(way, case["call"], transport), expect)
    assert len(case["answers"]) - len(answers) == expect["requests"]
    assert waits == expect.get("waits_s", waits)
    least = expect.get("least_waits_s", [])
    assert len(waits) >= len(least)
    assert all(waited >= wanted for waited, wanted in zip(waits, least, strict=False))


def require_error(error: turnledger.TurnledgerError, expect: dict[str, Any]) -> None:
    assert type(error).__name__ == expect["error"]
    for family in expect["families"]:
        assert isinstance(error, getattr(turnledger, family))
    for name, value in expect.get("fields", {}).items():
        assert getattr(error, name) == value
    assert re.search("uniq_test", str(error)) is None


def require_result(done: Any, expect: dict[str, Any]) -> None:
    assert "state" not in expect or done.state == expect["state"]
    assert "is_held" not in expect or done is expect["is_held"]
    if "states" in expect:
        assert [result.state for result in done] == expect["states"]
        names = [result.error and type(result.error).__name__ for result in done]
        assert names == expect.get("errors", [None] * len(done))
