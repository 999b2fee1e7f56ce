"""Wrapped clients of openai and anthropic: the same answers as bare ones, and one turn a call."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest
from fake_models import FakeModels
from turnledger import ConfigurationError, Ledger, OpenTurn
from turnledger.testing import FakeLedger

MESSAGES: list[Any] = [{"role": "user", "content": "hello"}]
PLAIN = {"model": "m-1", "messages": MESSAGES}


@pytest.fixture
def bare(models: FakeModels) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="k", base_url=f"{models.url}/v1", max_retries=1) as client:
        yield client


@pytest.fixture
def gpt(bare: openai.OpenAI, ledger: Ledger) -> openai.OpenAI:
    return ledger.wrap(bare, provider="openai", include_usage=True)


@pytest.fixture
def bare_claude(models: FakeModels) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="k", base_url=models.url, max_retries=0) as client:
        yield client


@pytest.fixture
def claude(bare_claude: anthropic.Anthropic, ledger: Ledger) -> anthropic.Anthropic:
    return ledger.wrap(bare_claude, provider="anthropic")


def chat(client: openai.OpenAI, **changes: Any) -> Any:
    return client.chat.completions.create(**{**PLAIN, **changes})


def message(client: anthropic.Anthropic, **changes: Any) -> Any:
    return client.messages.create(**{**PLAIN, "max_tokens": 9, **changes})


def respond(client: openai.OpenAI, **changes: Any) -> Any:
    return client.responses.create(**{"model": "m-1", "input": "hello", **changes})


def usage(turn: dict[str, Any]) -> tuple[Any, ...]:
    names = ("llm_provider", "llm_model", "input_tokens", "output_tokens")
    return tuple(turn["usage"].get(name) for name in names)


OPENAI: list[Callable[..., Any]] = [chat, respond]


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


@pytest.mark.parametrize("ask", OPENAI)
def test_a_stream_of_openai_has_the_bare_items_and_is_a_turn_at_its_end(
    bare: openai.OpenAI,
    gpt: openai.OpenAI,
    fake: FakeLedger,
    one_turn: Any,
    ask: Callable[..., Any],
) -> None:
    stream = ask(gpt, stream=True)
    assert type(stream) is openai.Stream
    items = [next(stream)]
    assert fake.turns == {}
    items += list(stream)
    assert items == list(ask(bare, stream=True))
    turn = one_turn()
    assert usage(turn) == ("openai", "m-1", 11, 7)
    assert "time_to_first_token_ms" in turn


def test_embeddings_are_a_turn(gpt: openai.OpenAI, one_turn: Any) -> None:
    gpt.embeddings.create(model="m-1", input="hello")
    assert usage(one_turn()) == ("openai", "m-1", 11, None)


def test_usage_is_asked_for_where_that_is_safe_only(
    bare: openai.OpenAI, ledger: Ledger, one_turn: Any
) -> None:
    chunks = list(chat(ledger.wrap(bare), stream=True))
    assert all(chunk.choices for chunk in chunks)
    assert usage(one_turn())[2:] == (None, None)
    assert ledger.stats().calls_without_usage == 1


def test_a_caller_who_asks_for_usage_gets_it(gpt: openai.OpenAI, one_turn: Any) -> None:
    chunks = list(chat(gpt, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.completion_tokens == 7
    assert usage(one_turn())[2:] == (11, 7)


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


def test_a_stream_that_the_provider_cuts_is_a_failed_turn(
    gpt: openai.OpenAI, one_turn: Any
) -> None:
    with pytest.raises(Exception, match=r"incomplete|peer closed|Connection"):
        list(chat(gpt, model="cut", stream=True))
    assert one_turn()["status"] == "failed"


def leave_by_break(stream: Any) -> None:
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    stream.close()


def leave_by_next(stream: Any) -> None:
    next(stream), next(stream)
    stream.close()


def leave_by_with(stream: Any) -> None:
    with stream:
        next(stream), next(stream)


def drop(stream: Any) -> None:
    next(stream), next(stream)


@pytest.mark.parametrize("leave", [leave_by_break, leave_by_next, leave_by_with, drop])
def test_a_reader_that_leaves_after_the_first_token_pays(
    gpt: openai.OpenAI, one_turn: Any, leave: Callable[[Any], None]
) -> None:
    leave(chat(gpt, stream=True))
    gc.collect()
    assert (one_turn()["status"], one_turn()["error_code"]) == ("completed", "stream_closed")


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_reader_that_leaves_before_the_first_token_pays_nothing(
    gpt: openai.OpenAI, one_turn: Any, is_closed: bool
) -> None:
    stream = chat(gpt, stream=True)
    if is_closed:
        stream.close()
    del stream
    gc.collect()
    assert (one_turn()["status"], one_turn()["error_code"]) == ("failed", "cancelled")


def test_stream_helpers_are_measured(
    gpt: openai.OpenAI, claude: anthropic.Anthropic, ledger: Ledger, fake: FakeLedger
) -> None:
    with gpt.chat.completions.stream(model="m-1", messages=MESSAGES) as events:
        assert events.get_final_completion().choices[0].message.content == "an answer"
    with claude.messages.stream(model="m-2", messages=MESSAGES, max_tokens=9) as stream:
        assert "".join(stream.text_stream) == "an answer"
    assert ledger.flush(10)
    assert [usage(turn)[1:] for turn in fake.turns.values()] == [("m-1", 11, 7), ("m-2", 11, 7)]


def test_raw_responses_are_measured(
    gpt: openai.OpenAI, claude: anthropic.Anthropic, ledger: Ledger, fake: FakeLedger
) -> None:
    raw = gpt.chat.completions.with_raw_response.create(**PLAIN)
    assert raw.parse().choices[0].message.content == "an answer"
    with gpt.chat.completions.with_streaming_response.create(**PLAIN) as response:
        assert response.parse().usage is not None
    with gpt.chat.completions.with_streaming_response.create(**PLAIN, stream=True) as response:
        assert len(list(response.parse())) == 6
    assert claude.messages.with_raw_response.create(**PLAIN, max_tokens=9).parse().id == "m1"
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


def test_a_stream_of_claude_has_the_bare_events_and_is_a_turn(
    bare_claude: anthropic.Anthropic, claude: anthropic.Anthropic, one_turn: Any
) -> None:
    assert list(message(claude, stream=True)) == list(message(bare_claude, stream=True))
    assert usage(one_turn()) == ("anthropic", "m-1", 11, 7)
    assert "time_to_first_token_ms" in one_turn()


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
