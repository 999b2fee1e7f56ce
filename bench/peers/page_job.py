"""Share the job of both peers of the case `peers`: keys, the query, the fields made from an id."""

import hashlib
import time
from typing import Any

from itsdangerous import URLSafeTimedSerializer

from app.http.instants import format_ms
from app.interactions.ids import instant_ms, lowest_ulid

PATH = "/v1/interactions"
ROWS = "interactions"
# `{_id: digest of a key, account}`, as a service would keep them.
KEYS = "peer_keys"
# A worker looks a key up again after so long.
KEY_AGE_S = 60
# Never reached: what is measured is what a request that passes costs.
LIMIT = "1000000000 per minute"
RETENTION_MS = 180 * 86_400_000
PER_PAGE, MOST_PER_PAGE = 20, 100
HIDDEN = dict.fromkeys(
    (
        *("account", "turn_key", "recorded_at", "quota_period", "charged"),
        *("uncharged", "key_id", "day", "open", "expires_at", "degraded"),
    ),
    0,
)
Row = dict[str, Any]


class KeyCache:
    """Accounts of keys that this worker has looked up lately."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[str, float]] = {}

    def get(self, digest: str) -> str | None:
        """Return the account, or None if it must be looked up."""
        account, until_s = self._found.get(digest, ("", 0.0))
        return account if time.monotonic() < until_s else None

    def keep(self, digest: str, account: str) -> None:
        """Remember an account for `KEY_AGE_S`."""
        self._found[digest] = account, time.monotonic() + KEY_AGE_S


def digest_of(authorization: str) -> str:
    """Return the digest under which the key of this header is stored."""
    return hashlib.sha256(authorization.removeprefix("Bearer ").encode()).hexdigest()


def query(account: str) -> Row:
    """Select the account's rows of the last 180 days."""
    oldest_ms = time.time_ns() // 1_000_000 - RETENTION_MS
    return {"account": account, "_id": {"$gte": lowest_ulid(oldest_ms)}}


def with_names(row: Row) -> Row:
    """Add the two fields that a row does not store."""
    row["interaction_id"] = f"int_{row['_id']}"
    row["created_at"] = format_ms(instant_ms(row["_id"]))
    return row


def cursor_after(rows: list[Row], limit: int, signer: URLSafeTimedSerializer) -> str | None:
    """Return where the next page begins; None if all `rows` fit on this one."""
    return str(signer.dumps(rows[limit - 1]["_id"])) if len(rows) > limit else None
