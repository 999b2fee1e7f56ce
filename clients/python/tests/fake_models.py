"""A server on loopback that answers as OpenAI and Anthropic do; the model's name chooses how.

| model | answer |
| --- | --- |
| `filtered` | stopped by a filter, or refused |
| `broken` | 400 |
| `limited` | 429 |
| `flaky` | 500, then as usual |
| `cut` | a stream that breaks off after its first token |
| `stalled` | a stream that goes on after its first token when the server ends |
| `silent` | no answer until the server ends |
| any other | as usual |
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKENS = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
ANSWER = "an answer"


class FakeModels(ThreadingHTTPServer):
    """The server; `calls_count` counts the calls that it answered with 200."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls_count = 0
        self.lock = threading.Lock()
        self.has_failed = False
        self.ended = threading.Event()
        self.answer = ANSWER

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that have left."""


@contextmanager
def running_models() -> Iterator[FakeModels]:
    """Run the server in a thread."""
    server = FakeModels()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are two packets; else the second would wait 40 ms for an acknowledgement.
    disable_nagle_algorithm = True
    server: FakeModels

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing."""

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        model = sent["model"]
        if model == "silent":
            self.server.ended.wait()
            return
        error = {"broken": 400, "limited": 429}.get(model)
        if model == "flaky" and not self.server.has_failed:
            self.server.has_failed, error = True, 500
        if error is not None:
            text = f"refused: {self.server.answer}"
            self._send(error, {"type": "error", "error": {"message": text, "type": "e"}})
            return
        with self.server.lock:
            self.server.calls_count += 1
        events, whole = _SHAPES[self.path.partition("?")[0]](sent, self.server.answer)
        if sent.get("stream"):
            self._stream(events, model)
        else:
            self._send(200, whole)

    def _send(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: list[tuple[str | None, Any]], model: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with suppress(OSError):
            for name, event in events[: 3 if model in {"cut", "stalled"} else None]:
                text = event if isinstance(event, str) else json.dumps(event)
                line = (f"event: {name}\n" if name else "") + f"data: {text}\n\n"
                self.wfile.write(f"{len(line):x}\r\n{line}\r\n".encode())
            if model == "stalled":
                self.server.ended.wait()
            if model == "cut":
                self.close_connection = True
                self.wfile.flush()
                self.connection.shutdown(2)
            else:
                self.wfile.write(b"0\r\n\r\n")


def _chat(sent: Any, answer: str) -> tuple[list[tuple[str | None, Any]], Any]:
    reason = "content_filter" if sent["model"] == "filtered" else "stop"
    base = {"id": "c1", "created": 1, "model": sent["model"]}

    def chunk(delta: Any, reason: str | None = None) -> Any:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return base | {"object": "chat.completion.chunk", "choices": [choice]}

    chunks = [chunk({"role": "assistant", "content": ""}), chunk({"content": answer[:2]})]
    chunks += [chunk({"content": part}) for part in (answer[2:4], answer[4:6], answer[6:])]
    chunks.append(chunk({}, reason))
    if (sent.get("stream_options") or {}).get("include_usage"):
        chunks.append(base | {"object": "chat.completion.chunk", "choices": [], "usage": TOKENS})
    message = {"role": "assistant", "content": answer}
    choice = {"index": 0, "message": message, "finish_reason": reason}
    whole = base | {"object": "chat.completion", "choices": [choice], "usage": TOKENS}
    return [(None, each) for each in chunks] + [(None, "[DONE]")], whole


def _responses(sent: Any, answer: str) -> tuple[list[tuple[str | None, Any]], Any]:
    is_filtered = sent["model"] == "filtered"
    part = {"type": "output_text", "text": answer, "annotations": []}
    message = {
        "type": "message",
        "id": "m1",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    whole = {
        "id": "r1",
        "object": "response",
        "created_at": 1,
        "model": sent["model"],
        "output": [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "status": "incomplete" if is_filtered else "completed",
        "incomplete_details": {"reason": "content_filter"} if is_filtered else None,
        "usage": {
            "input_tokens": 11,
            "output_tokens": 7,
            "total_tokens": 18,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }
    place = {"item_id": "m1", "output_index": 0, "content_index": 0, "logprobs": []}
    last = f"response.{whole['status']}"
    events = [
        {"type": "response.created", "sequence_number": 0, "response": whole},
        {"type": "response.output_text.delta", "sequence_number": 1, "delta": answer, **place},
        {"type": last, "sequence_number": 2, "response": whole},
    ]
    return [(event["type"], event) for event in events], whole


def _embeddings(sent: Any, _answer: str) -> tuple[list[tuple[str | None, Any]], Any]:
    data = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
    usage = {"prompt_tokens": 11, "total_tokens": 11}
    return [], {"object": "list", "data": data, "model": sent["model"], "usage": usage}


def _messages(sent: Any, answer: str) -> tuple[list[tuple[str | None, Any]], Any]:
    reason = "refusal" if sent["model"] == "filtered" else "end_turn"
    base = {"id": "m1", "type": "message", "role": "assistant", "model": sent["model"]}
    usage = {"input_tokens": 5, "cache_read_input_tokens": 6, "output_tokens": 1}
    start = base | {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    block = {"type": "text", "text": ""}
    events: list[Any] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": x}}
            for x in (answer[:3], answer[3:])
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": None},
            "usage": {"output_tokens": 7},
        },
        {"type": "message_stop"},
    ]
    whole = base | {
        "content": [{"type": "text", "text": answer}],
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage | {"output_tokens": 7},
    }
    return [(event["type"], event) for event in events], whole


_SHAPES = {
    "/v1/chat/completions": _chat,
    "/v1/responses": _responses,
    "/v1/embeddings": _embeddings,
    "/v1/messages": _messages,
}
