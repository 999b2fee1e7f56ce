"""Build the sender's requests from rows, within the bounds of the ledger."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from turnledger._core.values import Request, Row, State

MOST_ROWS = 500
# One MiB less what the braces around the turns need.
MOST_BYTES = (1 << 20) - 256
_TURNS_OF_A_TOKEN = 50
_OPEN_OF = {State.RECORD: b'{"interactions":[', State.COMPLETE: b'{"completions":['}
_PATH_OF = {State.RECORD: "/v1/interactions/batch", State.COMPLETE: "/v1/turns/completions"}


@dataclass(frozen=True, slots=True)
class Shipment:
    """Hold rows and the request that sends them; `is_batch` if each has a result of its own."""

    rows: Sequence[Row]
    request: Request
    is_batch: bool

    @property
    def tokens(self) -> int:
        """Return what the request costs of the rate limit."""
        return -(-len(self.rows) // _TURNS_OF_A_TOKEN)


def batch_of(rows: Sequence[Row], most_rows: int, most_bytes: int) -> Shipment:
    """Build the request for as many of the first rows as fit; all have the first one's state."""
    state = rows[0].state
    taken: list[Row] = []
    bodies: list[bytes] = []
    size = 0
    for row in [row for row in rows if row.state is state][:most_rows]:
        body = _item(row)
        size += len(body) + 1
        if taken and size > most_bytes:
            break
        taken.append(row)
        bodies.append(body)
    content = _OPEN_OF[state] + b",".join(bodies) + b"]}"
    return Shipment(taken, Request("POST", _PATH_OF[state], content), is_batch=True)


def single_completion(row: Row) -> Shipment:
    """Build the request of one completion, for a ledger that takes no batches of them."""
    request = Request("PUT", f"/v1/turns/{row.interaction_id}", row.body.encode())
    return Shipment([row], request, is_batch=False)


def cancel(row: Row) -> Shipment:
    """Build the request that frees one reservation."""
    return Shipment([row], Request("DELETE", f"/v1/turns/{row.interaction_id}"), is_batch=False)


def look_up(row: Row) -> Request:
    """Build the request that reads the turn that is stored in a row's place."""
    if row.state is State.COMPLETE:
        return Request("GET", f"/v1/interactions/{row.interaction_id}")
    return Request("GET", "/v1/interactions", params={"turn_id": row.turn_id, "limit": "1"})


def _item(row: Row) -> bytes:
    if row.state is not State.COMPLETE:
        return row.body.encode()
    # The body is the wire's, so the id is set in front of it without parsing it.
    head = '{"interaction_id":' + json.dumps(row.interaction_id)
    rest = row.body.lstrip()[1:]
    return (head + ("," if rest.strip() != "}" else "") + rest).encode()
