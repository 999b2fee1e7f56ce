"""Exceptions of the client: an answer of the ledger, no answer, or a fault of this process.

`str()` of an exception contains no key and no body. Families and names are those of the official
client `uniqos`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class TurnledgerError(Exception):
    """A call of this package failed.

    * `code`, `status`, `request_id`, `details`: as the ledger answered; None without an answer.
    * `retry_after_s`: seconds after which a repetition may succeed; None if unknown.
    * `turn_id`: the turn that the call was about; None if it was about no single turn.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        details: Any = None,
        retry_after_s: float | None = None,
        turn_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.request_id = request_id
        self.details = details
        self.retry_after_s = retry_after_s
        self.turn_id = turn_id

    def _detail(self, name: str) -> Any:
        return self.details.get(name) if isinstance(self.details, Mapping) else None


class ConfigurationError(TurnledgerError):
    """An argument or a variable is missing or malformed; the message names it and the fix."""


class LedgerUnavailable(TurnledgerError):
    """The fate of the request is unknown. It is safe to repeat it with the same `turn_id`."""


class NetworkError(LedgerUnavailable):
    """The ledger could not be reached, or the connection broke."""


class LedgerTimeoutError(LedgerUnavailable):
    """The ledger did not answer in time."""


class ServiceUnavailableError(LedgerUnavailable):
    """The ledger answered 503: one of its stores is unavailable."""


class ServerError(LedgerUnavailable):
    """The ledger or a proxy answered 500, 502, 504, or something that is no answer of a ledger."""


class CircuitOpenError(LedgerUnavailable):
    """The ledger did not answer several calls in a row, so this one was not sent."""


class APIError(TurnledgerError):
    """The ledger refused the request."""


class ValidationError(APIError):
    """The request is malformed (400, 413, 415); `fields` names each wrong field."""

    @property
    def fields(self) -> list[dict[str, Any]]:
        """The field errors, each with `field`, `code`, `message` and `allowed`."""
        return list(self.details) if isinstance(self.details, list) else []


class AuthenticationError(APIError):
    """The key is missing, unknown, revoked or expired (401)."""


class PaymentRequiredError(APIError):
    """The organization is suspended (402)."""


class PermissionError(APIError):  # noqa: A001 - the name of the official client
    """The key lacks a scope (403)."""


class NotFoundError(APIError):
    """There is no such object, or it belongs to another organization (404)."""


class ConflictError(APIError):
    """The request contradicts what is stored (409); `reason` says why."""

    @property
    def reason(self) -> str | None:
        """Why, such as `other_content`; None if the ledger did not say."""
        reason: str | None = self._detail("reason")
        return reason


class TurnAlreadyRecordedError(ConflictError):
    """The turn is recorded already: do not run it again."""


class TurnCancelledError(ConflictError):
    """The reservation of the turn was cancelled minutes ago: use a new `turn_id`."""


class ReservationMismatchError(ConflictError):
    """The turn is reserved with another relationship."""


class RateLimitError(APIError):
    """Too many requests (429); `retry_after_s` is the wait after which a lone client is admitted.

    `component` is None for the token bucket, `reservations` or `concurrency`.
    """

    @property
    def component(self) -> str | None:
        """The bound that refused the request."""
        component: str | None = self._detail("component")
        return component


class QuotaExhaustedError(APIError):
    """The quota is spent or held (429): do not call the model."""

    @property
    def component(self) -> str | None:
        """The ceiling that is reached: `turns`, `active_relationships` or `uncharged_turns`."""
        component: str | None = self._detail("component")
        return component

    @property
    def used(self) -> int | None:
        """Number of turns or relationships that are used."""
        used: int | None = self._detail("used")
        return used

    @property
    def limit(self) -> int | None:
        """The ceiling."""
        limit: int | None = self._detail("limit")
        return limit

    @property
    def resets_at(self) -> str | None:
        """When the billing period ends, as an ISO-8601 instant in UTC."""
        resets_at: str | None = self._detail("resets_at")
        return resets_at


class OutboxError(TurnledgerError):
    """The outbox cannot keep a turn."""


class OutboxFullError(OutboxError):
    """The outbox holds as many charged turns as `outbox_max_turns` allows."""


class OutboxDamagedError(OutboxError):
    """The outbox file is no outbox, or is damaged beyond reading."""


class TurnClosedError(TurnledgerError, RuntimeError):
    """The turn is completed, so nothing can be added to it."""
