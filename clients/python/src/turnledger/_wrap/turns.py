"""Find the turn of a model call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._call import Call
from .._core.identity import Identity, current_turn

if TYPE_CHECKING:
    from .._sync import Ledger
    from .._turn import OpenTurn


def begin_call(ledger: Ledger, who: Identity, *, reserve: bool) -> Call:
    """Begin a call in the current turn; in a turn of its own if none is open for this account."""
    turn = turn_of(ledger)
    if turn is not None:
        return turn.call_started()
    lone = ledger.begin(ledger.identify(who), reserve=reserve)
    call = lone.call_started()
    lone.leave(None)
    return call


def turn_of(ledger: Ledger) -> OpenTurn | None:
    """Return the current turn if it is recorded by the account of `ledger`."""
    turn = current_turn()
    is_own = turn is not None and turn.account == ledger.keeper.config.account
    return turn if is_own else None
