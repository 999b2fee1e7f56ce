"""Which spans are turns, and which part of them is recorded."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.otlp import counting, json_spans
from app.otlp import protobuf as protobuf_spans
from app.otlp.mapping import Sources, body_of, turn_id_of
from app.otlp.spans import Malformed, Span
from app.otlp.trees import turns_of
from tests.unit.otlp.exports import CHAT, Json, export, protobuf, span

SOURCES = Sources(
    ("user.id", "enduser.id"),
    ("gen_ai.conversation.id",),
    ("gen_ai.agent.id", "gen_ai.agent.name", "service.name"),
    "unknown_agent",
)
Decode = Callable[[Json], list[Span]]


def by_json(body: Json) -> list[Span]:
    return list(json_spans.decode(orjson.dumps(body), SOURCES.wanted))


def by_protobuf(body: Json) -> list[Span]:
    return list(protobuf_spans.decode(protobuf(body), SOURCES.wanted))


def read_or_refuse(
    decode: Callable[[bytes, frozenset[str]], Iterator[Span]], body: bytes
) -> list[Span] | str:
    """Return the spans of a body, or why it is malformed."""
    try:
        return list(decode(body, SOURCES.wanted))
    except Malformed as error:
        return str(error)


BOTH = pytest.mark.parametrize("decode", [by_json, by_protobuf])


def mapped(attributes: dict[str, Any], **changes: Any) -> tuple[dict[str, Any], list[str]]:
    (found,) = by_json(export(span({**CHAT, **attributes}, **changes)))
    return body_of(found, SOURCES)


@BOTH
def test_a_chat_span_is_a_whole_turn(decode: Decode) -> None:
    sent = span({**CHAT, "gen_ai.prompt.0.content": "hello"})
    (found,) = decode(export(sent))
    body, unusable = body_of(found, SOURCES)
    occurred_at = body.pop("occurred_at")
    assert occurred_at.endswith("Z")
    assert body == {
        "turn_id": f"otel-{sent['traceId']}-{sent['spanId']}",
        "mode": "stateful",
        "user_id": "u_42",
        "relationship_id": "rel_42",
        "personality_id": "pers_ada",
        "status": "completed",
        "latency_ms": 1_840,
        "time_to_first_token_ms": 310,
        "error_code": None,
        "guardrails": {"applied": []},
        "usage": {
            "llm_provider": "openai",
            "llm_model": "gpt-4o-2024",
            "input_tokens": 374,
            "output_tokens": 44,
        },
    }
    assert (found.dropped, unusable) == (("gen_ai.prompt.0.content",), [])


@BOTH
def test_attributes_of_the_resource_are_looked_up_behind_those_of_the_span(decode: Decode) -> None:
    plain = {"gen_ai.operation.name": "chat"}
    resource = {"service.name": "shop", "user.id": "u_1", "host.name": "h"}
    for own, user in ((plain, "u_1"), ({**plain, "user.id": "u_2"}, "u_2")):
        (found,) = decode(export(span(own), resource=resource))
        body, _ = body_of(found, SOURCES)
        assert (body["personality_id"], body["user_id"]) == ("shop", user)


@pytest.mark.parametrize(
    ("old", "field", "value"),
    [
        ({"gen_ai.provider.name": None, "gen_ai.system": "az.ai.openai"}, "llm_provider", "azure"),
        ({"gen_ai.usage.input_tokens": None, "gen_ai.usage.prompt_tokens": 5}, "input_tokens", 5),
        (
            {"gen_ai.usage.output_tokens": None, "gen_ai.usage.completion_tokens": 6},
            "output_tokens",
            6,
        ),
        ({"gen_ai.response.model": None}, "llm_model", "gpt-4o"),
    ],
)
def test_names_of_earlier_releases_are_read(old: dict[str, Any], field: str, value: Any) -> None:
    attributes = {key: each for key, each in {**CHAT, **old}.items() if each is not None}
    (found,) = by_json(export(span(attributes)))
    shown = body_of(found, SOURCES)[0]["usage"][field]
    assert shown == value or str(shown).startswith(str(value))


@pytest.mark.parametrize(
    ("attributes", "changes", "end"),
    [
        ({}, {"is_error": True}, ("failed", None)),
        ({"error.type": "openai.RateLimitError"}, {}, ("failed", "rate_limit_error")),
        ({"error.type": "TimeoutError"}, {}, ("timed_out", "timeout_error")),
        ({"error.type": "APITimeoutError"}, {"is_error": True}, ("timed_out", "api_timeout_error")),
        ({"error.type": "429"}, {}, ("failed", "http_429")),
        ({"error.type": "_OTHER"}, {}, ("failed", "other")),
        ({"error.type": "hello to you"}, {}, ("failed", None)),
        ({"gen_ai.response.finish_reasons": ["content_filter"]}, {}, ("guardrail_blocked", None)),
        ({"gen_ai.response.finish_reasons": ["stop", "content_filter"]}, {}, ("completed", None)),
    ],
)
def test_how_a_span_ends(
    attributes: dict[str, Any], changes: Json, end: tuple[str, str | None]
) -> None:
    body, _ = mapped(attributes, **changes)
    assert (body["status"], body["error_code"]) == end


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user.id", "Jane Doe"),
        ("gen_ai.conversation.id", "x" * 129),
        ("gen_ai.agent.name", "a very kind agent"),
        ("gen_ai.provider.name", "open ai"),
        ("gen_ai.response.model", "my model"),
        ("gen_ai.usage.input_tokens", -98_765),
        ("gen_ai.usage.output_tokens", 10**12),
        ("gen_ai.usage.output_tokens", "forty-four"),
        ("error.type", "hello to you"),
    ],
)
def test_a_value_that_a_turn_may_not_have_is_dropped_by_name(name: str, value: Any) -> None:
    body, unusable = mapped({name: value})
    assert name in unusable
    assert str(value) not in str(body)


@BOTH
@pytest.mark.parametrize("value", [{"boolValue": True}, {"kvlistValue": {"values": []}}])
def test_a_value_of_another_kind_is_dropped_by_name(decode: Decode, value: Json) -> None:
    sent = span() | {"attributes": [{"key": "user.id", "value": value}]}
    (found,) = decode(export(sent))
    assert (found.attributes, found.dropped) == ({}, ("user.id",))


@BOTH
def test_agents_count_only_without_a_model_call_below(decode: Decode) -> None:
    agent = span({"gen_ai.operation.name": "invoke_agent"})
    tool = span({"gen_ai.operation.name": "execute_tool"}, parent=agent)
    call = span(parent=tool)
    lone = span({"gen_ai.operation.name": "invoke_workflow"})
    web = span({"http.request.method": "GET"})
    older = span({"gen_ai.system": "openai", "gen_ai.request.model": "m"})
    found = decode(export(agent, tool, call, lone, web, older))
    ids = [each.span_id for each in turns_of(found)]
    assert ids == [call["spanId"], lone["spanId"], older["spanId"]]


def test_of_agents_inside_agents_only_the_innermost_count() -> None:
    workflow = span({"gen_ai.operation.name": "invoke_workflow"})
    agent = span({"gen_ai.operation.name": "invoke_agent"}, parent=workflow)
    tool = span({"gen_ai.operation.name": "execute_tool"}, parent=agent)
    inner = [span({"gen_ai.operation.name": "invoke_agent"}, parent=tool) for _ in range(2)]
    found = turns_of(by_json(export(workflow, agent, tool, *inner)))
    assert [each.span_id for each in found] == [each["spanId"] for each in inner]


def test_a_cycle_of_parents_ends() -> None:
    first, second = span(), span()
    first["parentSpanId"], second["parentSpanId"] = second["spanId"], first["spanId"]
    second["traceId"] = first["traceId"]
    agent = span({"gen_ai.operation.name": "invoke_agent"})
    assert len(turns_of(by_json(export(first, second, agent)))) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"traceId": ""},
        {"spanId": ""},
        {"traceId": "hello world"},
        {"spanId": "1" * 40},
        {"traceId": "0" * 32},
        {"spanId": "0" * 16},
        {"traceId": "ab" * 15},
    ],
)
def test_a_span_without_usable_ids_is_no_turn(changes: Json) -> None:
    (found,) = by_json(export(span(**changes)))
    assert turn_id_of(found) is None


@pytest.mark.parametrize(
    "body", [[], {"resourceSpans": 1}, {"resourceSpans": [1]}, "text", None, {"resourceSpans": {}}]
)
def test_another_body_is_malformed(body: Any) -> None:
    with pytest.raises(Malformed):
        list(json_spans.decode(orjson.dumps(body), SOURCES.wanted))


@given(st.binary(max_size=200))
def test_random_bytes_are_malformed_or_an_export(body: bytes) -> None:
    for decode in (protobuf_spans.decode, json_spans.decode):
        found = read_or_refuse(decode, body)
        is_refused = isinstance(found, str) and found.startswith(("is ", "has "))
        assert is_refused or all(type(each) is Span for each in found)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["key", "value", "stringValue", "intValue", "arrayValue", "values", "code"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(JSON_VALUES, JSON_VALUES, JSON_VALUES)
def test_odd_spans_never_raise_anything_else(one: Any, two: Any, three: Any) -> None:
    attributes = [three, {"key": "user.id", "value": one}]
    odd = span() | {"startTimeUnixNano": one, "status": two, "attributes": attributes}
    # The standard library writes numbers beyond 64 bits.
    found = read_or_refuse(json_spans.decode, json.dumps(export(odd)).encode())
    bodies = [] if isinstance(found, str) else [body_of(each, SOURCES) for each in turns_of(found)]
    for body, _ in bodies:
        assert body["status"] in {"completed", "failed"}
        assert isinstance(body.get("user_id"), str | None)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("gen_ai.prompt.12.content", "gen_ai.prompt.N.content"),
        ("llm.is_streaming", "llm.is_streaming"),
        ("jane.doe", counting.OTHERS),
        ("gen_ai.Hello World", counting.OTHERS),
        ("gen_ai." + "x" * 200, counting.OTHERS),
    ],
)
def test_a_dropped_name_is_shown_only_if_it_is_one_of_a_convention(name: str, shown: str) -> None:
    assert counting.shown_name(name) == shown


def test_the_number_of_shown_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_names", set())
    names = {
        counting.shown_name(f"gen_ai.{letter * 3}.{other}")
        for letter in "abcdefghij"
        for other in "abcdefghijklmnop"
    }
    assert len(names) == counting.MOST_NAMES + 1
