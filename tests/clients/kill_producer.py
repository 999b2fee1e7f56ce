"""Produce turns until this process is killed: `python -m tests.clients.kill_producer …`.

Each turn writes a line to a log: `o` once it is open, `a` once its end is acknowledged.
"""

import http.client
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from turnledger._core.counters import Counters
from turnledger._core.values import Account, Answer, Exchange, Request, State
from turnledger._outbox.store import Outbox
from turnledger._sender import Sender
from turnledger.errors import NetworkError

from tests.clients.exchanges import CountingBreaker

# Shorter than the hangs of the server, so that requests time out.
REQUEST_S = 0.3
CALL_S = 0.004


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def exchange_with(url: str) -> Exchange:
    address = urlsplit(url)

    def exchange(request: Request, timeout_s: float) -> Answer:
        connection = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=min(REQUEST_S, timeout_s)
        )
        try:
            connection.request(request.method, request.path, request.body)
            got = connection.getresponse()
            headers = {name.lower(): value for name, value in got.getheaders()}
            return Answer(got.status, headers, got.read())
        except (OSError, http.client.HTTPException) as error:
            raise NetworkError("No answer.") from error
        finally:
            connection.close()

    return exchange


def open_parts(path: Path, url: str) -> tuple[Outbox, Sender]:
    store = Outbox(path, Account(url, "a" * 16), max_turns=100_000, fsync=False, now_ms=now_ms)
    sender = Sender(
        store,
        exchange_with(url),
        breaker=CountingBreaker(),
        on_refused=None,
        stats=Counters(),
        mode="background",
        inline_timeout_s=5.0,
        now_ms=now_ms,
    )
    return store, sender


def produce(store: Outbox, sender: Sender, name: str, note: Callable[[str], None]) -> None:
    for number in range(1_000_000):
        turn_id = f"{name}-{number}"
        is_reserved = number % 3 == 0
        lost = {"turn_id": turn_id, "status": "failed", "error_code": "producer_lost"}
        seq = store.open(turn_id, json.dumps(lost), f"int_{turn_id}" if is_reserved else None)
        note(f"o {turn_id}\n")
        time.sleep(CALL_S)
        done = json.dumps({"turn_id": turn_id, "status": "completed"})
        store.end(seq, State.COMPLETE if is_reserved else State.RECORD, done)
        note(f"a {turn_id}\n")
        sender.wake()


def main() -> None:
    path, url, name = sys.argv[1:]
    log = os.open(f"{path}.log-{name}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    produce(*open_parts(Path(path), url), name, lambda line: _write(log, line))


def _write(log: int, line: str) -> None:
    os.write(log, line.encode())


if __name__ == "__main__":
    main()
