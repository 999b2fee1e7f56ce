"""Turnledger: record AI turns, reserve quota before they run, and read what they consumed.

See the README of this package. Importing it imports no HTTP library and no database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._async import AsyncLedger
    from ._core.identity import current_turn
    from ._sync import Ledger
    from ._turn import OpenTurn
    from .errors import (
        APIError,
        AuthenticationError,
        CircuitOpenError,
        ConfigurationError,
        ConflictError,
        LedgerTimeoutError,
        LedgerUnavailable,
        NetworkError,
        NotFoundError,
        OutboxDamagedError,
        OutboxError,
        OutboxFullError,
        PaymentRequiredError,
        PermissionError,
        QuotaExhaustedError,
        RateLimitError,
        ReservationMismatchError,
        ServerError,
        ServiceUnavailableError,
        TurnAlreadyRecordedError,
        TurnCancelledError,
        TurnClosedError,
        TurnledgerError,
        ValidationError,
    )
    from .models import (
        AggregateBucket,
        Breakdown,
        Interaction,
        Limits,
        Me,
        Organization,
        PeekedQuota,
        Percentiles,
        RateLimit,
        UsageBucket,
    )
    from .types import (
        BatchResult,
        Counts,
        EmotionalState,
        Guardrails,
        Memory,
        Quota,
        Recorded,
        Refused,
        Reservation,
        Stats,
        Turn,
        Usage,
    )

__version__ = "0.1.0"
__all__ = [
    "APIError",
    "AggregateBucket",
    "AsyncLedger",
    "AuthenticationError",
    "BatchResult",
    "Breakdown",
    "CircuitOpenError",
    "ConfigurationError",
    "ConflictError",
    "Counts",
    "EmotionalState",
    "Guardrails",
    "Interaction",
    "Ledger",
    "LedgerTimeoutError",
    "LedgerUnavailable",
    "Limits",
    "Me",
    "Memory",
    "NetworkError",
    "NotFoundError",
    "OpenTurn",
    "Organization",
    "OutboxDamagedError",
    "OutboxError",
    "OutboxFullError",
    "PaymentRequiredError",
    "PeekedQuota",
    "Percentiles",
    "PermissionError",
    "Quota",
    "QuotaExhaustedError",
    "RateLimit",
    "RateLimitError",
    "Recorded",
    "Refused",
    "Reservation",
    "ReservationMismatchError",
    "ServerError",
    "ServiceUnavailableError",
    "Stats",
    "Turn",
    "TurnAlreadyRecordedError",
    "TurnCancelledError",
    "TurnClosedError",
    "TurnledgerError",
    "Usage",
    "UsageBucket",
    "ValidationError",
    "__version__",
    "current_turn",
]
# In the order of what their import costs.
_MODULES = (".errors", ".types", ".models", "._core.identity", "._sync", "._turn", "._async")


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _MODULES:
            found = import_module(module, __name__)
            if hasattr(found, name):
                value = globals()[name] = getattr(found, name)
                return value
    raise AttributeError(f"module 'turnledger' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
