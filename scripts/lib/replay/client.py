"""Send HTTP requests over one kept connection; uses the standard library only."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import orjson

TIMEOUT_S = 30


class Unreachable(Exception):
    """The service does not answer; the message contains the next step."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status, headers and JSON body ({} if it has none)."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def error_code(self) -> str:
        """Return the code of the error envelope, or the status if there is none."""
        error = self.body.get("error")
        return error["code"] if isinstance(error, dict) else f"http_{self.status}"


class Client:
    """Sends JSON with a key, for one thread; reopens a lost connection, once for each request.

    Resending is safe because a turn is identified by its turn_id.
    """

    def __init__(self, base_url: str, key: str) -> None:
        self._base_url = base_url.rstrip("/")
        parts = urlsplit(self._base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Unreachable(
                f"{base_url!r} is not an address: write it like http://127.0.0.1:8000"
            )
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
        self._prefix = parts.path
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def get(self, path: str) -> Answer:
        """Read `path`; Unreachable if the service does not answer."""
        return self._ask("GET", path, None)

    def post(self, path: str, payload: Any) -> Answer:
        """Send `payload` as JSON; Unreachable if the service does not answer."""
        return self._ask("POST", path, orjson.dumps(payload))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes | None) -> Answer:
        with suppress(OSError, HTTPException):
            return self._try(method, path, body)
        self._connection.close()
        try:
            return self._try(method, path, body)
        except (OSError, HTTPException) as error:
            self._connection.close()
            reason = str(error) or type(error).__name__
            raise Unreachable(
                f"{self._base_url} does not answer ({reason}): start the service with "
                "scripts/run, or name it with --base-url"
            ) from None

    def _try(self, method: str, path: str, body: bytes | None) -> Answer:
        self._connection.request(method, self._prefix + path, body, self._headers)
        response = self._connection.getresponse()
        content = response.read()
        is_json = response.headers.get_content_type() == "application/json"
        payload = orjson.loads(content) if is_json else {}
        return Answer(response.status, dict(response.headers), payload)
