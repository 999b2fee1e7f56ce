"""The next step for a 400 fits what is known of it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.console.request_steps import list_steps
from app.request_log.model import RefusedRequest


def refused(**changes: Any) -> RefusedRequest:
    least: dict[str, Any] = {
        "id": "01M857WWT68H8HWGA8E1GFTHM9",
        "at": datetime(2026, 11, 30, tzinfo=UTC),
        "organization_id": None,
        "key_id": None,
        "method": "GET",
        "route": "/v1/interactions",
        "status": 400,
        "error_code": "validation_error",
        "fields": (),
        "retry_after_s": None,
        "duration_ms": 1.0,
    }
    return RefusedRequest(**least | changes)


@pytest.mark.parametrize(
    ("fields", "words"), [(("limit",), "Send the answer for the ticket"), ((), "Find the log line")]
)
def test_the_step_depends_on_the_known_fields(fields: tuple[str, ...], words: str) -> None:
    (step,) = list_steps(refused(fields=fields))
    assert step["text"] is not None
    assert step["text"].startswith(words)
