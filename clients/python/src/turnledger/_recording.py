"""Record turns: one, or many in batches, in order, several at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from ._core import requests
from ._core.answers import exception, json_of, turn_of
from ._core.values import MAX_BATCH_BYTES, MAX_BATCH_COUNT, Answer, Request, State
from .errors import (
    LedgerUnavailable,
    OutboxError,
    RateLimitError,
    ServerError,
    TurnledgerError,
    ValidationError,
)
from .types import BatchResult, Recorded, Reservation, Turn

if TYPE_CHECKING:
    from ._sync import Ledger

# A turn id and the body of its recording, or why it has none.
Element = tuple[str, str]
Read = tuple[str, "str | ValidationError"]


def record_one(ledger: Ledger, turn: Turn) -> Recorded:
    """Record a finished turn. Raises as `Ledger.record`."""
    body = requests.dump(requests.turn_body(turn, ledger.defaults()))
    request = requests.record(body)
    return _send_or_queue(ledger, request, State.RECORD, turn_id=turn.turn_id, body=body)


def complete_one(ledger: Ledger, held: Reservation, turn: Turn) -> Recorded:
    """Record a reserved turn. Raises as `Ledger.complete`."""
    turn = replace(turn, turn_id=held.turn_id)
    body = requests.dump(requests.turn_body(turn, ledger.defaults(), is_reserved=True))
    request = requests.complete(held.interaction_id, body)
    return _send_or_queue(
        ledger,
        request,
        State.COMPLETE,
        turn_id=turn.turn_id,
        body=body,
        interaction_id=held.interaction_id,
    )


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


def _send_or_queue(
    ledger: Ledger,
    request: Request,
    state: State,
    *,
    turn_id: str,
    body: str,
    interaction_id: str | None = None,
) -> Recorded:
    """Send a turn; without an answer keep it in the outbox, if that outlives this process."""
    if ledger.is_disabled:
        return Recorded("disabled", turn_id, None)
    try:
        return _recorded(ledger.ask(request, turn_id=turn_id), turn_id)
    except (LedgerUnavailable, RateLimitError):
        if not ledger.keeper.is_durable:
            raise
        ledger.keeper.outbox.add(turn_id, state, body, interaction_id)
        ledger.keeper.sender.wake()
        return Recorded("queued", turn_id, None)


def _recorded(answer: Answer, turn_id: str) -> Recorded:
    interaction_id = str(turn_of(answer)["interaction_id"])
    return Recorded("created" if answer.status == 201 else "duplicate", turn_id, interaction_id)


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
