"""Answers that are refusals, and a store in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ulid import ULID

from app.observability.answer import Answer
from app.request_log.model import RefusedRequest

NOW = datetime(2026, 11, 30, 14, 31, 52, tzinfo=UTC)
LIFETIME = timedelta(days=14)


def refusal(organization: str | None = "org_1", status: int = 429) -> Answer:
    """Return an answer with a status of 400 or above, unless another one is given."""
    return Answer(
        request_id=str(ULID()),
        client_request_id="mine",
        method="POST",
        endpoint="interactions.record",
        route="/v1/interactions",
        status=status,
        error_code="rate_limit_exceeded",
        fields=("turn_id",),
        component=None,
        retry_after_s=3,
        duration_ms=1.23456,
        organization=organization,
        key_id="key_1",
        decision="rate_limited",
        traceparent=None,
    )


class Store:
    """Keeps what is written; raises `failure` while it is set."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.now = NOW
        self.batches: list[Sequence[RefusedRequest]] = []
        self.left_out: list[tuple[datetime, int]] = []

    @property
    def entries(self) -> list[RefusedRequest]:
        return [entry for batch in self.batches for entry in batch]

    def write(self, entries: Sequence[RefusedRequest], expires_at: datetime) -> None:
        if self.failure:
            raise self.failure
        assert expires_at == self.now + LIFETIME
        self.batches.append(entries)

    def add_left_out(self, at: datetime, count: int, expires_at: datetime) -> None:
        assert expires_at == self.now + LIFETIME
        self.left_out.append((at, count))
