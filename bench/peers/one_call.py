"""One model call, recorded by each client as its users write it: what waits, what survives.

    python -m bench.peers.one_call [PEER ...]

Needs langfuse, runcycles and openai beside what the tests need. A server on loopback counts the
requests of each client: until the call returns, and until the program has ended. Then the program
is killed after its call, and during it; what the next one sends is listed.
"""

import gzip
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from turnledger.testing import FakeLedger

from tests.clients.fake_models import FakeModels, Gate, Plan, fake_models

MARKER = "canary4711"
CALL = 'client.chat.completions.create(model="gpt-4o", messages=messages)'
# The lines beyond the bare call are counted from these.
PROGRAMS = {
    "langfuse": f"""
from langfuse import get_client
from langfuse.openai import OpenAI
client = OpenAI()
{CALL}
RETURNED
get_client().flush()
""",
    "runcycles": f"""
from openai import OpenAI
from runcycles import CyclesClient, CyclesConfig, cycles
client = OpenAI()
budget = CyclesClient(CyclesConfig(base_url=SINK, api_key="k", tenant="acme"))
@cycles(estimate=1000, actual=lambda a: a.usage.total_tokens, unit="TOKENS",
        action_kind="llm.completion", action_name="gpt-4o", client=budget)
def call(messages): return {CALL}
call(messages)
RETURNED
""",
    "turnledger, record": f"""
from openai import OpenAI
from turnledger import Ledger
client = Ledger().wrap(OpenAI())
{CALL}
RETURNED
""",
    "turnledger, reserve": f"""
from openai import OpenAI
from turnledger import Ledger
ledger = Ledger()
client = ledger.wrap(OpenAI())
with ledger.turn(): {CALL}
RETURNED
""",
}


_SETTLED = {"commit": "COMMITTED", "release": "RELEASED", "extend": "ACTIVE"}


class Sink(ThreadingHTTPServer):
    """Answers as each client's service does, and keeps what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fake = FakeLedger()
        self.inner = httpx.Client(transport=self.fake.transport, base_url="http://ledger.test")
        self.asked: list[tuple[str, bytes]] = []

    def names(self) -> list[str]:
        return [name for name, _ in self.asked]


class _Handler(BaseHTTPRequestHandler):
    server: Sink
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        packed = self.headers.get("Content-Encoding") == "gzip"
        plain = gzip.decompress(body) if packed else body
        self.server.asked.append((f"{self.command} {self.path}", plain))
        status, content = self._content(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

    def _content(self, body: bytes) -> tuple[int, bytes]:
        amount = {"unit": "TOKENS", "amount": 1_000}
        if self.path == "/v1/reservations":
            until_ms = int(time.time() * 1_000) + 60_000
            held = {"decision": "ALLOW", "reservation_id": "r1", "affected_scopes": []}
            return 200, json.dumps({**held, "expires_at_ms": until_ms, "reserved": amount}).encode()
        if self.path.startswith("/v1/reservations/"):
            action = self.path.rpartition("/")[2]
            until = {"expires_at_ms": int(time.time() * 1_000) + 60_000}
            more = until if action == "extend" else {"charged": amount}
            return 200, json.dumps({"status": _SETTLED[action], **more}).encode()
        headers = {
            name: self.headers[name]
            for name in ("Authorization", "Content-Type")
            if name in self.headers
        }
        if not headers.get("Authorization", "").startswith("Bearer uniq_"):
            return 200, b"{}"
        answer = self.server.inner.request(self.command, self.path, content=body, headers=headers)
        return answer.status_code, answer.content

    def log_message(self, *_: object) -> None:
        pass


def source_of(peer: str, sink_url: str) -> str:
    said = f'messages = [{{"role": "user", "content": "{MARKER}"}}]\n'
    wait = 'print("returned", flush=True); input()'
    return said + PROGRAMS[peer].replace("SINK", repr(sink_url)).replace("RETURNED", wait)


def lines_count(peer: str) -> int:
    """Count the lines beyond import, client and call of the bare program."""
    lines = [line for line in PROGRAMS[peer].splitlines() if line not in {"", "RETURNED"}]
    return len(lines) - 3


class Trial:
    """Runs the programs of one peer with a state folder of its own."""

    def __init__(self, peer: str, models: FakeModels, sink: Sink, folder: Path) -> None:
        self.peer, self.models, self.sink = peer, models, sink
        self.sink_url = f"http://127.0.0.1:{sink.server_port}"
        self.environ = {
            **os.environ,
            "HOME": str(folder),
            "OPENAI_BASE_URL": models.openai_url,
            "OPENAI_API_KEY": "k",
            "LANGFUSE_BASE_URL": self.sink_url,
            "LANGFUSE_HOST": self.sink_url,
            "LANGFUSE_PUBLIC_KEY": "pk-lf-1",
            "LANGFUSE_SECRET_KEY": "sk-lf-1",
            "TURNLEDGER_URL": self.sink_url,
            "TURNLEDGER_KEY": "uniq_live_OneCall4711",
            "TURNLEDGER_PERSONALITY": "pers_ada",
            "TURNLEDGER_OUTBOX": str(folder / "outbox.db"),
        }

    def start(self, source: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", source]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=self.environ, stdin=pipe, stdout=pipe, encoding="utf-8"
        )

    def call(self) -> dict[str, object]:
        """Make one call and let the program end."""
        self.sink.asked.clear()
        with self.start(source_of(self.peer, self.sink_url)) as process:
            assert process.stdout
            process.stdout.readline()
            waited = self.sink.names()
            process.communicate("\n", timeout=60)
        later = self.sink.names()[len(waited) :]
        has_text = any(MARKER.encode() in body for _, body in self.sink.asked)
        return {"waited for": waited, "later": later, "text leaves": has_text}

    def kill(self, *, is_during: bool) -> list[str]:
        """Kill the program after or during its call; return what the next one sends for it."""
        gate = Gate()
        self.sink.asked.clear()
        if is_during:
            self.models.next(Plan(gate=gate))
        seen_count = len(self.models.seen)
        with self.start(source_of(self.peer, self.sink_url)) as process:
            assert process.stdout
            if is_during:
                while len(self.models.seen) == seen_count:
                    time.sleep(0.01)
            else:
                process.stdout.readline()
            process.kill()
        gate.release(100)
        before = self.sink.names()
        self.sink.asked.clear()
        with self.start(source_of(self.peer, self.sink_url)) as process:
            process.communicate("\n", timeout=60)
        return [*(f"before: {name}" for name in before), *self.sink.names()]


def main() -> None:
    chosen = sys.argv[1:] or list(PROGRAMS)
    with fake_models() as models:
        for peer in chosen:
            sink = Sink()
            threading.Thread(target=sink.serve_forever, args=(0.02,), daemon=True).start()
            with TemporaryDirectory() as folder:
                trial = Trial(peer, models, sink, Path(folder))
                found = {"lines": lines_count(peer), **trial.call()}
                found["after kill -9 after the call"] = trial.kill(is_during=False)
                found["turns 1"] = [turn["status"] for turn in sink.fake.turns.values()]
                found["after kill -9 during the call"] = trial.kill(is_during=True)
                found["turns 2"] = [turn.get("error_code") for turn in sink.fake.turns.values()]
            sys.stdout.write(json.dumps({peer: found}, indent=1) + "\n")
            sink.shutdown()


if __name__ == "__main__":
    main()
