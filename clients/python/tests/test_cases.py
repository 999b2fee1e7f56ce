"""The cases that all clients share: clients/shared/cases.json."""

import json
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import turnledger
from turnledger import Ledger, Reservation, Turn

CASES = json.loads((Path(__file__).parents[2] / "shared" / "cases.json").read_text())["cases"]
HELD = Reservation("turn_a", "int_1", "2999-01-01T00:00:00.000Z", None)
FAULTS: dict[str, Exception] = {
    "connection": httpx.ConnectError("refused"),
    "timeout": httpx.ReadTimeout("late"),
}


def turn() -> Turn:
    return Turn(status="completed", latency_ms=1, personality_id="pers_a")


CALLS: dict[str, Callable[[Ledger], Any]] = {
    "record": lambda ledger: ledger.record(turn()),
    "record_many": lambda ledger: list(ledger.record_many([turn(), turn(), turn()])),
    "complete": lambda ledger: ledger.complete(HELD, turn()),
    "reserve": lambda ledger: ledger.reserve(personality_id="pers_a"),
    "cancel": lambda ledger: ledger.cancel(HELD),
    "read": lambda ledger: ledger.limits(),
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_client_does_what_the_table_says(
    case: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, waits = deque(case["answers"]), []
    transport = httpx.MockTransport(lambda _: answer_of(answers.popleft()))
    # Not `time.sleep` itself: threads of other packages would count here, and never rest.
    monkeypatch.setattr("turnledger._asking.sleep", waits.append)
    expect = case["expect"]
    with Ledger(
        "http://ledger.test", "uniq_test_00000000", transport=transport, outbox="memory"
    ) as ledger:
        if "error" in expect:
            with pytest.raises(turnledger.TurnledgerError) as raised:
                CALLS[case["call"]](ledger)
            error = raised.value
            assert type(error).__name__ == expect["error"]
            for family in expect["families"]:
                assert isinstance(error, getattr(turnledger, family))
            for name, value in expect.get("fields", {}).items():
                assert getattr(error, name) == value
            assert re.search("uniq_test", str(error)) is None
        else:
            done = CALLS[case["call"]](ledger)
            assert "state" not in expect or done.state == expect["state"]
            if "states" in expect:
                assert [result.state for result in done] == expect["states"]
                names = [result.error and type(result.error).__name__ for result in done]
                assert names == expect.get("errors", [None] * len(done))
    assert len(case["answers"]) - len(answers) == expect["requests"]
    assert waits == expect.get("waits_s", waits)
    assert all(
        waited >= least
        for waited, least in zip(waits, expect.get("least_waits_s", []))  # noqa: B905
    )
