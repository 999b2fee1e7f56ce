"""A model provider on loopback that speaks as OpenAI and Anthropic do.

    with fake_models() as models:
        models.next(Plan(status=500), Plan())       # the SDK retries, the second call succeeds
        client = OpenAI(base_url=models.openai_url, api_key="key")

Each request takes the next plan; without one it is answered as `models.by_model` says of its
model, or else by `models.usual`.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from tests.clients.model_shapes import SHAPES, Content, Event

M = TypeVar("M", bound="FakeModels")
# No test waits so long: a gate that nobody opens ends the answer.
_LONGEST_S = 30.0
_ERRORS = {
    400: ("invalid_request_error", "context_length_exceeded"),
    401: ("authentication_error", "invalid_api_key"),
    404: ("not_found_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    500: ("api_error", None),
    529: ("overloaded_error", None),
}


class Gate:
    """Hold events back: each `release` lets one more pass, `open` all."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(0)
        self._is_open = False

    def release(self, count: int = 1) -> None:
        self._free.release(count)

    def open(self) -> None:
        self._is_open = True
        self._free.release()

    def wait(self) -> None:
        if not self._is_open:
            self._free.acquire(timeout=_LONGEST_S)


@dataclass(frozen=True, slots=True)
class Plan:
    """How one request is answered.

    `gate` holds back each event of a stream, or a plain answer. `cut_after` ends the connection
    after so many events, `stall_after` waits then until the server stops. `hangs` answers nothing
    until the server stops. `pause_s` is the pause before each event of a stream.
    """

    status: int = 200
    content: Content = field(default_factory=Content)
    gate: Gate | None = None
    cut_after: int | None = None
    stall_after: int | None = None
    hangs: bool = False
    pause_s: float = 0.0
    error_message: str = "The request was refused."


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]


class FakeModels:
    """Hold the plans, and what was asked; `answered` counts answers that were sent whole."""

    def __init__(self) -> None:
        self.usual = Plan()
        self.by_model: dict[str, Plan] = {}
        self.seen: list[Seen] = []
        self.answered = 0
        self.port = 0
        self.stopped = threading.Event()
        self.left = threading.Semaphore(0)
        self._plans: deque[Plan] = deque()
        self._lock = threading.Lock()

    @property
    def openai_url(self) -> str:
        return f"{self.anthropic_url}/v1"

    @property
    def anthropic_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def next(self, *plans: Plan) -> None:
        """Answer the next requests by these plans, one each."""
        self._plans.extend(plans)

    @property
    def has_plans(self) -> bool:
        """Return True if plans wait for requests."""
        return bool(self._plans)

    def plan_for(self, seen: Seen) -> Plan:
        with self._lock:
            self.seen.append(seen)
            if self._plans:
                return self._plans.popleft()
            return self.by_model.get(seen.body["model"], self.usual)

    def count_answer(self) -> None:
        with self._lock:
            self.answered += 1


class _Handler(BaseHTTPRequestHandler):
    models: FakeModels
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # One write for headers and body: a loopback answer is one packet.
    wbufsize = 65_536

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.split("?")[0]
        headers = {name.lower(): value for name, value in self.headers.items()}
        plan = self.models.plan_for(Seen(path, body, headers))
        try:
            self._answer(path, body, plan)
        except OSError:  # the caller has left
            self.close_connection = True
            self.models.left.release()

    def _answer(self, path: str, body: dict[str, Any], plan: Plan) -> None:
        shape = SHAPES.get(path)
        if plan.hangs:
            self.models.stopped.wait(_LONGEST_S)
            self.close_connection = True
        elif shape is None or plan.status != 200:
            self._refuse(plan, 404 if shape is None else plan.status)
        elif body.get("stream") and shape.stream:
            self._stream(shape.stream(plan.content, body), plan)
        else:
            self._plain(shape.plain(plan.content), plan)

    def _plain(self, content: dict[str, Any], plan: Plan) -> None:
        if plan.gate:
            plan.gate.wait()
        if plan.cut_after is not None:
            self._head(200, "application/json", "Content-Length", "9999")
            self.wfile.flush()
            self.close_connection = True
            return
        self._send(200, content)
        self.models.count_answer()

    def _refuse(self, plan: Plan, status: int) -> None:
        kind, code = _ERRORS.get(status, ("api_error", None))
        error = {"type": kind, "code": code, "message": plan.error_message, "param": None}
        self._send(status, {"type": "error", "error": error})

    def _send(self, status: int, content: object) -> None:
        payload = json.dumps(content).encode()
        self._head(status, "application/json", "Content-Length", str(len(payload)))
        self.wfile.write(payload)
        self.wfile.flush()

    def _stream(self, events: Iterator[Event], plan: Plan) -> None:
        self._head(200, "text/event-stream", "Transfer-Encoding", "chunked")
        for number, event in enumerate(events):
            if number == plan.cut_after:
                self.close_connection = True
                return
            if plan.gate or plan.pause_s or number == plan.stall_after:
                self.wfile.flush()
            if number == plan.stall_after:
                self.models.stopped.wait(_LONGEST_S)
            if plan.gate:
                plan.gate.wait()
            if plan.pause_s:
                time.sleep(plan.pause_s)
            self._write_event(event)
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
        self.models.count_answer()

    def _write_event(self, event: Event) -> None:
        data = event.data if isinstance(event.data, str) else json.dumps(event.data)
        name = f"event: {event.name}\n" if event.name else ""
        payload = f"{name}data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(payload), payload))

    def _head(self, status: int, kind: str, name: str, value: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        # The SDKs wait so long before they repeat a request.
        self.send_header("retry-after-ms", "1")
        self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """Print nothing: callers leave in the middle on purpose."""


@contextmanager
def fake_models() -> Iterator[FakeModels]:
    """Serve on a free port of loopback until the block ends."""
    with serving(FakeModels()) as models:
        yield models


@contextmanager
def serving(models: M) -> Iterator[M]:
    """Serve `models` on a free port of loopback until the block ends."""
    handler = type("Handler", (_Handler,), {"models": models})
    server = _Server(("127.0.0.1", 0), handler)
    models.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield models
    finally:
        models.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()
