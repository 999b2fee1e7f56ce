"""Exports as clients read them, and accounts with many turns."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import httpx
from pymongo.database import Database

from app.interactions.ids import TurnKeys, turn_key
from tests.callers import LIST, Caller
from tests.servers import ID_KEY
from tests.turns import now_ms, row, whole

NDJSON = "application/x-ndjson"
CSV = "text/csv"
TOKEN = "X-Export-Token"
_INSERTED_COUNT = 10_000


def fill(database: Database[dict[str, Any]], account: str, count: int) -> None:
    """Store `count` turns of an account, a millisecond apart, the newest a minute old."""
    keys, model, newest_ms = TurnKeys(ID_KEY), row(account, whole()), now_ms() - 60_000
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

    def add(self, chunks: Iterable[bytes], most_bytes: int | None = None) -> None:
        """Read an answer up to its end, or until `most_bytes` have arrived; keep whole lines."""
        rest, bytes_count = b"", 0
        for chunk in chunks:
            bytes_count += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            self._add_lines(lines)
            if most_bytes is not None and bytes_count >= most_bytes:
                return

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
    client: httpx.Client, received: Received | None = None, most_bytes: int | None = None
) -> Received:
    """Read an export, or go on with one that was cut; a cut answer ends without an exception.

    With `most_bytes` the connection is closed once so many have arrived.
    """
    received = received or Received()
    headers = {"Accept": NDJSON, "Accept-Encoding": "identity"}
    query = {}
    if received.token:
        headers[TOKEN] = received.token
    if received.last_id:
        query["after"] = received.last_id
    try:
        with client.stream("GET", LIST, params=query, headers=headers) as answer:
            assert answer.status_code == 200, answer.read()
            received.token = answer.headers[TOKEN]
            received.add(answer.iter_bytes(), most_bytes)
    except (httpx.RemoteProtocolError, httpx.ReadError):
        assert not received.is_complete
    return received


def export(caller: Caller, media_type: str = NDJSON, **query: Any) -> Any:
    """Request an export through the test client; its stream is not read yet."""
    headers = {"Accept": media_type} | query.pop("headers", {})
    named = {name.rstrip("_"): value for name, value in query.items()}
    return caller("GET", LIST, query_string=named, headers=headers)
