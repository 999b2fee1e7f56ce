"""The official SDKs understand the fake model server."""

from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.clients.fake_models import FakeModels, Gate, Plan, fake_models
from tests.clients.model_shapes import Content

MESSAGES = [{"role": "user", "content": "Hello"}]
TEXT = Content().text


@pytest.fixture(scope="module")
def models() -> Iterator[FakeModels]:
    with fake_models() as running:
        yield running


@pytest.fixture(scope="module")
def openai_client(models: FakeModels) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=models.openai_url, api_key="key", timeout=5) as client:
        yield client


@pytest.fixture(scope="module")
def claude(models: FakeModels) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=models.anthropic_url, api_key="key", timeout=5) as client:
        yield client


def test_openai_answers_plain(openai_client: openai.OpenAI) -> None:
    chat = openai_client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert chat.choices[0].message.content == TEXT
    assert chat.usage
    assert chat.usage.completion_tokens == 44
    assert openai_client.responses.create(model="gpt-4o", input="Hello").output_text == TEXT
    vectors = openai_client.embeddings.create(model="e", input="x", encoding_format="float")
    assert vectors.usage.prompt_tokens == 374


def test_openai_answers_as_streams(openai_client: openai.OpenAI) -> None:
    chunks = list(
        openai_client.chat.completions.create(
            model="gpt-4o", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == TEXT
    assert chunks[-1].usage
    with openai_client.responses.stream(model="gpt-4o", input="Hello") as stream:
        assert stream.get_final_response().output_text == TEXT


def test_anthropic_answers_plain_and_as_a_stream(claude: anthropic.Anthropic) -> None:
    said = claude.messages.create(model="claude", max_tokens=9, messages=MESSAGES)
    assert said.content[0].text == TEXT
    with claude.messages.stream(model="claude", max_tokens=9, messages=MESSAGES) as stream:
        assert stream.get_final_text() == TEXT
        assert stream.get_final_message().usage.output_tokens == 44


def test_a_gate_holds_each_event(models: FakeModels, openai_client: openai.OpenAI) -> None:
    gate = Gate()
    models.next(Plan(gate=gate))
    gate.release(2)
    chunks = openai_client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    next(chunks)
    assert next(chunks).choices[0].delta.content == "Hel"
    gate.open()
    assert len(list(chunks)) == 4


def test_a_stream_is_cut(models: FakeModels, openai_client: openai.OpenAI) -> None:
    models.next(Plan(cut_after=2))
    chunks = openai_client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    with pytest.raises(openai.APIConnectionError):
        list(chunks)


def test_errors_are_retried_by_the_sdk(models: FakeModels, openai_client: openai.OpenAI) -> None:
    models.next(Plan(status=500), Plan(status=429))
    chat = openai_client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert chat.choices[0].message.content == TEXT
    models.next(Plan(status=400))
    with pytest.raises(openai.BadRequestError):
        openai_client.chat.completions.create(model="gpt-4o", messages=MESSAGES)


def test_a_hang_is_a_time_out(models: FakeModels, openai_client: openai.OpenAI) -> None:
    models.next(Plan(hangs=True))
    impatient = openai_client.with_options(timeout=0.05, max_retries=0)
    with pytest.raises(openai.APITimeoutError):
        impatient.chat.completions.create(model="gpt-4o", messages=MESSAGES)


@pytest.mark.parametrize("finish", ["blocked", "failed"])
def test_filters_and_failures(
    finish: str, models: FakeModels, openai_client: openai.OpenAI, claude: anthropic.Anthropic
) -> None:
    plan = Plan(content=Content(finish=finish))
    models.next(plan, plan)
    found = openai_client.responses.create(model="gpt-4o", input="Hello")
    assert found.status == {"blocked": "incomplete", "failed": "failed"}[finish]
    stream = claude.messages.create(model="c", max_tokens=9, messages=MESSAGES, stream=True)
    if finish == "failed":
        with pytest.raises(anthropic.APIStatusError):
            list(stream)
    else:
        assert "refusal" in [
            getattr(e.delta, "stop_reason", "") for e in stream if e.type == "message_delta"
        ]
