"""Wrapped clients of openai and anthropic: the same answers as bare ones, and one turn a call."""

import asyncio
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from fake_models import FakeModels
from model_calls import MESSAGES, OPENAI, PLAIN, chat, message, usage
from turnledger import ConfigurationError, Ledger, OpenTurn
from turnledger.testing import FakeLedger


@pytest.mark.parametrize("ask", OPENAI)
def test_an_answer_of_openai_is_the_bare_one_and_a_turn(
    bare: openai.OpenAI, gpt: openai.OpenAI, one_turn: Any, ask: Callable[..., Any]
) -> None:
    answer = ask(gpt)
    assert type(gpt) is openai.OpenAI
    assert answer == ask(bare)
    assert type(answer) is type(ask(bare))
    turn = one_turn()
    assert usage(turn) == ("openai", "m-1", 11, 7)
    assert (turn["status"], turn["mode"]) == ("completed", "stateless")


def test_embeddings_are_a_turn(gpt: openai.OpenAI, one_turn: Any) -> None:
    gpt.embeddings.create(model="m-1", input="hello")
    assert usage(one_turn()) == ("openai", "m-1", 11, None)


@pytest.mark.parametrize("model", ["broken", "limited"])
def test_an_exception_of_the_provider_is_the_bare_one_and_a_failed_turn(
    bare: openai.OpenAI, gpt: openai.OpenAI, one_turn: Any, model: str
) -> None:
    raised = []
    for client in (bare.with_options(max_retries=0), gpt.with_options(max_retries=0)):
        with pytest.raises(openai.APIStatusError) as error:
            chat(client, model=model)
        raised.append(error.value)
    assert type(raised[0]) is type(raised[1])
    assert raised[0].body == raised[1].body
    turn = one_turn()
    assert turn["status"] == "failed"
    assert turn["error_code"] in {"bad_request_error", "rate_limit_error"}


def test_a_time_out_of_the_provider_is_a_turn_that_timed_out(
    gpt: openai.OpenAI, one_turn: Any
) -> None:
    with pytest.raises(openai.APITimeoutError):
        chat(gpt.with_options(timeout=0.05, max_retries=0), model="silent")
    assert (one_turn()["status"], one_turn()["error_code"]) == ("timed_out", "api_timeout_error")


def test_retries_of_the_client_are_one_call(
    gpt: openai.OpenAI, models: FakeModels, one_turn: Any
) -> None:
    models.has_failed = False
    chat(gpt, model="flaky")
    assert one_turn()["status"] == "completed"


def test_a_filtered_answer_is_blocked(gpt: openai.OpenAI, one_turn: Any) -> None:
    chat(gpt, model="filtered")
    assert one_turn()["status"] == "guardrail_blocked"
    assert one_turn()["guardrails"] == {"applied": ["content_filter"]}


@pytest.mark.parametrize("stream", [True, False])
def test_a_refusal_of_claude_is_blocked(
    claude: anthropic.Anthropic, one_turn: Any, stream: bool
) -> None:
    answer = message(claude, model="filtered", stream=stream)
    list(answer)
    assert one_turn()["status"] == "guardrail_blocked"


def test_raw_responses_are_measured(
    gpt: openai.OpenAI, claude: anthropic.Anthropic, ledger: Ledger, fake: FakeLedger
) -> None:
    raw = gpt.chat.completions.with_raw_response.create(**PLAIN)
    assert raw.parse().choices[0].message.content == "an answer"
    with gpt.chat.completions.with_streaming_response.create(**PLAIN) as response:
        assert response.parse().usage is not None
    with gpt.chat.completions.with_streaming_response.create(**PLAIN, stream=True) as response:
        assert len(list(response.parse())) == 6
    assert claude.messages.with_raw_response.create(**PLAIN, max_tokens=9).parse().id == "msg_1"
    assert ledger.flush(10)
    tokens = [usage(turn)[2:] for turn in fake.turns.values()]
    assert tokens == [(11, 7), (11, 7), (None, None), (11, 7)]
    assert ledger.stats().wrapper_errors == 0


def test_an_answer_of_claude_is_the_bare_one_and_a_turn(
    bare_claude: anthropic.Anthropic, claude: anthropic.Anthropic, one_turn: Any
) -> None:
    assert message(claude) == message(bare_claude)
    assert type(claude) is anthropic.Anthropic
    assert usage(one_turn()) == ("anthropic", "m-1", 11, 7)


def test_calls_inside_a_turn_belong_to_it(
    gpt: openai.OpenAI, claude: anthropic.Anthropic, ledger: Ledger, one_turn: Any
) -> None:
    with ledger.turn(user_id="u_1", relationship_id="rel_1") as turn:
        chat(gpt)
        stream = message(claude, stream=True)
    assert turn.calls == 2
    list(stream)
    assert usage(one_turn())[2:] == (22, 14)


def test_a_call_inside_a_turn_of_another_account_is_a_turn_of_its_own(
    gpt: openai.OpenAI, one_turn: Any
) -> None:
    with (
        Ledger(
            "http://elsewhere.test",
            "uniq_test_" + "1" * 46,
            outbox="memory",
            transport=FakeLedger().transport,
        ) as other,
        other.turn(user_id="u_2", relationship_id="rel_2", personality_id="p_2") as turn,
    ):
        chat(gpt)
    assert turn.calls == 0
    assert usage(one_turn())[2:] == (11, 7)


def test_derived_clients_stay_wrapped_and_no_client_is_wrapped_twice(
    bare: openai.OpenAI, gpt: openai.OpenAI, ledger: Ledger, fake: FakeLedger
) -> None:
    chat(gpt.with_options(timeout=5).copy(max_retries=3))
    assert ledger.wrap(gpt) is gpt
    assert ledger.flush(10)
    assert len(fake.turns) == 1
    chat(bare)
    assert ledger.flush(10)
    assert len(fake.turns) == 1
    with fake.ledger() as other, pytest.raises(ConfigurationError):
        other.wrap(gpt)
    with pytest.raises(TypeError, match=r"turn\.answered"):
        ledger.wrap(object())


def test_a_fault_of_this_package_never_reaches_the_caller(
    gpt: openai.OpenAI, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(OpenTurn, "call_started", fail)
    assert chat(gpt).choices[0].message.content == "an answer"
    assert ledger.stats().wrapper_errors == 1


def test_other_routes_pass_unmeasured(gpt: openai.OpenAI, fake: FakeLedger) -> None:
    with pytest.raises(openai.APIStatusError):
        gpt.with_options(max_retries=0).models.list()
    assert fake.requests == []


@pytest.mark.parametrize(
    ("client", "provider"),
    [
        (openai.AzureOpenAI(api_key="k", api_version="1", azure_endpoint="http://a"), "azure"),
        (openai.OpenAI(api_key="k"), "openai"),
        (openai.OpenAI(api_key="k", base_url="https://api.groq.com/openai/v1"), "groq"),
        (openai.OpenAI(api_key="k", base_url="http://own.example/v1"), "openai_compatible"),
    ],
)
def test_a_provider_has_the_name_that_opentelemetry_uses(client: Any, provider: str) -> None:
    from turnledger._wrap.providers import provider_of

    assert provider_of(client, "openai").partition(".")[0] == provider


def test_asynchronous_clients_are_measured_alike(
    models: FakeModels, ledger: Ledger, fake: FakeLedger
) -> None:
    async def run() -> None:
        async with openai.AsyncOpenAI(api_key="k", base_url=f"{models.url}/v1") as bare:
            gpt = ledger.wrap(bare, provider="openai", include_usage=True)
            assert type(gpt) is openai.AsyncOpenAI
            assert await chat(gpt) == await chat(bare)
            chunks = [chunk async for chunk in await chat(gpt, stream=True)]
            assert chunks == [chunk async for chunk in await chat(bare, stream=True)]
            stream = await chat(gpt, stream=True)
            await anext(stream), await anext(stream)
            await stream.close()
            task = asyncio.create_task(chat(gpt, model="silent"))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        async with anthropic.AsyncAnthropic(api_key="k", base_url=models.url) as client:
            claude = ledger.wrap(client)
            async with claude.messages.stream(
                model="m-2", messages=MESSAGES, max_tokens=9
            ) as events:
                assert await events.get_final_text() == "an answer"

    asyncio.run(run())
    assert ledger.flush(10)
    ends = [(turn["status"], turn.get("error_code")) for turn in fake.turns.values()]
    assert sorted(ends, key=str) == sorted(
        [
            *[("completed", None)] * 3,
            ("completed", "stream_closed"),
            ("failed", "cancelled"),
        ],
        key=str,
    )
    assert ledger.stats().wrapper_errors == 0
