"""The rules of caches for each path, and a client that keeps answers as they allow."""

import gzip
from dataclasses import dataclass, field

from werkzeug.test import TestResponse

from tests.callers import LIST, Caller

AGGREGATES = f"{LIST}/aggregates"
USAGE = "/v1/usage/turns"
RELATIONSHIPS = "/v1/usage/active-relationships"
# Fixed paths of which answers have a tag; so has each turn.
TAGGED = (LIST, AGGREGATES, USAGE, RELATIONSHIPS)
PUBLIC = ("/v1/billing/plans", "/openapi.json")
PAGES = ("/", "/docs", "/docs/errors")
MAY_KEEP = "private, no-cache"


def cache_control(method: str, path: str, status: int) -> list[str]:
    """Return the values of `Cache-Control` that an answer must have."""
    if status == 200 and method in {"GET", "HEAD"}:
        if path in PUBLIC:
            return []
        if path in PAGES:
            return ["no-cache"]
        if path in TAGGED:
            return [MAY_KEEP]
    return ["no-store"]


def body_of(answer: TestResponse) -> bytes:
    """Return the body without its coding."""
    coding = answer.headers.get("Content-Encoding")
    return answer.data if coding is None else gzip.decompress(answer.data)


@dataclass
class CachingClient:
    """A private cache, RFC 9111: keeps answers of `caller` by URL, and asks before each use."""

    caller: Caller
    statuses: list[int] = field(default_factory=list)
    _kept: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def get(self, path: str) -> bytes:
        """Return the body for `path`: the kept one if the service confirms it with a 304."""
        tag, kept = self._kept.get(path, (None, b""))
        headers = {"Accept-Encoding": "gzip"} | ({"If-None-Match": tag} if tag else {})
        answer = self.caller("GET", path, headers=headers)
        self.statuses.append(answer.status_code)
        if answer.status_code == 304:
            assert answer.headers["ETag"] == tag
            return kept
        body = body_of(answer)
        if "no-store" not in answer.headers["Cache-Control"] and "ETag" in answer.headers:
            self._kept[path] = (answer.headers["ETag"], body)
        return body
