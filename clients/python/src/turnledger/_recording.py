"""Record many turns: batches in order, several at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

from ._core import requests
from ._core.answers import exception, json_of
from ._core.values import MAX_BATCH_BYTES, MAX_BATCH_COUNT, State
from .errors import (
    LedgerUnavailable,
    OutboxError,
    RateLimitError,
    ServerError,
    TurnledgerError,
    ValidationError,
)
from .types import BatchResult, Turn

if TYPE_CHECKING:
    from ._sync import Ledger

# A turn id and the body of its recording, or why it has none.
Element = tuple[str, str]
Read = tuple[str, "str | ValidationError"]


def record_in_batches(
    ledger: Ledger, turns: Iterable[Turn], concurrency: int
) -> Iterator[BatchResult]:
    """Yield the outcome of each turn, in order."""
    batches = _cut(_elements(ledger, turns))
    if ledger.is_disabled:
        for batch in batches:
            yield from [BatchResult(turn_id, "disabled") for turn_id, _ in batch]
        return
    running: deque[Future[list[BatchResult]]] = deque()
    with ThreadPoolExecutor(max(1, concurrency), "turnledger-batch") as pool:
        try:
            while True:
                wanted = max(1, concurrency) - len(running)
                running.extend(
                    pool.submit(_send_usable, ledger, batch) for batch in islice(batches, wanted)
                )
                if not running:
                    return
                yield from running.popleft().result()
        finally:
            for future in running:
                future.cancel()


def _elements(ledger: Ledger, turns: Iterable[Turn]) -> Iterator[Read]:
    defaults = ledger.defaults()
    for turn in turns:
        try:
            yield turn.turn_id, requests.dump(requests.turn_body(turn, defaults))
        except ValidationError as error:
            error.turn_id = turn.turn_id
            yield turn.turn_id, error


def _cut(elements: Iterator[Read]) -> Iterator[list[Read]]:
    batch: list[Read] = []
    size = 0
    for element in elements:
        bytes_count = len(element[1]) + 1 if isinstance(element[1], str) else 0
        if batch and (len(batch) == MAX_BATCH_COUNT or size + bytes_count > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(element)
        size += bytes_count
    if batch:
        yield batch


def _send_usable(ledger: Ledger, batch: list[Read]) -> list[BatchResult]:
    """Send the turns of a batch that have a body; return the outcome of all."""
    usable = [(turn_id, body) for turn_id, body in batch if isinstance(body, str)]
    sent = iter(_send(ledger, usable) if usable else [])
    return [
        next(sent) if isinstance(body, str) else BatchResult(turn_id, "refused", body)
        for turn_id, body in batch
    ]


def _send(ledger: Ledger, batch: list[Element]) -> list[BatchResult]:
    try:
        answer = ledger.ask(requests.record_batch([body for _, body in batch]))
        body = json_of(answer)
        results = body.get("results") if isinstance(body, dict) else None
        if not isinstance(results, list) or len(results) != len(batch):
            raise ServerError("The answer to a batch lacks results.")
    except (LedgerUnavailable, RateLimitError) as error:
        return [_queued(ledger, each, error) for each in batch]
    except TurnledgerError as error:
        return [BatchResult(turn_id, "refused", error) for turn_id, _ in batch]
    return [_result(ledger, each, result) for each, result in zip(batch, results, strict=True)]


def _result(ledger: Ledger, element: Element, result: Any) -> BatchResult:
    turn_id = element[0]
    result = result if isinstance(result, Mapping) else {}
    if result.get("status") in {"created", "duplicate"}:
        return BatchResult(turn_id, result["status"])
    error = result.get("error")
    if not isinstance(error, Mapping):
        return _queued(ledger, element, ServerError("The answer to a batch lacks a result."))
    error = exception(error, status=None, turn_id=turn_id)
    if isinstance(error, LedgerUnavailable):
        return _queued(ledger, element, error)
    return BatchResult(turn_id, "refused", error)


def _queued(ledger: Ledger, element: Element, error: TurnledgerError) -> BatchResult:
    """Keep a turn that had no answer; it is refused only if nothing can keep it."""
    turn_id, body = element
    if not ledger.keeper.is_durable:
        return BatchResult(turn_id, "refused", error)
    try:
        ledger.keeper.outbox.add(turn_id, State.RECORD, body)
    except OutboxError as full:
        return BatchResult(turn_id, "refused", full)
    ledger.keeper.sender.wake()
    return BatchResult(turn_id, "queued")
