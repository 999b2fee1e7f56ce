"""Answers of model providers on the wire: plain bodies and events of streams, per path."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Content:
    """What a model answers; `finish` is `stop`, `blocked` or `failed`."""

    words: tuple[str, ...] = ("Hel", "lo ", "there", ".")
    model: str = "gpt-4o-2026-08-06"
    input_tokens: int = 374
    output_tokens: int = 44
    cached_tokens: int = 0
    finish: str = "stop"
    has_usage: bool = True
    tool_arguments: str | None = None
    error_message: str = field(default="The model failed.", repr=False)

    @property
    def text(self) -> str:
        return "".join(self.words)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream; `name` is its `event:` line, if it has one."""

    data: Json | str
    name: str | None = None


def _chat_reason(content: Content) -> str:
    if content.finish == "blocked":
        return "content_filter"
    return "tool_calls" if content.tool_arguments is not None else "stop"


def _chat_usage(content: Content) -> Json:
    total = content.input_tokens + content.output_tokens
    return {
        "prompt_tokens": content.input_tokens,
        "completion_tokens": content.output_tokens,
        "total_tokens": total,
    }


def _tool_calls(content: Content) -> list[Json]:
    function = {"name": "look_up", "arguments": content.tool_arguments}
    return [{"id": "call_1", "type": "function", "function": function}]


def chat(content: Content) -> Json:
    message: Json = {"role": "assistant", "content": content.text, "refusal": None}
    if content.tool_arguments is not None:
        message["tool_calls"] = _tool_calls(content)
    choice = {"index": 0, "message": message, "finish_reason": _chat_reason(content)}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": content.model,
        "choices": [choice | {"logprobs": None}],
    }
    return body | ({"usage": _chat_usage(content)} if content.has_usage else {})


def _chat_chunk(content: Content, choices: list[Json], **more: Any) -> Event:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_790_000_000}
    return Event({**head, "model": content.model, "choices": choices, **more})


def _choice(delta: Json, reason: str | None = None) -> list[Json]:
    return [{"index": 0, "delta": delta, "finish_reason": reason}]


def chat_stream(content: Content, asked: Json) -> Iterator[Event]:
    yield _chat_chunk(content, _choice({"role": "assistant", "content": ""}))
    if content.tool_arguments is not None:
        call = {"index": 0, **_tool_calls(content)[0]}
        yield _chat_chunk(content, _choice({"tool_calls": [call]}))
    for word in content.words:
        yield _chat_chunk(content, _choice({"content": word}))
    if content.finish == "failed":
        yield Event({"error": {"message": content.error_message, "type": "server_error"}})
        return
    yield _chat_chunk(content, _choice({}, _chat_reason(content)))
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield _chat_chunk(content, [], usage=_chat_usage(content))
    yield Event("[DONE]")


def completion(content: Content) -> Json:
    choice = {"index": 0, "text": content.text, "finish_reason": "stop", "logprobs": None}
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1_790_000_000,
        "model": content.model,
        "choices": [choice],
        "usage": _chat_usage(content),
    }


def completion_stream(content: Content, asked: Json) -> Iterator[Event]:
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1_790_000_000}
    head["model"] = content.model
    for word in content.words:
        choice = {"index": 0, "text": word, "finish_reason": None, "logprobs": None}
        yield Event({**head, "choices": [choice]})
    last = {"index": 0, "text": "", "finish_reason": "stop", "logprobs": None}
    yield Event({**head, "choices": [last]})
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield Event({**head, "choices": [], "usage": _chat_usage(content)})
    yield Event("[DONE]")


def embeddings(content: Content) -> Json:
    usage = {"prompt_tokens": content.input_tokens, "total_tokens": content.input_tokens}
    data = [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}]
    return {"object": "list", "data": data, "model": content.model, "usage": usage}


_STATUS = {"stop": "completed", "blocked": "incomplete", "failed": "failed"}


def _response(content: Content, status: str, output: list[Json]) -> Json:
    is_done = status in _STATUS.values()
    usage = {
        "input_tokens": content.input_tokens,
        "input_tokens_details": {"cached_tokens": content.cached_tokens},
        "output_tokens": content.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": content.input_tokens + content.output_tokens,
    }
    error = {"code": "server_error", "message": content.error_message}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_790_000_000,
        "model": content.model,
        "status": status,
        "error": error if status == "failed" else None,
        "incomplete_details": {"reason": "content_filter"} if status == "incomplete" else None,
        "instructions": None,
        "metadata": {},
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage if is_done and content.has_usage else None,
    }


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": []}


def _message(status: str, parts: list[Json]) -> Json:
    head = {"id": "msg_1", "type": "message", "role": "assistant"}
    return {**head, "status": status, "content": parts}


def response(content: Content) -> Json:
    output = [_message("completed", [_part(content.text)])]
    if content.tool_arguments is not None:
        call = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "look_up"}
        output.append({**call, "arguments": content.tool_arguments, "status": "completed"})
    return _response(content, _STATUS[content.finish], output)


def response_stream(content: Content, asked: Json) -> Iterator[Event]:
    part_of = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    bodies: list[Json] = [
        {"type": "response.created", "response": _response(content, "in_progress", [])},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": _message("in_progress", []),
        },
        {"type": "response.content_part.added", **part_of, "part": _part("")},
    ]
    deltas = [{**part_of, "delta": word, "logprobs": []} for word in content.words]
    bodies += [{"type": "response.output_text.delta", **delta} for delta in deltas]
    whole = _message("completed", [_part(content.text)])
    if content.finish == "stop":
        bodies += [
            {"type": "response.output_text.done", **part_of, "text": content.text, "logprobs": []},
            {"type": "response.content_part.done", **part_of, "part": _part(content.text)},
            {"type": "response.output_item.done", "output_index": 0, "item": whole},
        ]
    status = _STATUS[content.finish]
    bodies.append({"type": f"response.{status}", "response": _response(content, status, [whole])})
    for number, body in enumerate(bodies):
        yield Event({**body, "sequence_number": number}, body["type"])


def _anthropic_reason(content: Content) -> str:
    if content.finish == "blocked":
        return "refusal"
    return "tool_use" if content.tool_arguments is not None else "end_turn"


def _anthropic(content: Content, blocks: list[Json], reason: str | None, output: int) -> Json:
    usage = {
        "input_tokens": content.input_tokens - content.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": content.cached_tokens,
        "output_tokens": output,
    }
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": content.model,
        "content": blocks,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }


def message(content: Content) -> Json:
    blocks: list[Json] = [{"type": "text", "text": content.text}]
    if content.tool_arguments is not None:
        tool = {"type": "tool_use", "id": "toolu_1", "name": "look_up"}
        blocks.append({**tool, "input": {"query": content.tool_arguments}})
    return _anthropic(content, blocks, _anthropic_reason(content), content.output_tokens)


def message_stream(content: Content, asked: Json) -> Iterator[Event]:
    def event(name: str, **more: Any) -> Event:
        return Event({"type": name, **more}, name)

    yield event("message_start", message=_anthropic(content, [], None, 1))
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    yield event("ping")
    for word in content.words:
        yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
    if content.finish == "failed":
        error = {"type": "overloaded_error", "message": content.error_message}
        yield event("error", error=error)
        return
    yield event("content_block_stop", index=0)
    end = {"stop_reason": _anthropic_reason(content), "stop_sequence": None}
    yield event("message_delta", delta=end, usage={"output_tokens": content.output_tokens})
    yield event("message_stop")


@dataclass(frozen=True, slots=True)
class Shape:
    """Make the answers of one path."""

    plain: Callable[[Content], Json]
    stream: Callable[[Content, Json], Iterator[Event]] | None = None


SHAPES = {
    "/v1/chat/completions": Shape(chat, chat_stream),
    "/v1/completions": Shape(completion, completion_stream),
    "/v1/responses": Shape(response, response_stream),
    "/v1/embeddings": Shape(embeddings),
    "/v1/messages": Shape(message, message_stream),
}
