"""Faults of one account's stored data: that account alone is refused, and the log says why."""

import structlog
from flask import has_request_context
from prometheus_client import Counter

from app.http.problems import Problem
from app.http.request_id import request_id

# An operator must act first; then a change is in force within 5 s.
RETRY_AFTER_S = 60

_log = structlog.get_logger("turnledger.errors")
# By label, since a counter without one opens its file at import, also in a command.
_COUNTED = Counter(
    "turnledger_account_faults",
    "Times that requests met stored data of their own organization that cannot be used.",
    ["event"],
)


class AccountFault(Problem):
    """Stored data of one account that cannot be used: a 503 for that account alone.

    `account` names it. `reason` says what is wrong and the next step, in our own words: it is for
    the log and for commands. Clients read only that they should ask the operator. `is_key_proven`
    says that the caller has shown a right key of the account.
    """

    def __init__(self, account: str, reason: str, *, is_key_proven: bool = False) -> None:
        super().__init__(
            "service_unavailable",
            "The service cannot use the stored data of your organization. Ask the operator of the "
            "service: the request id finds the reason in its log.",
            retry_after_s=RETRY_AFTER_S,
        )
        self.account = account
        self.reason = reason
        self.is_key_proven = is_key_proven


def note_account_fault(event: str, account: str, reason: str) -> None:
    """Log and count a fault that a request has met; `event` says what it did to the answer."""
    _COUNTED.labels(event).inc()
    asked = {"requestId": request_id()} if has_request_context() else {}
    _log.error(event, **asked, account=account, reason=reason)
