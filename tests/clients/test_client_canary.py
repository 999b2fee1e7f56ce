"""A marker in all that a model call says: nothing of this package ever contains it.

It is planted in prompts, system messages, answers, tool arguments, metadata, headers and the texts
of exceptions. It is looked for in the outbox's files, in the requests to the ledger, in `repr`, in
the log at DEBUG, and in the stores of the service.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from flask import Flask
from turnledger import Ledger, OpenTurn, QuotaExhaustedError, TurnledgerError

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
        self.gpt = ledger.wrap(gpt, provider="openai", include_usage=True)
        self.claude = ledger.wrap(claude)

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

    def call_all(self) -> None:
        asks: list[Callable[..., Any]] = [self.chat, self.respond, self.message]
        for plan in (Plan(content=SAYING), Plan(content=FAILING), Plan(cut_after=2), *REFUSED):
            for ask in asks:
                for is_stream in (False, True):
                    self.call(ask, plan, stream=is_stream)
        self.fail_in_a_block()

    def call(self, ask: Callable[..., Any], plan: Plan, **more: Any) -> None:
        self.models.next(plan)
        who = {"user_id": "u_1", "relationship_id": "rel_1"}
        with suppress(Exception), self.ledger.turn(**who) as turn:
            answer = ask(**more)
            self.show(turn)
            list(answer)

    def fail_in_a_block(self) -> None:
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


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


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
    ):
        calls = Everything(ledger, models)
        calls.call_all()
        wire.is_down = True
        calls.call_all()
        found = files_of(tmp_path)
        assert {"outbox.db", "outbox.db-wal"} <= found.keys()
        assert ledger.outbox.counts().waiting
        wire.is_down = False
        assert ledger.flush(20)
        found |= {f"later {name}": content for name, content in files_of(tmp_path).items()}
        monkeypatch.setattr(OpenTurn, "call_started", _fail)
        with suppress(openai.APIError):
            calls.chat()
        assert ledger.stats().wrapper_errors
        calls.show(ledger, ledger.stats(), ledger.outbox.counts(), *ledger.outbox.refused())
        sent = b"\n".join(wire.sent)
        calls.show(*_errors(ledger))
    with live_app.app_context():
        backend = provided(Backend)
    contents = {
        **found,
        "requests": sent,
        "repr": "\n".join(calls.shown).encode(),
        "log": "\n".join(lines).encode(),
        "MongoDB": bson_of(backend.database),
        "Redis": "\n".join(values_of(backend.redis)).encode(),
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
        with suppress(Exception):
            try:
                ledger.reserve(**wrong)
            except (TurnledgerError, QuotaExhaustedError) as error:
                found.append(error)
    assert found
    return found
