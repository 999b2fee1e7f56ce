"""Build the sender's requests from rows, within the bounds of the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass

from .._core import requests
from .._core.values import MAX_BATCH_COUNT, TURNS_OF_A_TOKEN, Request, Row, State

MOST_ROWS = MAX_BATCH_COUNT
# One MiB less what the braces around the turns need.
MOST_BYTES = (1 << 20) - 256
_BATCH_OF = {State.RECORD: requests.record_batch, State.COMPLETE: requests.complete_batch}


@dataclass(frozen=True, slots=True)
class Shipment:
    """Hold rows and the request that sends them; `is_batch` if each has a result of its own."""

    rows: Sequence[Row]
    request: Request
    is_batch: bool

    @property
    def tokens(self) -> int:
        """Return what the request costs of the rate limit."""
        return -(-len(self.rows) // TURNS_OF_A_TOKEN)


def batch_of(rows: Sequence[Row], most_rows: int, most_bytes: int) -> Shipment:
    """Build the request for as many of the first rows as fit; all have the first one's state."""
    state = rows[0].state
    taken: list[Row] = []
    elements: list[str] = []
    size = 0
    for row in [row for row in rows if row.state is state][:most_rows]:
        element = _element(row)
        size += len(element.encode()) + 1
        if taken and size > most_bytes:
            break
        taken.append(row)
        elements.append(element)
    return Shipment(taken, _BATCH_OF[state](elements), is_batch=True)


def single_completion(row: Row) -> Shipment:
    """Build the request of one completion, for a ledger that takes no batches of them."""
    return Shipment([row], requests.complete(str(row.interaction_id), row.body), is_batch=False)


def cancel(row: Row) -> Shipment:
    """Build the request that frees one reservation."""
    return Shipment([row], requests.cancel(str(row.interaction_id)), is_batch=False)


def look_up(row: Row) -> Request:
    """Build the request that reads the turn that is stored in a row's place."""
    if row.state is State.COMPLETE:
        return requests.read(f"{requests.RECORD}/{row.interaction_id}", {})
    return requests.read(requests.RECORD, {"turn_id": row.turn_id, "limit": 1})


def _element(row: Row) -> str:
    if row.state is State.COMPLETE:
        return requests.completion_element(row.interaction_id, row.body)
    return row.body
