"""A ledger on loopback that fails: 503, hangs, stores without answering."""

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG_S = 1.0
FAULTS = ("unavailable", "hang", "silent")


class FailingLedger:
    """Store each turn once; `chance` of the requests fail while it is above zero."""

    def __init__(self, seed: int) -> None:
        self.turns: dict[str, dict[str, Any]] = {}
        self.conflicts: list[str] = []
        self.faults: Counter[str] = Counter()
        self.chance = 0.3
        self.released = threading.Event()
        self._random = random.Random(seed)  # noqa: S311
        self._lock = threading.Lock()

    def fault(self) -> str:
        with self._lock:
            fault = self._random.choice(FAULTS) if self._random.random() < self.chance else ""
            self.faults[fault or "none"] += 1
        return fault

    def store(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        with self._lock:
            return [self._store(item) for item in items]

    def _store(self, item: dict[str, Any]) -> dict[str, Any]:
        turn_id = item["turn_id"]
        known = self.turns.setdefault(turn_id, item)
        if known == item:
            return {"status": "created" if known is item else "duplicate", "interaction_id": "int"}
        self.conflicts.append(turn_id)
        error = {"code": "conflict", "message": "", "details": {"reason": "other_content"}}
        return {"status": "rejected", "error": error}


class _Handler(BaseHTTPRequestHandler):
    ledger: FailingLedger

    def do_GET(self) -> None:
        self._answer(200, {"organization": {"id": "org_1"}, "environment": "live"})

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fault = self.ledger.fault()
        if fault == "unavailable":
            self._answer(503, {"error": {"code": "service_unavailable"}})
            return
        (items,) = content.values()
        results = self.ledger.store(items)
        if fault == "hang":
            self.ledger.released.wait(HANG_S)
        if fault != "silent":
            self._answer(200, {"results": results})

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # the producer has not waited
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing."""


@contextmanager
def serving(ledger: FailingLedger) -> Iterator[str]:
    handler = type("Handler", (_Handler,), {"ledger": ledger})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        ledger.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
