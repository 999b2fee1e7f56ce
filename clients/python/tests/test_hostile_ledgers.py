"""Ledgers and proxies that answer nonsense, and programs that do odd things: the caller is safe."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from turnledger import Ledger, LedgerUnavailable, Turn

Answerer = Callable[[httpx.Request], httpx.Response]
_GARBAGE = {
    "an empty object": (201, {}, b"{}"),
    "a list": (201, {}, b"[]"),
    "nothing": (204, {}, b""),
    "a number": (200, {}, b"7"),
    "deep JSON": (201, {}, b"[" * 100_000),
    "a deep error": (500, {}, b"[" * 100_000),
    "a page": (200, {}, b"<html>"),
    "a wrong id": (201, {}, b'{"interaction_id":"a\\"b","expires_at":null,"quota":null}'),
    "an id of the year 10889": (
        201,
        {},
        b'{"interaction_id":"int_7ZZZZZZZZZZZZZZZZZZZZZZZZZ","expires_at":"x","quota":null}',
    ),
    "a wrong quota": (
        201,
        {},
        b'{"interaction_id":"int_01M8ZZZZZZZZZZZZZZZZZZZZZZ","expires_at":"x","quota":{"a":1}}',
    ),
    "a huge year": (503, {"date": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}, b""),
    "the year 9999": (503, {"date": "Fri, 31 Dec 9999 23:59:59 GMT"}, b""),
    "no digit": (429, {"retry-after": b"\xb2"}, b""),
    "an endless wait": (429, {"retry-after": "9" * 400}, b""),
    "a redirect": (302, {"location": "http://other.test/"}, b""),
}


def _ledger(answer: Answerer, tmp_path: Path, **options: Any) -> Ledger:
    return Ledger(
        "http://ledger.test",
        "uniq_test_" + "0" * 46,
        personality_id="pers_test",
        outbox=tmp_path / "outbox.db",
        transport=httpx.MockTransport(answer),
        **options,
    )


@pytest.mark.parametrize("name", list(_GARBAGE))
def test_a_turn_runs_whatever_the_ledger_answers(name: str, tmp_path: Path) -> None:
    status, headers, body = _GARBAGE[name]
    ledger = _ledger(lambda _: httpx.Response(status, headers=headers, content=body), tmp_path)
    turn = Turn(status="completed", latency_ms=1)
    for _ in range(2):
        with ledger.turn():
            pass
    state = ledger.record(turn).state
    assert name in {"a wrong id", "a wrong quota", "an id of the year 10889"} or state == "queued"
    assert [each.state for each in ledger.record_many([turn])] == ["queued"]
    ledger.flush(0.2)
    ledger.close(0.1)


def test_elements_of_a_batch_may_be_nonsense(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"results": [7, {}, {"status": "rejected"}]})

    ledger = _ledger(answer, tmp_path)
    turns = [Turn(status="completed", latency_ms=1) for _ in range(3)]
    assert [each.state for each in ledger.record_many(turns)] == ["queued"] * 3
    ledger.close(0.1)


@pytest.mark.parametrize("head", [b"HTTP/1.1 201 Created\r\nX-Drip: ", None])
def test_a_ledger_that_drips_bytes_costs_a_bounded_time(head: bytes | None, tmp_path: Path) -> None:
    beginning = head or b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n"
    server = socket.create_server(("127.0.0.1", 0))
    has_ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(beginning)
            while not has_ended.wait(0.1):
                connection.sendall(b"x")

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=drip, args=[connection], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    ledger = Ledger(
        f"http://127.0.0.1:{server.getsockname()[1]}",
        "uniq_test_" + "0" * 46,
        personality_id="pers_test",
        outbox=tmp_path / "outbox.db",
    )
    started_s = time.monotonic()
    try:
        with ledger.turn() as turn:
            assert time.monotonic() - started_s < 2.5
        assert not turn.is_reserved
    finally:
        has_ended.set()
        server.close()
        ledger.close(0.1)


def test_an_endless_body_is_no_answer(tmp_path: Path) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 1_000_000

    ledger = _ledger(lambda _: httpx.Response(201, content=endless()), tmp_path)
    with pytest.raises(LedgerUnavailable):
        ledger.reserve()
    ledger.close(0.1)
