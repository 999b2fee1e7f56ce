"""Exports as clients read them, and accounts with many turns."""

import hashlib
import json
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import httpx
from pymongo.database import Database

from app.interactions.ids import TurnKeys, turn_key
from tests import plain_http
from tests.callers import LIST, Caller
from tests.servers import ID_KEY, RunningService
from tests.turns import Body, now_ms, row, whole

NDJSON = "application/x-ndjson"
CSV = "text/csv"
TOKEN = "X-Export-Token"
_INSERTED_COUNT = 2_000


def fill(
    database: Database[dict[str, Any]], account: str, count: int, turn: Body | None = None
) -> None:
    """Store `count` turns of an account, a millisecond apart, the newest a minute old."""
    keys, model, newest_ms = TurnKeys(ID_KEY), row(account, turn or whole()), now_ms() - 60_000
    ulids = (keys.ulid(account, f"turn-{number}", newest_ms - number) for number in range(count))
    while batch := [
        model | {"_id": ulid, "turn_key": turn_key(ulid)} for ulid in islice(ulids, _INSERTED_COUNT)
    ]:
        database["interactions"].insert_many(batch, ordered=False)


@dataclass
class Received:
    """The lines that arrived, also in several answers, and what each answer's trailer says."""

    lines_count: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    last_id: str | None = None
    trailer: dict[str, Any] | None = None
    token: str = ""

    @property
    def is_complete(self) -> bool:
        return self.trailer is not None

    def add(self, chunks: Iterable[bytes]) -> Iterator[int]:
        """Keep the whole lines of an answer; yield the number of bytes after each chunk."""
        rest, bytes_count = b"", 0
        for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            self._add_lines(lines)
            bytes_count += len(chunk)
            yield bytes_count

    def _add_lines(self, lines: list[bytes]) -> None:
        if lines and lines[-1].startswith(b'{"trailer":'):
            self.trailer = json.loads(lines.pop())["trailer"]
        if lines:
            self.lines_count += len(lines)
            self.digest.update(b"\n".join(lines) + b"\n")
            self.last_id = json.loads(lines[-1])["interaction_id"]

    def as_trailer(self) -> dict[str, Any]:
        """Return what the trailer of a whole export of these lines says."""
        return {
            "count": self.lines_count,
            "sha256": self.digest.hexdigest(),
            "last_interaction_id": self.last_id,
        }


def receive(
    client: httpx.Client,
    received: Received | None = None,
    *,
    most_bytes: int | None = None,
    then: Callable[[], object] | None = None,
) -> Received:
    """Read an export, or go on with one that was cut; a broken answer ends without an exception.

    Once `most_bytes` have arrived `then` is called; without it the connection is closed.
    """
    received = received or Received()
    headers = {"Accept": NDJSON, "Accept-Encoding": "identity"}
    if received.token:
        headers[TOKEN] = received.token
    query = {"after": received.last_id} if received.last_id else {}
    try:
        with client.stream("GET", LIST, params=query, headers=headers) as answer:
            assert answer.status_code == 200, answer.read()
            received.token = answer.headers[TOKEN]
            for bytes_count in received.add(answer.iter_raw()):
                if most_bytes is not None and bytes_count >= most_bytes:
                    if then is None:
                        break
                    most_bytes = None
                    then()
    except (httpx.RemoteProtocolError, httpx.ReadError):
        assert not received.is_complete
    return received


@contextmanager
def slow_client(service: RunningService, caller: Caller) -> Iterator[httpx.Client]:
    """Make a client whose system takes little in advance, so that the service waits for it."""
    options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1_024)]
    transport = plain_http.Transport(socket_options=options)
    with plain_http.Client(
        base_url=service.base_url, headers=caller.headers, transport=transport, timeout=60
    ) as client:
        yield client


def is_served(client: httpx.Client) -> bool:
    """Return True if the service answers."""
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def export_lines(service: RunningService) -> list[dict[str, Any]]:
    """Return the lines that a running service has logged about exports."""
    whole, _, _ = service.log.read_text(errors="replace").rpartition("\n")
    lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "export"]


def export(caller: Caller, media_type: str = NDJSON, **query: Any) -> Any:
    """Request an export through the test client; its stream is not read yet."""
    headers = {"Accept": media_type} | query.pop("headers", {})
    named = {name.rstrip("_"): value for name, value in query.items()}
    return caller("GET", LIST, query_string=named, headers=headers)
