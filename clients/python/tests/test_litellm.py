"""The LiteLLM logger: one turn for each attempt, whatever callbacks LiteLLM makes."""

import asyncio
import sys
import threading
import types
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from turnledger import Ledger, LedgerUnavailable, QuotaExhaustedError
from turnledger.testing import FakeLedger

ANSWER = SimpleNamespace(
    model="gpt-4o-2024",
    usage=SimpleNamespace(prompt_tokens=11, completion_tokens=7),
    choices=[SimpleNamespace(finish_reason="stop")],
)
PROVIDER = {"litellm_params": {"custom_llm_provider": "openai"}}


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module over a stand-in for LiteLLM, whose import takes seconds."""
    stand_in = types.ModuleType("litellm.integrations.custom_logger")
    stand_in.CustomLogger = type("CustomLogger", (), {})  # type: ignore[attr-defined]
    for name in ("litellm", "litellm.integrations"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    monkeypatch.delitem(sys.modules, "turnledger.litellm", raising=False)
    import turnledger.litellm

    yield turnledger.litellm
    del sys.modules["turnledger.litellm"]


def call(logger: Any, id_: str = "call-1", **more: Any) -> dict[str, Any]:
    kwargs = {"litellm_call_id": id_, **PROVIDER, **more}
    logger.log_pre_api_call("gpt-4o", [{"content": "hello"}], kwargs)
    return kwargs


def test_an_attempt_is_one_turn_whatever_comes_back_twice(
    module: Any, ledger: Ledger, one_turn: Any
) -> None:
    logger = module.TurnLogger(ledger)
    kwargs = call(logger)
    logger.log_success_event(kwargs, ANSWER, None, None)
    asyncio.run(logger.async_log_success_event(kwargs, ANSWER, None, None))
    turn = one_turn()
    assert turn["usage"] == {
        "llm_provider": "openai",
        "llm_model": "gpt-4o-2024",
        "input_tokens": 11,
        "output_tokens": 7,
    }
    assert turn["turn_id"] != "call-1"


def test_a_failed_attempt_and_its_fallback_are_two_turns(
    module: Any, ledger: Ledger, fake: FakeLedger
) -> None:
    logger = module.TurnLogger(ledger)
    first = call(logger, exception=TimeoutError("canary"))
    logger.log_failure_event(first, None, None, None)
    logger.log_success_event(call(logger), ANSWER, None, None)
    assert ledger.flush(10)
    ends = [(turn["status"], turn.get("error_code")) for turn in fake.turns.values()]
    assert ends == [("timed_out", "timeout_error"), ("completed", None)]


def test_ids_that_a_customer_chose_mix_no_calls(
    module: Any, ledger: Ledger, fake: FakeLedger
) -> None:
    logger = module.TurnLogger(ledger)
    first, second = call(logger, "chosen"), call(logger, "chosen")
    for kwargs in (first, second):
        logger.log_success_event(kwargs, ANSWER, None, None)
    assert ledger.flush(10)
    assert [turn["status"] for turn in fake.turns.values()] == ["completed"] * 2


def test_only_identify_names_participants(module: Any, ledger: Ledger, one_turn: Any) -> None:
    logger = module.TurnLogger(
        ledger, identify=lambda kwargs: {"user_id": kwargs["own"], "relationship_id": "rel_1"}
    )
    kwargs = call(logger, own="u_1", user="somebody-else")
    logger.log_success_event(kwargs, ANSWER, None, None)
    assert (one_turn()["user_id"], one_turn()["mode"]) == ("u_1", "stateful")


def test_a_call_that_is_never_reported_is_settled_after_an_hour(
    module: Any, ledger: Ledger, fake: FakeLedger
) -> None:
    clock = SimpleNamespace(now=0.0)
    logger = module.TurnLogger(ledger, monotonic_s=lambda: clock.now)
    call(logger, "left")
    clock.now = module.OPEN_FOR_S + 1
    logger.log_success_event(call(logger, "next"), ANSWER, None, None)
    assert ledger.flush(10)
    codes = sorted(str(turn.get("error_code")) for turn in fake.turns.values())
    assert codes == ["None", "outcome_unknown"]


def test_the_gate_of_a_proxy_reserves_and_refuses(
    module: Any, fake: FakeLedger, ledger: Ledger
) -> None:
    fake.turns_limit = 1
    logger = module.TurnLogger(ledger, gate=True)

    def asked(id_: str) -> None:
        asyncio.run(logger.async_pre_call_hook(None, None, {"litellm_call_id": id_}, "completion"))

    asked("call-1")
    assert len(fake.reservations) == 1
    with pytest.raises(QuotaExhaustedError):
        asked("call-2")
    logger.log_success_event(call(logger, "call-1"), ANSWER, None, None)
    assert ledger.flush(10)
    assert (len(fake.turns), fake.reservations) == (1, {})


def pre_call(logger: Any, data: dict[str, Any]) -> None:
    asyncio.run(logger.async_pre_call_hook(None, None, data, "completion"))


def test_a_proxy_answers_429_if_the_quota_is_spent(
    module: Any, fake: FakeLedger, ledger: Ledger
) -> None:
    fake.turns_limit = 0
    logger = type("Derived", (module.TurnLogger,), {})(ledger, gate=True)
    assert "async_pre_call_hook" in vars(type(logger))  # LiteLLM's proxy looks there only
    data = {"litellm_call_id": "call-1"}
    with pytest.raises(QuotaExhaustedError) as refused:
        pre_call(logger, data)
    assert vars(refused.value)["status_code"] == 429
    asyncio.run(logger.async_post_call_failure_hook(data, refused.value, None))
    assert (ledger.stats().wrapper_errors, fake.reservations) == (0, {})


@pytest.mark.parametrize("status", [401, 503])
def test_a_proxy_that_must_reserve_answers_503_without_a_ledger(
    module: Any, fake: FakeLedger, status: int
) -> None:
    with fake.ledger(on_unavailable="raise") as ledger:
        logger = module.TurnLogger(ledger, gate=True)
        fake.fail(status, status)
        with pytest.raises(LedgerUnavailable) as refused:
            pre_call(logger, {"litellm_call_id": "call-1"})
    assert vars(refused.value)["status_code"] == 503


@pytest.mark.parametrize("way", ["failed", "cached", "without an id"])
def test_a_reservation_without_a_call_is_given_back(
    module: Any, fake: FakeLedger, ledger: Ledger, way: str
) -> None:
    logger = module.TurnLogger(ledger, gate=True)
    data: dict[str, Any] = {} if way == "without an id" else {"litellm_call_id": "call-1"}
    pre_call(logger, data)
    if way == "failed":
        asyncio.run(
            logger.async_post_call_failure_hook(
                request_data=data, original_exception=ValueError(), user_api_key_dict=None
            )
        )
    elif way == "cached":
        logger.log_success_event(data | {"cache_hit": True}, ANSWER, None, None)
    assert ledger.flush(10)
    assert (fake.turns, fake.reservations) == ({}, {})


def test_a_late_report_ends_its_own_attempt_only(
    module: Any, ledger: Ledger, fake: FakeLedger
) -> None:
    logger = module.TurnLogger(ledger)
    first, second = call(logger, "same"), call(logger, "same")
    logger.log_success_event(second, ANSWER, None, None)
    for _ in "12":
        logger.log_failure_event(first | {"exception": ValueError()}, None, None, None)
    assert ledger.flush(10)
    ends = [(turn["status"], turn["usage"].get("output_tokens")) for turn in fake.turns.values()]
    assert sorted(ends) == [("completed", 7), ("failed", None)]


def test_an_attempt_that_is_reported_twice_is_one_turn(
    module: Any, ledger: Ledger, one_turn: Any
) -> None:
    logger = module.TurnLogger(ledger)
    kwargs = call(logger)
    logger.log_pre_api_call("gpt-4o", [], kwargs)
    logger.log_success_event(kwargs, ANSWER, None, None)
    assert one_turn()["status"] == "completed"


def test_a_call_inside_a_turn_belongs_to_it_and_does_not_keep_it_open(
    module: Any, ledger: Ledger, fake: FakeLedger
) -> None:
    logger = module.TurnLogger(ledger)
    with ledger.turn(turn_id="own"):
        logger.log_success_event(call(logger, "in-time"), ANSWER, None, None)
        late = call(logger, "late")
        call(logger, "never reported")
    logger.log_success_event(late, ANSWER, None, None)
    assert ledger.flush(10)
    charged = {id_: turn["usage"].get("turns_consumed", 1) for id_, turn in fake.turns.items()}
    assert charged == {"own": 1, "own.late-1": 0}
    assert [turn["usage"]["output_tokens"] for turn in fake.turns.values()] == [7, 7]


def test_an_asynchronous_ledger_serves_too(module: Any, ledger: Ledger, one_turn: Any) -> None:
    logger = module.TurnLogger(SimpleNamespace(ledger=ledger))
    kwargs = call(logger, litellm_params={"custom_llm_provider": "azure"})
    logger.log_success_event(kwargs, ANSWER, None, None)
    assert one_turn()["usage"]["llm_provider"] == "azure.ai.openai"


def test_a_fault_never_reaches_litellm(module: Any, ledger: Ledger) -> None:
    def fail(_: Any) -> Any:
        raise RuntimeError("canary")

    logger = module.TurnLogger(ledger, identify=fail)
    logger.log_success_event(call(logger), ANSWER, None, None)
    assert ledger.stats().wrapper_errors == 1


@pytest.mark.long
def test_litellm_itself_reports_its_calls(
    ledger: Ledger, one_turn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm
    from turnledger.litellm import TurnLogger

    class Reporting(TurnLogger):
        reported = threading.Event()

        def log_success_event(self, *arguments: Any, **named: Any) -> None:
            super().log_success_event(*arguments, **named)
            self.reported.set()

    monkeypatch.setattr(litellm, "callbacks", [Reporting(ledger)])
    litellm.completion(
        model="gpt-4o",
        messages=[{"role": "user", "content": "hello"}],
        mock_response="an answer",
    )
    assert Reporting.reported.wait(30)  # LiteLLM reports from a thread of its own
    assert one_turn()["status"] == "completed"
