"""Send the requests of the conversation to one side and record its answers."""

import json
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from typing import Any

from scripts.lib.conversation.exchange import Answer, Exchange, exchange_of
from scripts.lib.conversation.names import Names, instant_of, ms_of

LIST = "/v1/interactions"
TURNS = "/v1/turns"
TIMEOUT_S = 90
# The longest wait for a bucket to be full again.
_SHORT_WAIT_MS = 1_000

Body = dict[str, Any]


class Talk:
    """One side's conversation: `keys` are the API keys by name, `ports` the services'."""

    def __init__(
        self, ports: Mapping[str, int], keys: Mapping[str, str], base_ms: int, names: Names
    ) -> None:
        self.keys = keys
        self.names = names
        self.exchanges: list[Exchange] = []
        self._ports = ports
        self._base_ms = base_ms
        self._turns_count = 0
        self._body_length = 0
        self._full_at_ms: dict[str, int] = {}

    def say(
        self,
        method: str,
        path: str,
        key: str | None = None,
        *,
        body: object = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        service: str = "web",
    ) -> Answer:
        """Send a request with the key of this name; `body` goes as JSON, `raw` as it is."""
        self.wait_until_full(key, service)
        data = raw if body is None else json.dumps(body).encode()
        sent = dict(headers or {})
        if key is not None:
            sent.setdefault("Authorization", f"Bearer {self.keys[key]}")
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        sent_ms = now_ms()
        label = self.begin(f"{method} {path}", sent_ms, f"{path} {(data or b'')[:4_000_000]!r}")
        answer = self._send(service, (method, path), data, sent, sent_ms=sent_ms)
        return self.keep(label, answer, key, service)

    def begin(self, line: str, sent_ms: int, sent: str = "") -> str:
        """Number the next exchange; return its label."""
        number = f"{len(self.exchanges) + 1:03d}"
        line = self.names.text(line)
        self.names.begin(number, sent_ms, sent)
        return f"{number} {line[:160]}"

    def keep(
        self, label: str, answer: Answer, key: str | None = None, service: str = "web"
    ) -> Answer:
        """Record an answer in comparable form, and the instant at which its bucket is full."""
        full_at = answer.header("x-ratelimit-reset")
        if full_at:
            self._full_at_ms[f"{service} {_owner(key)}"] = ms_of(full_at)
        # A HEAD follows the GET of the same path and gives the length of its body.
        length = self._body_length if " HEAD " in label else len(answer.body)
        self._body_length = len(answer.body)
        self.exchanges.append(exchange_of(f"{label} ({key})", answer, self.names, length))
        return answer

    def raw(
        self,
        lines: Sequence[str],
        body: bytes = b"",
        *,
        key: str | None = None,
        service: str = "web",
    ) -> Answer:
        """Send a request line and headers that no HTTP library would send; `key` is in them."""
        self.wait_until_full(key, service)
        head = "\r\n".join([*lines, "Connection: close", "", ""])
        sent_ms = now_ms()
        label = self.begin(f"raw {' | '.join(lines)}", sent_ms)
        with self.connect(service) as connection:
            connection.sendall(head.encode("latin-1") + body)
            return self.keep(label, received(connection, sent_ms), key, service)

    def connect(self, service: str = "web") -> socket.socket:
        """Return a new connection to a service."""
        return socket.create_connection(("127.0.0.1", self._ports[service]), TIMEOUT_S)

    def turn(self, *, ago_s: float | None = None, **changes: Any) -> Body:
        """Return the body of a minimal recording, at an instant that no other turn has."""
        self._turns_count += 1
        number = self._turns_count
        least = {
            "turn_id": f"turn-{number}",
            "occurred_at": self.instant(60 + number if ago_s is None else ago_s),
            "mode": "stateless",
            "status": "completed",
            "personality_id": "pers_ada",
            "latency_ms": 1_840 + number,
        }
        return least | changes

    def stateful(self, relationship: str = "rel_1", user: str = "u_1", **changes: Any) -> Body:
        """Return the body of a recording within a relationship."""
        people = {"mode": "stateful", "user_id": user, "relationship_id": relationship}
        return self.turn(**people | changes)

    def instant(self, ago_s: float) -> str:
        """Return an instant before the conversation, the same on both sides."""
        return instant_of(self._base_ms - round(ago_s * 1_000))

    def wait_until_full(self, key: str | None, service: str = "web") -> None:
        """Wait until the bucket of a key's organization is full, unless that takes too long."""
        wait_ms = self._full_at_ms.get(f"{service} {_owner(key)}", 0) - now_ms() + 3
        if 0 < wait_ms <= _SHORT_WAIT_MS:
            time.sleep(wait_ms / 1_000)

    def _send(
        self,
        service: str,
        request: tuple[str, str],
        data: bytes | None,
        headers: Mapping[str, str],
        *,
        sent_ms: int,
    ) -> Answer:
        # A new connection for each request: servers differ in which connections they keep.
        connection = HTTPConnection("127.0.0.1", self._ports[service], timeout=TIMEOUT_S)
        with closing(connection):
            connection.request(*request, body=data, headers=dict(headers))
            return answer_of(connection.getresponse(), sent_ms)


def answer_of(response: HTTPResponse, sent_ms: int) -> Answer:
    """Read a response to its end."""
    version = {10: "HTTP/1.0", 11: "HTTP/1.1"}[response.version]
    status_line = f"{version} {response.status} {response.reason}"
    headers = response.getheaders()
    return Answer(status_line, headers, response.read(), sent_ms)


def received(connection: socket.socket, sent_ms: int) -> Answer:
    """Read the response that comes on a bare connection."""
    response = HTTPResponse(connection)
    response.begin()
    return answer_of(response, sent_ms)


def _owner(key: str | None) -> str:
    """Return the organization in a key's name: all of its keys share a bucket."""
    return (key or "address").partition("/")[0]


def now_ms() -> int:
    """Return the clock's milliseconds since 1970."""
    return time.time_ns() // 1_000_000
