"""Send requests byte for byte, also such that no HTTP client would send."""

import json
import socket
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPResponse
from urllib.parse import urlsplit

from tests.callers import Caller
from tests.servers import RunningService


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came over the socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_ours(self) -> bool:
        """True if the application answered, and not the server in front of it."""
        return "x-request-id" in self.headers

    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])


class Sender:
    """Sends complete requests byte for byte, each on its own connection."""

    def __init__(self, service: RunningService, caller: Caller) -> None:
        self.service = service
        self.caller = caller
        address = urlsplit(service.base_url)
        self._address = (address.hostname, address.port)

    def raw(self, request: bytes) -> Answer:
        with closing(socket.create_connection(self._address, timeout=30)) as connection:
            connection.sendall(request)
            # An answer to HEAD has a length and no body.
            response = HTTPResponse(connection, method=request.partition(b" ")[0].decode())
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())

    def __call__(
        self, method: bytes, target: bytes, *headers: bytes, payload: bytes = b""
    ) -> Answer:
        """Send a request with the caller's key, unless `headers` have an Authorization."""
        own = [f"Authorization: Bearer {self.caller.token}".encode()]
        if any(header.lower().startswith(b"authorization") for header in headers):
            own = []
        lengths = [] if is_chunked(headers) else [b"Content-Length: %d" % len(payload)]
        head = [b"%s %s HTTP/1.1" % (method, target), b"Host: turnledger.test"]
        lines = [*head, b"Connection: close", *own, *headers, *lengths]
        return self.raw(b"\r\n".join(lines) + b"\r\n\r\n" + payload)

    def json(self, target: str, payload: bytes, *headers: bytes) -> Answer:
        content = b"Content-Type: application/json"
        return self(b"POST", target.encode(), content, *headers, payload=payload)


def is_chunked(headers: tuple[bytes, ...]) -> bool:
    return any(b"chunked" in header for header in headers)


def chunked(payload: bytes, size: int = 16_384) -> bytes:
    parts = [payload[start : start + size] for start in range(0, len(payload), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
