"""Hold quota for a turn, and begin turns, held or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ._core import requests
from ._core.answers import build, turn_of
from ._core.config import OnUnavailable
from ._core.identity import Identity, current_turn
from ._core.ids import instant_ms, new_turn_id
from ._core.values import Answer
from ._turn import OpenTurn
from .errors import (
    AuthenticationError,
    LedgerUnavailable,
    NotFoundError,
    PaymentRequiredError,
    PermissionError,
    RateLimitError,
)
from .types import Quota, Reservation

if TYPE_CHECKING:
    from ._sync import Ledger

_TRIES_COUNT = 2
# A turn runs unheld after these: a wrong key or address must not stop a program.
_UNHELD = (
    LedgerUnavailable,
    RateLimitError,
    AuthenticationError,
    PaymentRequiredError,
    PermissionError,
    NotFoundError,
)


def reserve(ledger: Ledger, turn_id: str, who: Identity, hold_seconds: int | None) -> Reservation:
    """Hold a turn of the quota. Raises as `Ledger.reserve`."""
    if ledger.is_disabled:
        return Reservation(turn_id, "", "", None)
    answer = ledger.ask(
        requests.reserve(turn_id, who, hold_seconds),
        turn_id=turn_id,
        budget_s=ledger.keeper.config.reserve_timeout_s,
        tries_count=_TRIES_COUNT,
    )
    body = turn_of(answer)
    interaction_id = str(body["interaction_id"])
    _learn_instant(ledger, answer, interaction_id)
    quota = _quota_of(body.get("quota"))
    return Reservation(turn_id, interaction_id, str(body.get("expires_at")), quota)


def begin(
    ledger: Ledger,
    who: Identity,
    turn_id: str | None,
    hold_seconds: int | None,
    on_unavailable: OnUnavailable | None,
    *,
    is_held: bool,
) -> OpenTurn:
    """Open a turn of `who`, which is identified already. Raises as `Ledger.turn` on entry."""
    who.require_usable()
    turn_id = turn_id or new_turn_id()
    outer = current_turn()
    held = None
    if is_held and not ledger.is_disabled:
        held = _hold(ledger, turn_id, who, hold_seconds, on_unavailable)
    if held is None:
        return OpenTurn(ledger.keeper, who, turn_id, outer=outer)
    return OpenTurn(
        ledger.keeper,
        who,
        turn_id,
        interaction_id=held.interaction_id,
        expires_at=held.expires_at,
        quota=held.quota,
        outer=outer,
    )


def _hold(
    ledger: Ledger,
    turn_id: str,
    who: Identity,
    hold_seconds: int | None,
    on_unavailable: OnUnavailable | None,
) -> Reservation | None:
    """Reserve a turn; return None if it runs unheld, because the ledger gives no answer."""
    try:
        return reserve(ledger, turn_id, who, hold_seconds)
    except _UNHELD as error:
        if (on_unavailable or ledger.keeper.config.on_unavailable) == "raise":
            if isinstance(error, LedgerUnavailable):
                raise
            raise LedgerUnavailable(
                error.message,
                code=error.code,
                status=error.status,
                request_id=error.request_id,
                turn_id=turn_id,
            ) from error
        ledger.keeper.log_once(type(error).__name__, "Turns run without a reservation: %s", error)
        return None


def _learn_instant(ledger: Ledger, answer: Answer, interaction_id: str) -> None:
    """Learn the ledger's clock from a new reservation; a repeated one was made earlier."""
    reserved_ms = instant_ms(interaction_id) if answer.status == 201 else None
    if reserved_ms is not None:
        ledger.keeper.clock.learn(reserved_ms)


def _quota_of(found: Any) -> Quota | None:
    try:
        return build(Quota, found) if isinstance(found, Mapping) else None
    except TypeError:  # fields are missing: the turn is held all the same
        return None
