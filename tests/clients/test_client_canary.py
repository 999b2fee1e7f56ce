"""A marker in all that a model call says: nothing of this package ever contains it.

It is planted in prompts, system messages, answers, tool arguments, metadata, headers and the texts
of exceptions. It is looked for in the outbox's files and exports, in the requests to the ledger, in
`repr`, in the log at DEBUG, and in the stores and metrics of the service.
"""

import asyncio
import logging
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from flask import Flask
from prometheus_client import generate_latest
from turnledger import Ledger, OpenTurn, TurnledgerError

from app.backends.backend import Backend
from app.http.application import provided
from tests.callers import new_caller
from tests.clients.fake_models import FakeModels, Plan, fake_models
from tests.clients.model_shapes import Content
from tests.live.test_canary import bson_of, values_of

MARKER = "canary4711"
TEXT = f"{MARKER} said hello"
SAYING = Content(words=(TEXT, " ", TEXT), tool_arguments=f'{{"q": "{TEXT}"}}', error_message=TEXT)
FAILING = Content(words=(TEXT,), finish="failed", error_message=TEXT)
SAID = Plan(content=SAYING)
REFUSED = [Plan(status=status, error_message=TEXT) for status in (400, 429, 529)]
MESSAGES: list[Any] = [{"role": "user", "content": TEXT}]
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "look_up", "description": TEXT, "parameters": {}}}
]
HEADERS = {f"X-{MARKER}": MARKER}


class Wire(httpx.BaseTransport):
    """Pass requests to the application, and keep each byte of them; `is_down` answers none."""

    def __init__(self, app: Flask) -> None:
        self._inner = httpx.WSGITransport(app)
        self.is_down = False
        self.sent: list[bytes] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        head = f"{request.method} {request.url} {request.headers.raw!r} "
        self.sent.append(head.encode() + request.read())
        if self.is_down:
            raise httpx.ConnectError(TEXT)
        return self._inner.handle_request(request)


@pytest.fixture(scope="module")
def models() -> Iterator[FakeModels]:
    with fake_models() as running:
        yield running


class Everything:
    """Make every kind of call with the marker in it, and keep what may be shown."""

    def __init__(self, ledger: Ledger, models: FakeModels) -> None:
        self.ledger = ledger
        self.models = models
        self.shown: list[str] = []
        gpt = openai.OpenAI(
            base_url=models.openai_url, api_key=MARKER, max_retries=0, default_headers=HEADERS
        )
        claude = anthropic.Anthropic(base_url=models.anthropic_url, api_key=MARKER, max_retries=0)
        self.bare = gpt, claude
        self.gpt = ledger.wrap(gpt, provider="openai", include_usage=True)
        self.calls_count = 0
        self.claude = ledger.wrap(claude)

    def close(self) -> None:
        for client in self.bare:
            client.close()

    def chat(self, **more: Any) -> Any:
        return self.gpt.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "system", "content": TEXT}, *MESSAGES],
            tools=TOOLS,
            metadata={MARKER: TEXT},
            user=MARKER,
            **more,
        )

    def respond(self, **more: Any) -> Any:
        return self.gpt.responses.create(
            model="gpt-4o", input=TEXT, instructions=TEXT, metadata={"a": TEXT}, **more
        )

    def message(self, **more: Any) -> Any:
        return self.claude.messages.create(
            model="claude", max_tokens=9, system=TEXT, messages=MESSAGES, **more
        )

    def raw(self, **more: Any) -> Any:
        answer = self.gpt.chat.completions.with_raw_response.create(
            model="gpt-4o", messages=MESSAGES, **more
        )
        return answer.parse()

    def asynchronous(self, **more: Any) -> Any:
        return asyncio.run(self._ask_asynchronously(**more))

    async def _ask_asynchronously(self, **more: Any) -> list[Any]:
        options: Any = {"api_key": MARKER, "max_retries": 0, "default_headers": HEADERS}
        async with openai.AsyncOpenAI(base_url=self.models.openai_url, **options) as bare:
            gpt = self.ledger.wrap(bare, provider="openai")
            answer = await gpt.chat.completions.create(model="gpt-4o", messages=MESSAGES, **more)
            return [each async for each in answer] if more["stream"] else [answer]

    def call_all(self) -> None:
        asks = (self.chat, self.respond, self.message, self.raw, self.asynchronous)
        for plan in (SAID, Plan(content=FAILING), Plan(cut_after=2), *REFUSED):
            for ask in asks:
                for is_stream in (False, True):
                    self.call(ask, plan, stream=is_stream)
        self.fail_in_a_block()
        self.call_by_litellm()

    def call(self, ask: Callable[..., Any], plan: Plan, **more: Any) -> None:
        self.models.next(plan)
        self.calls_count += 1
        who = {"user_id": "u_1", "relationship_id": "rel_1"}
        faults = () if plan is SAID else (Exception,)
        with suppress(*faults), self.ledger.turn(**who) as turn:
            answer = ask(**more)
            self.show(turn)
            list(answer)
        # The plan was asked for: it is not the next call's.
        assert not self.models.has_plans

    def call_by_litellm(self) -> None:
        logger = import_module("turnledger.litellm").TurnLogger(self.ledger)
        for is_success in (True, False):
            kwargs = {"litellm_call_id": MARKER, "api_key": MARKER, "messages": MESSAGES}
            logger.log_pre_api_call("gpt-4o", MESSAGES, kwargs)
            if is_success:
                logger.log_success_event(kwargs, {"choices": [{"text": TEXT}]}, None, None)
            else:
                kwargs["exception"] = RuntimeError(TEXT)
                logger.log_failure_event(kwargs, None, None, None)
            self.calls_count += 1

    def fail_in_a_block(self) -> None:
        self.calls_count += 2
        with suppress(RuntimeError), self.ledger.turn() as turn:
            turn.started()
            raise RuntimeError(TEXT) from ValueError(TEXT)
        with self.ledger.turn(reserve=False) as turn:
            items = turn.stream(iter([TEXT, TEXT]))
            next(items)
            self.show(turn)
            del items

    def show(self, *things: object) -> None:
        self.shown += [f"{thing!r} {thing!s}" for thing in things]


@contextmanager
def own_log() -> Iterator[list[str]]:
    """Keep what this package logs, with tracebacks and extra fields."""
    lines: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{logging.Formatter().format(record)} {record.__dict__}")

    logger, handler = logging.getLogger("turnledger"), Keeping()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


@pytest.fixture
def _litellm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand in for LiteLLM, whose import takes seconds."""
    module = types.ModuleType("litellm.integrations.custom_logger")
    module.CustomLogger = type("CustomLogger", (), {})  # type: ignore[attr-defined]
    for name in ("litellm", "litellm.integrations"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.delitem(sys.modules, "turnledger.litellm", raising=False)
    yield
    sys.modules.pop("turnledger.litellm", None)


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def export_a_refused_turn(ledger: Ledger, file: Path) -> None:
    with ledger.turn(reserve=False, user_id="no identifier"):
        pass
    ledger.flush(20)
    assert ledger.outbox.export(file) == 1


def stores_of(app: Flask) -> dict[str, bytes]:
    with app.app_context():
        backend = provided(Backend)
    return {
        "metrics": generate_latest(),
        "MongoDB": bson_of(backend.database),
        "Redis": "\n".join(values_of(backend.redis)).encode(),
    }


@pytest.mark.usefixtures("_litellm")
def test_no_word_of_a_model_call_leaves_the_program(
    live_app: Flask, models: FakeModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = new_caller(live_app, turns=1_000)
    wire = Wire(live_app)
    with (
        own_log() as lines,
        Ledger(
            "http://ledger.test",
            caller.token,
            personality_id="pers_ada",
            outbox=tmp_path / "outbox.db",
            transport=wire,
        ) as ledger,
        closing(Everything(ledger, models)) as calls,
    ):
        calls.call_all()
        wire.is_down = True
        calls.call_all()
        found = files_of(tmp_path)
        assert {"outbox.db", "outbox.db-wal"} <= found.keys()
        assert ledger.outbox.counts().waiting
        wire.is_down = False
        assert ledger.flush(20)
        rows = caller.list_all(limit=100)
        assert len(rows) == calls.calls_count
        assert {row["status"] for row in rows} == {"completed", "failed"}
        export_a_refused_turn(ledger, tmp_path / "refused.ndjson")
        found |= {f"later {name}": content for name, content in files_of(tmp_path).items()}
        monkeypatch.setattr(OpenTurn, "call_started", _fail)
        calls.chat()
        assert ledger.stats().wrapper_errors
        calls.show(ledger, ledger.stats(), ledger.outbox.counts(), *ledger.outbox.refused())
        sent = b"\n".join(wire.sent)
        calls.show(*_errors(ledger))
    contents = {
        **found,
        "requests": sent,
        "repr": "\n".join(calls.shown).encode(),
        "log": "\n".join(lines).encode(),
        **stores_of(live_app),
    }
    assert lines
    assert MARKER in str(models.seen)
    assert b"llm_model" in contents["MongoDB"]
    assert b"gpt-4o" in contents["requests"]
    assert [name for name, content in contents.items() if MARKER.encode() in content.lower()] == []


def _fail(*_: object) -> None:
    raise RuntimeError(TEXT)


def _errors(ledger: Ledger) -> list[TurnledgerError]:
    """Return errors of this package that a caller may print, for identifiers that are text.

    Identifiers are sent as they are: the service refuses these.
    """
    found: list[TurnledgerError] = []
    for wrong in ({"user_id": TEXT}, {"personality_id": TEXT}, {"turn_id": TEXT}):
        with pytest.raises(TurnledgerError) as raised:
            ledger.reserve(**wrong)
        found.append(raised.value)
    return found
