"""The examples of the package's README run as printed, with a ledger and models on loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from turnledger.testing import FakeLedger

from tests.clients.fake_models import fake_models
from tests.docs.pages import blocks
from tests.servers import ROOT

README = ROOT / "clients" / "python" / "README.md"


class _Handler(BaseHTTPRequestHandler):
    """Pass requests to a fake ledger."""

    inner: httpx.Client
    protocol_version = "HTTP/1.1"

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: self.headers[name] for name in ("Authorization", "Content-Type")}
        known = {name: value for name, value in headers.items() if value}
        answer = self.inner.request(self.command, self.path, content=body, headers=known)
        self.send_response_only(answer.status_code)
        for name in ("Date", "Content-Type", "Retry-After"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._pass
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def serving(fake: FakeLedger) -> Iterator[str]:
    """Serve a fake ledger on a free port of loopback."""
    with httpx.Client(transport=fake.transport, base_url="http://ledger.test") as inner:
        server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"inner": inner})
        )
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def test_every_example_runs_and_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeLedger()
    with fake_models() as models, serving(fake) as url:
        environ = {
            "TURNLEDGER_URL": url,
            "TURNLEDGER_KEY": "uniq_live_Example4711",
            "TURNLEDGER_OUTBOX": str(tmp_path / "outbox.db"),
            "OPENAI_BASE_URL": models.openai_url,
            "OPENAI_API_KEY": "key",
            "ANTHROPIC_BASE_URL": models.anthropic_url,
            "ANTHROPIC_API_KEY": "key",
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        names: dict[str, Any] = {}
        for block in blocks(README):
            if block.is_run and block.language == "python":
                exec(compile(block.text, str(block), "exec"), names)  # noqa: S102
        names["model"].close()
        names["claude"].close()
        assert names["ledger"].close(10)
    shown = capsys.readouterr().out
    assert shown.startswith("created int_")
    assert "Counts(open=0, waiting=0, refused=0)" in shown
    statuses = [turn["status"] for turn in fake.turns.values()]
    assert len(statuses) == 1_006
    assert set(statuses) == {"completed"}
