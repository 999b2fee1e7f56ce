"""Streams of wrapped clients: the items of bare ones, and one turn that ends with the stream."""

import gc
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from model_calls import MESSAGES, OPENAI, chat, message, usage
from turnledger import Ledger
from turnledger.testing import FakeLedger


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


def test_a_stream_of_claude_has_the_bare_events_and_is_a_turn(
    bare_claude: anthropic.Anthropic, claude: anthropic.Anthropic, one_turn: Any
) -> None:
    assert list(message(claude, stream=True)) == list(message(bare_claude, stream=True))
    assert usage(one_turn()) == ("anthropic", "m-1", 11, 7)
    assert "time_to_first_token_ms" in one_turn()
