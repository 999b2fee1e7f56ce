"""Calls that end in odd ways: read by one task and closed by another, raw, dropped, cancelled."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import anthropic
import openai
import pytest
from fake_models import FakeModels
from turnledger import Ledger, LedgerUnavailable, OpenTurn, QuotaExhaustedError, _reserving
from turnledger._core.identity import Identity
from turnledger._threads import in_thread
from turnledger.testing import FakeLedger

PLAIN: dict[str, Any] = {"model": "m-1", "messages": [{"role": "user", "content": "hello"}]}


class OwnClient(openai.AsyncOpenAI):
    """A client of a program, whose name says nothing."""


@pytest.fixture
def bare(models: FakeModels) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="k", base_url=f"{models.url}/v1", max_retries=0) as client:
        yield client


@pytest.fixture
def gpt(bare: openai.OpenAI, ledger: Ledger) -> openai.OpenAI:
    return ledger.wrap(bare, provider="openai")


@pytest.fixture
def end(one_turn: Any) -> Callable[[], tuple[str, str | None]]:
    """A function that returns how the only turn ended."""

    def wait() -> tuple[str, str | None]:
        turn = one_turn()
        return turn["status"], turn.get("error_code")

    return wait


def test_a_stream_that_another_task_closes_is_charged(
    models: FakeModels, ledger: Ledger, end: Any
) -> None:
    async def run() -> None:
        async with openai.AsyncOpenAI(api_key="k", base_url=f"{models.url}/v1") as bare:
            gpt = ledger.wrap(bare)
            stream = await gpt.chat.completions.create(**PLAIN | {"model": "stalled"}, stream=True)
            for _ in range(3):
                await anext(stream)
            reading = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="already running"):
                await anext(stream)
            await stream.close()
            await asyncio.wait([reading])
            assert isinstance(reading.exception(), openai.APIError)

    asyncio.run(run())
    assert end() == ("completed", "stream_closed")


def test_a_raw_stream_that_is_left_before_its_first_token_costs_nothing(
    gpt: openai.OpenAI, end: Any
) -> None:
    raw = gpt.chat.completions.with_raw_response.create(**PLAIN, stream=True)
    stream = raw.parse()
    assert raw.parse() is stream
    next(stream)
    stream.close()
    assert end() == ("failed", "cancelled")


def test_a_raw_response_that_is_dropped_ends_its_turn(gpt: openai.OpenAI, end: Any) -> None:
    gpt.chat.completions.with_raw_response.create(**PLAIN, stream=True)
    gc.collect()
    assert end() == ("failed", "cancelled")


def test_a_raw_response_whose_parsing_fails_ends_its_turn(
    gpt: openai.OpenAI, ledger: Ledger, end: Any
) -> None:
    with (
        pytest.raises(ValueError, match="int"),
        gpt.chat.completions.with_streaming_response.create(**PLAIN) as response,
    ):
        response.parse(to=int)
    assert end() == ("completed", None)
    assert ledger.stats().wrapper_errors == 0


@pytest.mark.parametrize("is_parsed", [True, False])
def test_a_raw_response_of_asynchronous_claude_is_measured(
    models: FakeModels, ledger: Ledger, one_turn: Any, is_parsed: bool
) -> None:
    async def run() -> None:
        async with anthropic.AsyncAnthropic(api_key="k", base_url=models.url) as bare:
            raw = await ledger.wrap(bare).messages.with_raw_response.create(**PLAIN, max_tokens=9)
            if is_parsed:
                parsed: Any = raw.parse()
                assert (await parsed).id == "msg_1"

    asyncio.run(run())
    gc.collect()  # a coroutine that nobody awaited would warn
    assert one_turn()["usage"]["output_tokens"] == 7


def test_a_turn_that_raises_does_not_hold_its_stream(
    gpt: openai.OpenAI, fake: FakeLedger, ledger: Ledger, end: Any
) -> None:
    def run() -> None:
        with ledger.turn():
            stream = gpt.chat.completions.create(**PLAIN, stream=True)
            next(stream)
            raise KeyError

    with suppress(KeyError):
        run()
    gc.collect()
    assert ledger.outbox.counts().open == 0
    assert end() == ("failed", "key_error")
    assert fake.reservations == {}


def test_an_asynchronous_stream_that_nobody_holds_is_closed_as_the_bare_one(
    models: FakeModels, ledger: Ledger, end: Any
) -> None:
    reported: list[Any] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: reported.append(context)
        )
        async with openai.AsyncOpenAI(api_key="k", base_url=f"{models.url}/v1") as bare:
            stream = await ledger.wrap(bare).chat.completions.create(**PLAIN, stream=True)
            await anext(stream), await anext(stream)
            del stream
            gc.collect()
            while asyncio.all_tasks() != {asyncio.current_task()}:
                await asyncio.sleep(0)

    asyncio.run(run())
    gc.collect()
    assert reported == []
    assert end() == ("completed", "stream_closed")


def test_a_caller_who_asks_for_usage_by_extra_body_gets_it(
    bare: openai.OpenAI, ledger: Ledger
) -> None:
    asked: dict[str, Any] = {
        "stream": True,
        "extra_body": {"stream_options": {"include_usage": True}},
    }
    chunks = [
        list(client.chat.completions.create(**PLAIN, **asked))
        for client in (bare, ledger.wrap(bare, include_usage=True))
    ]
    assert chunks[0] == chunks[1]
    assert chunks[0][-1].usage is not None


def test_the_stream_of_a_call_that_cannot_be_measured_is_the_bare_one(
    bare: openai.OpenAI, fake: FakeLedger
) -> None:
    with fake.ledger(personality_id=None) as nameless:
        gpt = nameless.wrap(bare, include_usage=True)
        chunks = [
            list(client.chat.completions.create(**PLAIN, stream=True)) for client in (bare, gpt)
        ]
        assert chunks[0] == chunks[1]
        assert nameless.stats().wrapper_errors == 1


def test_a_class_of_a_program_is_measured_as_the_one_that_it_derives(
    models: FakeModels, ledger: Ledger, one_turn: Any
) -> None:
    async def run() -> None:
        async with OwnClient(api_key="k", base_url=f"{models.url}/v1") as bare:
            gpt = ledger.wrap(bare)
            assert type(gpt) is OwnClient
            await gpt.chat.completions.create(**PLAIN)

    asyncio.run(run())
    assert one_turn()["usage"]["output_tokens"] == 7


def test_a_turn_that_is_cancelled_after_an_answer_is_charged(
    gpt: openai.OpenAI, ledger: Ledger, end: Any
) -> None:
    def run() -> None:
        with ledger.turn():
            gpt.chat.completions.create(**PLAIN)
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run()
    assert end() == ("completed", "stream_closed")


def test_a_reservation_of_an_asynchronous_client_lets_the_loop_go_on(
    models: FakeModels, fake: FakeLedger, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()
    reserve = _reserving.reserve

    def reserve_slowly(*arguments: Any) -> Any:
        is_asked.set()
        assert may_answer.wait(10)
        return reserve(*arguments)

    monkeypatch.setattr(_reserving, "reserve", reserve_slowly)

    async def run() -> None:
        async with openai.AsyncOpenAI(api_key="k", base_url=f"{models.url}/v1") as bare:
            gpt = ledger.wrap(bare, reserve=True)
            asking = [asyncio.ensure_future(gpt.chat.completions.create(**PLAIN)) for _ in "12"]
            while not is_asked.is_set():
                await asyncio.sleep(0)
            asking[0].cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking[0]
            may_answer.set()
            assert (await asking[1]).usage is not None
            fake.turns_limit = 1
            with pytest.raises(QuotaExhaustedError):
                await gpt.chat.completions.create(**PLAIN)

    asyncio.run(run())
    assert ledger.flush(10)
    assert (len(fake.turns), fake.reservations) == (1, {})


def test_a_task_that_is_cancelled_gives_its_reservation_back_after_its_loop_has_ended(
    fake: FakeLedger, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()
    reserve = _reserving.reserve

    def reserve_slowly(*arguments: Any) -> Any:
        is_asked.set()
        assert may_answer.wait(10)
        return reserve(*arguments)

    monkeypatch.setattr(_reserving, "reserve", reserve_slowly)

    async def run(pool: ThreadPoolExecutor) -> None:
        begin = partial(ledger.begin, Identity(personality_id="pers_a"), reserve=True)
        task = asyncio.ensure_future(in_thread(begin, OpenTurn.give_back, pool))
        while not is_asked.is_set():
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    with ThreadPoolExecutor(1) as pool:
        asyncio.run(run(pool))
        may_answer.set()
    assert ledger.outbox.counts().open == 0
    assert ledger.flush(10)
    assert (fake.turns, fake.reservations) == ({}, {})


@pytest.mark.parametrize("status", [401, 402, 403, 404, 503])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_call_that_must_be_held_is_not_made_without_a_reservation(
    models: FakeModels, fake: FakeLedger, status: int, is_async: bool
) -> None:
    before = len(models.seen)
    options = {"api_key": "k", "base_url": f"{models.url}/v1"}

    async def ask_async(ledger: Ledger) -> None:
        async with openai.AsyncOpenAI(**options) as bare:
            await ledger.wrap(bare, reserve=True).chat.completions.create(**PLAIN)

    def ask(ledger: Ledger) -> None:
        with openai.OpenAI(**options) as bare:
            ledger.wrap(bare, reserve=True).chat.completions.create(**PLAIN)

    with fake.ledger(on_unavailable="raise") as ledger:
        fake.fail(status, status)
        with pytest.raises(LedgerUnavailable):
            asyncio.run(ask_async(ledger)) if is_async else ask(ledger)
    assert len(models.seen) == before
    assert fake.turns == {}
