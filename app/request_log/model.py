"""Values of the log of refused requests."""

from dataclasses import dataclass
from datetime import UTC, datetime

from ulid import ULID


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """A request that was answered with a status of 400 or above.

    `organization_id` and `key_id` are None without a valid key, `error_code` is None without an
    error envelope. `fields` are names of the API; see `app.http.request_errors.field_names`.
    """

    id: str
    at: datetime
    organization_id: str | None
    key_id: str | None
    method: str
    route: str
    status: int
    error_code: str | None
    fields: tuple[str, ...]
    retry_after_s: int | None
    duration_ms: float


def find_instant(request_id: str) -> datetime | None:
    """Return when a request id was made; None if it is not an id of this service's form."""
    try:
        return ULID.from_str(request_id).datetime.astimezone(UTC)
    except ValueError:
        return None


def minute_of(at: datetime) -> str:
    """Return the minute of an instant in UTC, as `2026-11-30T14:31`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")
