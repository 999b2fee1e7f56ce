"""Fake Granian's scope and protocol, as far as the adapter uses them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from app.serving.adapter import Adapter

Headers = list[tuple[str, str]]


class Pairs(list[tuple[str, str]]):
    """Headers as Granian returns them: a repeated header appears once for each value."""

    def items(self) -> Iterable[tuple[str, str]]:
        return self


@dataclass
class Scope:
    method: str = "GET"
    path: str = "/"
    query_string: str = ""
    client: str = "192.0.2.1:4711"
    http_version: str = "1.1"
    scheme: str = "http"
    headers: Pairs = field(default_factory=Pairs)


@dataclass
class Protocol:
    """Yields the parts of a body, then stalls if it `is_late`; keeps the answer."""

    parts: Sequence[bytes] = ()
    is_late: bool = False
    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    taken_count: int = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            self.taken_count += 1
            yield part
        if self.is_late:
            await asyncio.Event().wait()

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def response_empty(self, status: int, headers: Headers) -> None:
        self.status, self.headers = status, headers

    def response_file(self, status: int, headers: Headers, path: str) -> None:
        self.status, self.headers = status, headers
        self.reader = Thread(target=self._read, args=[Path(path)])
        self.reader.start()

    def _read(self, path: Path) -> None:
        self.body = path.read_bytes()


@contextmanager
def adapter_to(app: Any, threads_count: int = 1, deadline_s: float = 30) -> Any:
    """Yield an adapter whose threads end with the block."""
    adapter = Adapter(app, threads_count, deadline_s)
    try:
        yield adapter
    finally:
        adapter.close()


def serve(adapter: Adapter, scope: Scope, protocol: Protocol | None = None) -> Protocol:
    """Have the adapter answer one request, and wait for the answer."""
    protocol = protocol or Protocol()
    asyncio.run(adapter.__rsgi__(scope, protocol))
    if hasattr(protocol, "reader"):
        protocol.reader.join()
    return protocol
