"""Check a request for an API key."""

import re
from datetime import datetime

from app.http.instants import format_datetime
from app.http.request_errors import FieldError, InvalidFields, field_error

MAX_KEY_DAYS = 3650
LABEL_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,63}$"
IDEMPOTENCY_HEADER = "Idempotency-Key"
# HTTP removes white space around the value of a header, so none can begin or end it.
IDEMPOTENCY_PATTERN = r"^[!-~]([ -~]{0,253}[!-~])?$"


def field_errors(
    label: str | None, expires_in_days: int | None, idempotency_key: str | None
) -> list[FieldError]:
    """Return the field errors of a request for a key; none if it is valid."""
    found = []
    if label is not None and re.fullmatch(LABEL_PATTERN, label) is None:
        message = "The label must be 1 to 64 letters, digits or ._:@/+- without white space."
        found.append(field_error("label", "pattern", message, {"pattern": LABEL_PATTERN}))
    if expires_in_days is not None and not 1 <= expires_in_days <= MAX_KEY_DAYS:
        message = f"A key may last 1 to {MAX_KEY_DAYS} days."
        allowed = {"min": 1, "max": MAX_KEY_DAYS}
        found.append(field_error("expires_in_days", "out_of_range", message, allowed))
    if idempotency_key is not None and re.fullmatch(IDEMPOTENCY_PATTERN, idempotency_key) is None:
        message = f"The header {IDEMPOTENCY_HEADER} must be 1 to 255 printable ASCII characters."
        found.append(field_error(IDEMPOTENCY_HEADER, "pattern", message, {"max_length": 255}))
    return found


def require_ends_in_time(
    expires_at: datetime | None, not_after: datetime | None, now: datetime
) -> None:
    """Raise InvalidFields that names the bound if a key would outlive the key that asks for it."""
    if not_after is None or (expires_at is not None and expires_at <= not_after):
        return
    bound, most_days = format_datetime(not_after), (not_after - now).days
    code, wrong = (
        ("required", "is required") if expires_at is None else ("out_of_range", "is too long")
    )
    next_step = f"Ask for at most {most_days} days" if most_days else "Use a key that lasts longer"
    message = (
        f"`expires_in_days` {wrong}: a key cannot outlive the key that makes it, which expires at "
        f"{bound}. {next_step}."
    )
    allowed = {"min": 1, "max": most_days, "not_after": bound}
    raise InvalidFields([field_error("expires_in_days", code, message, allowed)])
