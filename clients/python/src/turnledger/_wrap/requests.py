"""Read a request of a model client: its path, and the fields that say how it is answered."""

from __future__ import annotations

from typing import Any

_CHAT = "/chat/completions"
_KINDS = {
    _CHAT: "chat",
    "/completions": "chat",
    "/embeddings": "embeddings",
    "/responses": "responses",
    "/v1/messages": "messages",
}
_RAW_HEADER = "x-stainless-raw-response"


def kind_of(options: Any) -> str | None:
    """Return the shape of the answer; None for a request that is no model call."""
    is_post = options.method.lower() == "post"
    return _KINDS.get(options.url.partition("?")[0]) if is_post else None


def sent_of(options: Any) -> dict[str, Any]:
    """Return the JSON of a request, with what the caller added to it by `extra_body`."""
    sent, more = options.json_data, options.extra_json
    if not isinstance(sent, dict):
        return {}
    return {**sent, **more} if isinstance(more, dict) else sent


def ask_for_usage(options: Any) -> bool:
    """Ask for usage in a stream; return False if the caller says how it wants its stream."""
    sent = sent_of(options)
    if not sent or "stream_options" in sent:
        return False
    options.json_data = {**options.json_data, "stream_options": {"include_usage": True}}
    return True


def is_raw(headers: Any) -> bool:
    """Return True if the caller wants the raw response."""
    return isinstance(headers, dict) and any(name.lower() == _RAW_HEADER for name in headers)
