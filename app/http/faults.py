"""Report stored data of one account that cannot be used: that account alone is refused."""

import structlog
from flask import has_request_context
from prometheus_client import Counter

from app.http.current import current_request

_log = structlog.get_logger("turnledger.errors")
# By label, since a counter without one opens its file at import, also in a command.
_COUNTED = Counter(
    "turnledger_account_faults",
    "Times that requests met stored data of their own organization that cannot be used.",
    ["event"],
)


class AccountFault(Exception):
    """Stored data of one account cannot be used, so that account alone is refused.

    `account` names it. `reason` says what is wrong and the next step, in our own words: the log and
    commands show it, clients never read it. `is_key_proven` says that the caller has sent a valid
    key of the account.
    """

    def __init__(self, account: str, reason: str, *, is_key_proven: bool = False) -> None:
        super().__init__(reason)
        self.account = account
        self.reason = reason
        self.is_key_proven = is_key_proven


def note_account_fault(event: str, account: str, reason: str) -> None:
    """Log and count a fault that a request has met; `event` says how it changed the answer."""
    _COUNTED.labels(event).inc()
    asked = {"requestId": current_request().id} if has_request_context() else {}
    _log.error(event, **asked, account=account, reason=reason)
